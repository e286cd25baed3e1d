"""Verifiers trained and measured, and the benchmarks that do it, in small."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from evaluations import Scripted, task
from transformers import AutoTokenizer

from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.grading import grader
from grpo.eval.intervals import clustered
from grpo.eval.result import read_result
from grpo.eval.row import Row
from grpo.eval.search import paths
from grpo.eval.search.beam import Beams
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.model import ProcessRewardModel
from grpo.eval.steps.scorer import Thought
from grpo.eval.task import HELD_OUT
from grpo.recipe.sections import Sampling
from grpo.run.identity import weights_hash
from grpo.scale import scale_result
from grpo_data.world import problems
from grpo_rewards.workers import Scorer

ROOT = Path(__file__).parents[1]
BASE = ROOT / "data" / "models" / "tiny-base"
sys.path.insert(0, str(ROOT / "benchmarks"))

from beams.bench import Bench  # noqa: E402
from beams.line import compared  # noqa: E402
from verifier.agreement import agreement, auc  # noqa: E402
from verifier.examples import Example, outcome_examples, process_examples  # noqa: E402
from verifier.parts import Part  # noqa: E402
from verifier.train import (  # noqa: E402
    Course,
    outcome_logits,
    outcome_model,
    process_model,
    step_logits,
    train,
)

pytestmark = pytest.mark.slow

ASKED = "<|user|>Start with 7. Add 5.<|end|><|assistant|>"
STEPS = json.dumps({"steps": ["7+5=12", "12-2=10"]})
RIGHT, SLIPPED = "First, 7+5=12. Then 12-2=10. So 10.", "First, 7+5=12. Then 12-2=11. So 11."


def row(text: str, *, is_right: bool) -> Row:
    return Row("b", "q", "Start with 7. Add 5.", "10", None, None, None, 0, 1, ASKED, text, "stop",
               9, -1.0, correct=is_right, columns=STEPS)  # fmt: skip


# --- agreement ---


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, labels = rng.integers(0, 6, 40) / 5, rng.random(40) < 0.7
        pairs = [(a > b) + (a == b) / 2 for a in scores[labels] for b in scores[~labels]]
        assert auc(scores, labels) == pytest.approx(np.mean(pairs))


class Given:
    """Scores by the thought's text."""

    def __init__(self, scores: dict[str, tuple[float, ...]]) -> None:
        self._scores = scores

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        return [self._scores[thought.text] for thought in thoughts]


def test_agreement_by_hand() -> None:
    exact = Given({"a": (1.0, 0.0, 0.0), "b": (1.0, 1.0), "c": (0.0,), "d": ()})
    model = Given({"a": (0.9, 0.2, 0.6), "b": (0.8, 0.4), "c": (0.7,), "d": ()})
    questions = [[Thought("", "a"), Thought("", "b")], [Thought("", "c")], [Thought("", "d")]]
    found = agreement(questions, model, exact)
    # Right steps score 0.9, 0.8, 0.4, wrong ones 0.2, 0.6, 0.7: 3 + 3 + 1 pairs of 9 in order.
    assert (found.steps, found.wrong, found.auc) == (6, 0.5, pytest.approx(7 / 9))
    # Of q1's five judgements three are right (0.9, 0.2, 0.8), of q2's one none.
    assert found.accuracy == clustered([3 / 5, 0.0], 6)
    assert (found.found, found.passed) == pytest.approx((1 / 3, 2 / 3))
    # In a the first mistake is the first below one half, in c none is.
    assert found.first == 0.5
    assert found.auc_low <= found.auc <= found.auc_high


# --- examples ---


def test_a_process_example_is_labelled_at_the_ends_of_its_steps() -> None:
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    rows = [row(RIGHT, is_right=True), row("Easy.", is_right=False), row(SLIPPED, is_right=False)]
    right, slipped = process_examples(rows, tokenizer)
    assert (right.labels, slipped.labels) == ((1, 1, 1), (1, 0, 0))
    read = [tokenizer.decode(slipped.ids[: place + 1]) for place in slipped.places]
    assert read == [
        f"{ASKED}{SLIPPED[:end]}" for end in (len("First, 7+5=12."), len(SLIPPED) - 7, len(SLIPPED))
    ]


def test_an_outcome_example_is_the_conversation_as_a_reward_model_reads_it() -> None:
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    (found,) = outcome_examples([row(RIGHT, is_right=True)], tokenizer)
    assert tokenizer.decode(found.ids) == f"{ASKED}{RIGHT}<|end|>"
    assert (found.places, found.labels) == ((len(found.ids) - 1,), (1,))


