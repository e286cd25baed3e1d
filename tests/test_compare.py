"""Preferences from a model's own samples: who is paired with whom, by hand, and a small stage."""

import json
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator

from grpo.errors import UserError
from grpo.gathering.kept import Origin
from grpo.gathering.matched import Matches, row
from grpo.gathering.untaught import Untaught
from grpo.recipe.load import parse_recipe
from grpo.recipe.shipped import shipped_model
from grpo.recipe.stages import Compare, RewardModel
from grpo.run.identity import weights_hash
from grpo.run.resolved import resolved
from grpo.run.run_directory import RunDirectory
from grpo.stages.compare import run_compare
from grpo.types import Completion, Group, Judgement
from grpo.workbench.pairs import read_pairs
from grpo.workbench.workbench import Workbench
from grpo_data.preferences import load_preferences
from grpo_data.problem import Problem, is_held_out

BASE = shipped_model("tiny-base")


def group(*said: tuple[str, float | None], asked: str = "Say hello.") -> Group:
    problem = Problem("p0", asked, "", "k0", {"kind": "greeting", "chosen": "a column's own"})
    completions = tuple(Completion(text, (1,), (-0.5,), "stop") for text, _ in said)
    judgements = tuple(Judgement(reward, {}, {}) for _, reward in said)
    return Group(problem, "prompt", (1, 2), completions, judgements)


def matched(*said: tuple[str, float | None], pairs: int = 2, gap: float = 0.5) -> Matches:
    matches = Matches(pairs, gap)
    matches.take(group(*said), seeds=range(10, 10 + len(said)))
    return matches


def texts(matches: Matches) -> list[tuple[str, str]]:
    return [(match.chosen.text, match.rejected.text) for match in matches.kept]


def test_the_best_stands_beside_the_worst_the_next_beside_the_next() -> None:
    said = ("c", 0.4), ("e", 1.0), ("a", 0.0), ("d", 0.9), ("b", 0.1)
    assert texts(matched(*said)) == [("e", "a"), ("d", "b")]
    assert texts(matched(*said, pairs=1)) == [("e", "a")]
    assert texts(matched(*said, gap=0.9)) == [("e", "a")]  # 0.9 - 0.1 is less
    assert texts(matched(*said, gap=1.1)) == []


def test_among_equals_the_lowest_seed_comes_first() -> None:
    said = ("good", 1.0), ("bad", 0.0), ("worse", 0.0), ("awful", 0.0)
    # ranked bad (11), worse (12), awful (13), good (10): only the last is far from the first
    assert texts(matched(*said)) == [("good", "bad")]


def test_what_is_not_paired_is_counted() -> None:
    matches = matched(("a", 1.0), ("a", 1.0), (" ", 0.0), ("b", None), ("c", 0.0), ("d", 0.0))
    report = matches.report()
    assert texts(matches) == [("a", "c")]
    assert report["dropped"] == {"duplicate": 1, "empty": 1, "unjudged": 1, "unpaired": 1}
    assert report["kept"] + sum(report["dropped"].values()) == report["samples"] == 6
    assert (report["problems"], report["problems_kept"]) == (1, 1)
    assert matches.paired_share == 2 / 6


def test_a_pair_of_which_one_side_is_known_to_an_evaluation_is_dropped() -> None:
    words = "one two three four five six seven eight nine ten"
    matches = Matches(2, 0.5)
    matches.take(group(("fine", 1.0), (f"so {words}", 0.0)), seeds=[1, 2])
    matches.take(group(("fine", 1.0), ("one two", 0.0)), seeds=[3, 4])
    matches.choose(Untaught({"exam": [f"count: {words}"]}))
    assert texts(matches) == [("fine", "one two")]
    assert matches.report()["dropped"] == {"unpaired": 0, "overlap": 2}


def test_a_row_is_a_preference_that_knows_where_it_comes_from(tmp_path: Path) -> None:
    (match,) = matched(("No.", 0.0), ("Hello!", 1.0)).kept
    written = row(match, Origin("tiny", "ask", "9f2c"))
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(written) + "\n")
    (read,) = load_preferences(str(file))
    assert (read.prompt, read.chosen, read.rejected) == ("Say hello.", "Hello!", "No.")
    assert (read.id, read.key, read.columns["kind"]) == ("p0/1-0", "k0", "greeting")
    assert read.columns["provenance"] == {
        "source": "tiny:ask",
        "checkpoint": "9f2c",
        "problem": "p0",
        "samples": [1, 0],
        "seeds": [11, 10],
        "rewards": [1.0, 0.0],
    }


RECIPE = """\
name: small
seed: 5
model: {path: tiny-base}
data: {path: "tiny:larger", size: 40, held_out: 0.3}
rewards: {accuracy_lenient: 1.0}
sampler: {engine: plain, max_model_len: 128}
runtime: {threads: 1}
track: {to: []}
stages:
  - name: ask
    kind: compare
    problems: 6
    samples: 4
    sampling: {max_tokens: 48}
  - name: judge
    kind: reward_model
    data: {path: "stage:ask", held_out: 0.3}
    beside: {path: "tiny:helpful", size: 200}
    batch: 2
"""


@pytest.mark.slow
def test_a_stage_writes_pairs_that_a_reward_model_reads(tmp_path: Path) -> None:
    recipe, run = parse_recipe(RECIPE), RunDirectory(tmp_path)
    stage = recipe.stages[0]
    assert BASE is not None and isinstance(stage, Compare)
    with Workbench(recipe, run, Accelerator(cpu=True)) as bench:
        bench.prepare()
        assert run_compare(stage, bench, BASE) == BASE
    pairs = load_preferences(str(run.conversations("ask")))
    told: list[Any] = [one.columns["provenance"] for one in pairs]
    own = [one for one in told if one["source"] == "small:ask"]
    assert len(own) == len(pairs) >= 2
    assert all(one["rewards"] == [1.0, 0.0] for one in own)
    assert {one["checkpoint"] for one in own} == {weights_hash(BASE)}
    judge = resolved(recipe.stages[1], recipe, run)
    assert isinstance(judge, RewardModel)
    train, held_out = read_pairs(judge)
    names = {one.id for one in (*train, *held_out)}
    assert {one.id for one in pairs} < names and len(names) == len(pairs) + 200
    assert all(is_held_out(one.key, 0.3) for one in held_out if one.id in {p.id for p in pairs})


@pytest.mark.slow
def test_a_judge_that_sees_no_difference_ends_the_run_in_a_sentence(tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE, overrides=("stages.ask.gap=1.5",))
    stage = recipe.stages[0]
    assert BASE is not None and isinstance(stage, Compare)
    with (
        Workbench(recipe, RunDirectory(tmp_path), Accelerator(cpu=True)) as bench,
        pytest.raises(UserError, match="stage 'ask' pairs none of 24 samples"),
    ):
        run_compare(stage, bench, BASE)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("stages.judge.data.path=stage:judge", "'judge' is this very stage"),
        ("stages.ask.rewards={}", "a compare stage needs at least one reward"),
        ("stages.judge.beside.path=stage:judge", "'judge' is this very stage"),
        ("stages.ask.kind=reject", "must name a compare stage, which writes preferences"),
    ],
)
def test_what_cannot_be_compared_is_said_at_once(override: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse_recipe(RECIPE, overrides=(override,))
