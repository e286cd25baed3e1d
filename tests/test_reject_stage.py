"""A small reject stage: what it writes, and that cut off it goes on to the same bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from grpo.errors import Stopped, UserError
from grpo.gathering import drawing
from grpo.gathering.untaught import untaught
from grpo.model.load import load_model
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Model
from grpo.recipe.shipped import shipped_model
from grpo.recipe.stages import Reject
from grpo.rollout.record import read_rollout
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import token_counts
from grpo.run.identity import file_hash, weights_hash
from grpo.run.run_directory import RunDirectory
from grpo.sampler import request_seed
from grpo.stages.reject import run_reject
from grpo.train.flops import ForwardCost
from grpo.workbench.workbench import Workbench
from grpo_data.conversations import load_conversations

pytestmark = pytest.mark.slow

BASE = shipped_model("tiny-base")

RECIPE = """\
name: small
seed: 5
model: {path: tiny-base}
data: {path: "tiny:larger", size: 40, held_out: 0.3}
rewards: {accuracy_lenient: 1.0, language_consistency: 0}
sampler: {engine: plain, max_model_len: 128}
runtime: {threads: 1}
track: {to: []}
stages:
  - name: pick
    kind: reject
    problems: 6
    samples: 4
    sampling: {max_tokens: 48}
    keep: {at_most: 2, least: {accuracy_lenient: 1.0}}
    beside: {path: "tiny:cold_start", size: 60}
  - {kind: evaluate, name: exam, data: {path: "tiny:all", size: 2000}, sampling: {max_tokens: 48}}
"""


class Bench:
    """A folder for one run of RECIPE's first stage, pieces of two problems each."""

    def __init__(self, root: Path, *overrides: str) -> None:
        self.recipe: Recipe = parse_recipe(RECIPE, overrides=overrides)
        self.run = RunDirectory(root)
        self.file, self.stage = self.run.conversations("pick"), self.recipe.stages[0]

    def work(self) -> None:
        assert BASE is not None and isinstance(self.stage, Reject)
        with Workbench(self.recipe, self.run, Accelerator(cpu=True)) as bench:
            assert run_reject(self.stage, bench, BASE) == BASE

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.file.with_suffix(".report.json").read_text())
        return report


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "PIECE", 9)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The stage without a break."""
    bench = Bench(tmp_path_factory.mktemp("straight"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "PIECE", 9)
        bench.work()
    return bench


def test_what_it_writes_is_the_right_ones_of_what_it_drew(straight: Bench) -> None:
    pieces = [read_rollout(file) for file in sorted((straight.run.rollouts("pick")).iterdir())]
    assert [len(piece.groups) for piece in pieces] == [2, 2, 2]
    drawn = {
        f"{group.problem.id}/{k}": (completion, judgement, piece.step, group.problem)
        for piece in pieces
        for group in piece.groups
        for k, (completion, judgement) in enumerate(
            zip(group.completions, group.judgements, strict=True)
        )
    }
    own = [row for row in straight.rows if row["provenance"]["source"] == "small:pick"]
    assert 2 <= len(own) == straight.report["kept"] <= 12
    for row in own:
        completion, judgement, step, asked = drawn[row["id"]]
        told = row["provenance"]
        assert (row["prompt"], row["completion"]) == (asked.question, completion.text)
        assert judgement.parts["accuracy_lenient"] == 1.0 == told["rewards"]["accuracy_lenient"]
        assert completion.finish_reason == "stop"
        assert told["seed"] == request_seed(5, step, asked.id, told["sample"], "pick")
        assert BASE is not None and told["checkpoint"] == weights_hash(BASE)


def test_what_drawing_cost_is_told(straight: Bench) -> None:
    files = sorted(straight.run.rollouts("pick").iterdir())
    lengths = [n for file in files for n in token_counts(read_rollout(file))]
    assert BASE is not None and len(lengths) == 24
    cost = ForwardCost.of(load_model(Model(path=""), BASE))
    assert straight.report["flops"] == cost.forward(lengths)
    assert straight.run.manifest()["stages"]["pick"]["flops"] == float(cost.forward(lengths))


def test_nothing_it_writes_overlaps_with_what_is_examined(straight: Bench) -> None:
    report, rows = straight.report, straight.rows
    names = [one["name"] for one in report["overlap"]["against"]]
    assert names == ["held out (exam)", "held out (pick)"]
    assert report["beside"]["dropped"]["overlap"] > 0
    assert report["rows"] == len(rows) == report["kept"] + report["beside"]["kept"]
    with Workbench(straight.recipe, straight.run, Accelerator(cpu=True)) as bench:
        assert isinstance(straight.stage, Reject)
        against = untaught(straight.stage, bench)
    assert not against.hits([(row["prompt"], row["completion"]) for row in rows]).rows
    assert len(load_conversations(str(straight.file))) == len(rows)


def _cut_off(by: BaseException) -> Callable[..., Any]:
    """A shelf that breaks when the second piece is asked for."""
    take = RolloutShelf.take

    def broken(shelf: RolloutShelf, step: int, problems: Any) -> Any:
        if step == 1:
            raise by
        return take(shelf, step, problems)

    return broken


def test_cut_off_it_goes_on_to_the_same_bytes(
    straight: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "broken")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RolloutShelf, "take", _cut_off(KeyboardInterrupt()))
        bench.work()
    (first,) = bench.run.rollouts("pick").iterdir()
    before = first.stat().st_mtime_ns
    assert not bench.file.exists()
    bench.work()
    assert first.stat().st_mtime_ns == before
    assert bench.file.read_bytes() == straight.file.read_bytes()
    assert bench.report == straight.report
    assert file_hash(bench.file) == file_hash(straight.file)


def test_asked_to_stop_it_ends_after_the_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "stopped")
    monkeypatch.setattr(Workbench, "agreed", lambda *_: True)
    with pytest.raises(Stopped, match="stopped after piece 1 of 3 of 'pick'"):
        bench.work()
    assert len(list(bench.run.rollouts("pick").iterdir())) == 1


def test_an_empty_set_is_an_error_that_says_what_was_dropped(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, "stages.pick.keep.least={language_consistency: 1.1}", "stages.pick.problems=1"
    )
    with pytest.raises(UserError) as error:
        bench.work()
    assert str(error.value) == (
        "stage 'pick' keeps none of 4 samples (dropped: 3 language_consistency, 1 unfinished); "
        "lower keep.least, draw more samples, or take a better parent"
    )
    assert not bench.file.exists()