# --- training ---


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both verifiers after a few steps on two thoughts that differ in one sum."""
    folder = tmp_path_factory.mktemp("learnt")
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    rows = [row(RIGHT, is_right=True), row(SLIPPED, is_right=False)]
    course = Course(epochs=24, batch=2, lr=2e-3, seed=0)
    for name, made, logits_of, examples in (
        ("process", process_model(BASE), step_logits, process_examples(rows, tokenizer)),
        ("outcome", outcome_model(BASE), outcome_logits, outcome_examples(rows, tokenizer)),
    ):
        losses = train(made, logits_of, list[Example](examples), course)
        assert len(losses) == 24 and losses[-1] < 0.3 < losses[0]
        made.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


def test_what_was_learnt_is_what_is_loaded(learnt: Path) -> None:
    model = ProcessRewardModel(learnt / "process", "cpu")
    right, slipped = model.score([Thought(ASKED, RIGHT), Thought(ASKED, SLIPPED)])
    assert right[-1] > 0.5 > slipped[-1]
    assert right[0] == pytest.approx(slipped[0], abs=1e-5)  # what follows is not seen
    rows = [row(RIGHT, is_right=True), row(SLIPPED, is_right=False)]
    assert grader(str(learnt / "process")).grade(rows) == pytest.approx([right[-1], slipped[-1]])
    first, second = grader(str(learnt / "outcome")).grade(rows)
    assert first is not None and second is not None and first > 0.5 > second


# --- the benchmarks ---


def script(name: str) -> ModuleType:
    path = ROOT / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def stored(folder: Path, count: int = 3, k: int = 24) -> Path:
    """A result that looks like the tiny base's: thoughts in full, every third one slipped."""
    asked = problems("chain", size=count, seed=9)
    steps = {problem.question: problem.columns["steps"] for problem in asked}

    def reply(put: str, seed: int) -> str:
        (question,) = (text for text in steps if text in put)
        equations = list(steps[question])
        if seed % 3 == 0:
            equations[-1] += "0"
        answer = equations[-1].partition("=")[2]
        return f"<think>{'. '.join(equations)}.</think><answer>{answer}</answer>"

    evaluation = Evaluation(
        (task("held-out", asked, k=k, by=HELD_OUT),),
        Sampling(temperature=1.0, max_tokens=160),
        0,
        {"path": "tiny-base", "sha256": weights_hash(BASE)},
    )
    with Scorer(HELD_OUT.rewards, workers=1) as scorer:
        conduct(folder, evaluation, Scripted(reply), lambda _: scorer)
    return folder


def test_searches_are_compared_at_their_own_cost(tmp_path: Path) -> None:
    assert script("search").sizes("1x4,8x2") == [(1, 4), (8, 2)]
    bench = Bench(read_result(stored(tmp_path / "r")), None, ["checker"], "last")
    gold = {group[0].question_id: group[0].gold for group in bench.groups}
    texts = [f"<think>x</think><answer>{gold[name]}</answer>" for name in gold]
    texts[0] = "<think>x</think><answer>-1</answer>"
    cost = round(2.5 * bench.tokens, 6)
    run = [paths.Found(name, paths.Path((), text, True, 1.0), tokens=cost, rounds=3)
           for name, text in zip(gold, texts, strict=True)]  # fmt: skip
    line = compared(bench, "checker", Beams(1, 4, (".",)), [run, run])
    assert (line.tokens, line.samples) == (pytest.approx(cost), pytest.approx(2.5))
    assert line.beam.value == pytest.approx(2 / 3)  # the first of three is wrong, both times
    # The checker tells slipped from right: best-of-n is coverage.
    assert line.best_of == line.coverage
    assert line.change.value == pytest.approx(line.beam.value - line.best_of.value)
    assert line.majority.value < line.best_of.value


def test_the_benchmarks_run_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out, out = stored(tmp_path / "r"), tmp_path / "v"
    few = {"out": out, "problems": 12, "samples": 4, "threads": 1, "engine": "plain"}
    process_reward = script("process_reward")
    process_reward.main(held_out, **few, epochs=1)
    said = capsys.readouterr().out
    assert "AUC" in said and max(map(len, said.splitlines())) <= 80
    written = json.loads((out / "process.json").read_text())
    assert written["training"]["labels"] > 24
    parts = ["trained, sums", "trained, conclusions", "surprise, sums", "surprise, conclusions"]
    assert list(written["steps"]) == parts
    for one in written["steps"].values():
        assert one["accuracy"]["n_questions"] == 3 and 0 <= one["auc"] <= 1

    # What was sampled is not sampled again, for the other verifier neither.
    drawn = (out / "thoughts" / "samples.parquet").stat().st_mtime_ns
    process_reward.main(learn="outcome", **few, epochs=1)
    assert (out / "thoughts" / "samples.parquet").stat().st_mtime_ns == drawn
    assert json.loads((out / "outcome.json").read_text())["training"]["labels"] == 12 * 4

    capsys.readouterr()
    searches = out / "search.json"
    script("search").main(held_out, prm=out / "process", beams="2x4", threads=1, engine="plain",
                          out=searches)  # fmt: skip
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    found = json.loads(searches.read_text())["lines"]
    assert [one["scorer"] for one in found] == ["checker", "process"]
    for one in found:
        assert one["tokens"] > 2 and 1 <= one["samples"] <= 24
        assert one["beam"]["n_questions"] == 3

    scale_result(held_out, by=["checker", str(out / "process"), str(out / "outcome")])
    capsys.readouterr()
    script("scaling_tables").main([held_out / "scaling.json", out / "process.json", searches])
    tables = capsys.readouterr().out
    for line in ("| % right with n samples | 1 | 2 | 4 | 8 | 16 | 24 |", "| coverage |",
                 "| best-of-n by outcome |", "| trained, sums |", "| process | 2x4 |"):  # fmt: skip
        assert line in tables
    page = out / "page.md"
    page.write_text("a\n<!-- search -->\nold\n<!-- end -->\nb\n")
    script("scaling_tables").main([searches], into=page)
    first, *_, last = page.read_text().splitlines()
    assert (first, last) == ("a", "b")
    assert "old" not in page.read_text() and "| process | 2x4 |" in page.read_text()


def test_the_checker_s_examples_are_the_checker_s_scores() -> None:
    thought = Thought(ASKED, SLIPPED, json.loads(STEPS))
    assert ExactSteps().score([thought]) == [(1.0, 0.0, 0.0)]


def test_sums_and_conclusions_are_told_apart() -> None:
    thought = Thought(ASKED, SLIPPED)
    scorer = Given({SLIPPED: (0.9, 0.4, 0.2)})
    assert Part(scorer, of_sums=True).score([thought]) == [(0.9, 0.4)]
    assert Part(scorer, of_sums=False).score([thought]) == [(0.2,)]
