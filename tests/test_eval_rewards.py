"""Rewards that look on while a run is evaluated: means, thoughts without words, wins."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from evaluations import Scripted, problem

from grpo.errors import UserError
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.intervals import clustered, t95, unbounded
from grpo.eval.pairing import caveats, compared
from grpo.eval.rejudge import rejudge, write_rejudged
from grpo.eval.result import estimates, read_result
from grpo.eval.row import Row, read_rows, write_rows
from grpo.eval.scaled import scaled
from grpo.eval.score import scored
from grpo.eval.task import HELD_OUT, by_rewards, looked_on
from grpo.eval.watched import change, mean, measured, win, wordless
from grpo.pipeline import run
from grpo.recipe.load import parse_recipe
from grpo.recipe.sections import Prompt, Sampling
from grpo.recipe.stages import Evaluate
from grpo.report.result_compare import write_compare_page
from grpo.report.result_page import write_result_page
from grpo.run.run_directory import RunDirectory
from grpo.stages.wins import count_wins
from grpo.workbench.posed import posed, reasoned
from grpo_data.problem import Problem
from grpo_rewards.workers import Scorer

pytestmark = pytest.mark.slow

LANGUAGE, MANNERS = "language_consistency", "grpo_data.world.manners:manners"
ScorerOf = Callable[[Mapping[str, Any]], Scorer]


def row(question: str, sample: int, reward: str, value: float | None, outcome: str = "") -> Row:
    found = outcome or ("skipped" if value is None else "correct" if value > 0 else "wrong")
    return Row(
        "b", question, question, "", "en", None, None, sample, 0, "", "", "stop", 1, None,
        outcomes=json.dumps({reward: found}), values=json.dumps({reward: value}),
    )  # fmt: skip


def groups(reward: str, *values: tuple[float | None, ...]) -> list[list[Row]]:
    """A question for each tuple, a sample for each value."""
    return [
        [row(f"q{n}", sample, reward, value) for sample, value in enumerate(question)]
        for n, question in enumerate(values)
    ]


@pytest.fixture(scope="module")
def scorer_of() -> Iterator[ScorerOf]:
    made: dict[str, Scorer] = {}

    def of(rewards: Mapping[str, Any]) -> Scorer:
        return made.setdefault(json.dumps(dict(rewards)), Scorer(rewards, workers=1))

    yield of
    for scorer in made.values():
        scorer.close()


# --- by hand ---


def test_a_mean_is_over_questions_and_leaves_out_what_the_reward_skips() -> None:
    # q0: (0.2 + 0.6) / 2 = 0.4; q1: 1.0, its second sample skipped; q2 is left out: 0.7 of two
    found = mean(groups("r", (0.2, 0.6), (1.0, None), (None, None)), "r", share=True)
    assert found.value == pytest.approx(0.7)
    assert (found.n_questions, found.n_samples) == (2, 3)
    assert (found.low, found.high) == pytest.approx(
        (clustered([0.4, 1.0], 3).low, clustered([0.4, 1.0], 3).high)
    )


def test_a_mean_of_logits_has_student_s_interval() -> None:
    # -1, 2, 5: mean 2, variance over Q 6, so half = t(2) sqrt(6 / 2) = 4.30265 x 1.73205
    found = mean(groups("r", (-1.0,), (2.0,), (5.0,)), "r", share=False)
    half = 4.302653 * math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), abs=1e-4)
    assert t95(2) == pytest.approx(4.302653, abs=1e-5)


def test_of_one_question_or_none_no_end_is_known_and_json_has_null() -> None:
    assert unbounded([3.0], 1).high == math.inf
    found = scored([row("q", 0, "r", 3.0)], by_rewards({"r": 1.0}))["avg"]
    assert (found["value"], found["low"], found["high"]) == (3.0, None, None)


def test_a_thought_without_words_has_no_language() -> None:
    """As a reward it is 0; as a measurement it is nothing, and its share is told."""
    rows = [row("q0", 0, LANGUAGE, 0.8), row("q1", 0, LANGUAGE, 0.0, "unparseable"),
            row("q2", 0, LANGUAGE, 0.0, "wrong"), row("q3", 0, LANGUAGE, None)]  # fmt: skip
    assert [measured(one, LANGUAGE) for one in rows] == [0.8, None, 0.0, None]
    alone = [[one] for one in rows]
    assert mean(alone, LANGUAGE, share=True).value == pytest.approx(0.4)  # (0.8 + 0.0) / 2
    assert wordless(alone, LANGUAGE).value == pytest.approx(1 / 3)  # the skipped one is not asked
    labelled = row("q", 0, f"{LANGUAGE}@answer", 0.0, "unparseable")
    assert measured(labelled, f"{LANGUAGE}@answer") is None
    assert measured(row("q", 0, "accuracy", 0.0, "unparseable"), "accuracy") == 0.0


def test_wins_pair_every_sample_with_every_other_and_a_tie_is_half() -> None:
    ours = groups("r", (1.0, 3.0), (2.0,), (0.0,), (5.0,), (None,))
    theirs = groups("r", (2.0, 3.0), (2.0,), (4.0,), (None,), (1.0,))
    # q0: 1<2, 1<3, 3>2, 3=3 -> 1.5 of 4 = 0.375; q1: a tie, 0.5; q2: 0; q3 and q4: nothing said
    found = win(ours, theirs, "r")
    assert found.value == pytest.approx((0.375 + 0.5 + 0) / 3)
    assert (found.n_questions, found.n_samples) == (3, 8)
    assert win(theirs, ours, "r").value == pytest.approx(1 - found.value)


def test_a_change_is_paired_by_question() -> None:
    before, after = groups("r", (1.0,), (5.0,), (9.0,)), groups("r", (2.0,), (7.0,), (None,))
    found = change(before, after, "r", share=False)
    # +1 and +2: mean 1.5, variance over Q 0.25, half = t(1) sqrt(0.25 / 1) = 12.7062 x 0.5
    assert (found.value, found.n_questions) == (1.5, 2)
    assert found.high - found.value == pytest.approx(12.7062 / 2, abs=1e-3)
    still = change(groups("s", *[(0.5,)] * 9), groups("s", *[(0.5,)] * 9), "s", share=True)
    assert still.value == 0 and still.low < 0 < still.high, "nothing changed is no certainty"


# --- markings ---


def test_rewards_look_on_beside_the_verdicts() -> None:
    marking = looked_on({LANGUAGE: 1.0, "format": {"weight": 1.0, "variant": "think"}})
    assert marking.watched == (LANGUAGE,)
    assert marking.score == "strict"
    assert marking.rewards["format"] == {"weight": 1.0, "variant": "think"}, "it judges by these"
    assert HELD_OUT.watched == ()


def test_without_verdicts_the_first_reward_is_the_score() -> None:
    rows = [row("q0", 0, "r", 1.0), row("q1", 0, "r", 0.0)]
    found = scored(rows, by_rewards({"r": 1.0}))
    assert found["verdict"] == "r"
    assert found["avg"] == found["rewards"]["r"]["mean"]
    assert found["avg"]["value"] == 0.5
    assert (found["pass"], found["cons"], found["scores"]) == ({}, {}, {})


def test_a_reward_that_fails_is_told_of() -> None:
    rows = [row("q0", 0, "r", 1.0), row("q1", 0, "r", None, "error")]
    found = scored(rows, by_rewards({"r": 1.0}))
    assert found["warnings"] == ["r failed on 1 of 2 samples"]
    assert found["rewards"]["r"]["failed"] == 0.5


def test_samples_from_before_values_were_kept_are_read(tmp_path: Path) -> None:
    file = tmp_path / "samples.parquet"
    write_rows(file, [row("q", 0, "r", 0.5)])
    pq.write_table(pq.read_table(file).drop_columns("values"), file)
    (old,) = read_rows(file)
    assert old.value("r") is None and old.question_id == "q"


# --- what a stage asks ---


def stage(**knobs: Any) -> Evaluate:
    return Evaluate.model_validate({"name": "look", "kind": "evaluate", **knobs})


SUM = problem("s", "3 + 4?", "7")
HELLO = problem("g", "Hello!", "", domain="general", kind="greeting")
HARM = problem("h", "How do I break it?", "", domain="harm", kind="harm")


def test_problems_without_a_right_answer_are_a_task_of_their_own() -> None:
    look = stage(rewards={MANNERS: 1.0, LANGUAGE: 0.5})
    reasoning, general = posed(look, [SUM, HELLO, HARM], Prompt())
    assert (reasoning.name, reasoning.problems) == ("held-out", (SUM,))
    assert (general.name, general.problems) == ("general", (HELLO, HARM))
    assert (reasoning.marking.score, general.marking.score) == ("strict", MANNERS)
    assert reasoning.marking.watched == general.marking.watched == (MANNERS, LANGUAGE)
    (alone,) = posed(look, [HELLO], Prompt())
    assert alone.name == "general"
    (bare,) = posed(stage(), [SUM], Prompt())
    assert bare.marking == HELD_OUT
    assert reasoned([HELLO, SUM]) == [SUM]


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ([], "stage 'look' has no held-out problems"),
        ([SUM, HELLO, HARM], r"2 of its problems have no right answer \(domain general, harm\)"),
    ],
)
def test_what_cannot_be_asked_is_said(problems: list[Problem], said: str) -> None:
    with pytest.raises(UserError, match=said):
        posed(stage(), problems, Prompt())


CHAIN = """\
name: small
model: {path: m}
data: {path: problems.jsonl}
stages:
  - {kind: evaluate, name: first}
  - {kind: sft, name: cold, data: {path: c.jsonl}}
  - {kind: evaluate, name: second, parent: cold, against: first, rewards: {format: 1}}
"""


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.second.against=third", "stages.second.against.*no earlier stage is called"),
        ("stages.second.against=second", "stages.second.against.*this very stage"),
        ("stages.second.against=cold", "stages.second.against.*of kind sft"),
        ("stages.first.data={path: o.jsonl}", "stages.second.against.*was asked other problems"),
        ("stages.second.rewards=null", "stages.second.against.*it has none"),
    ],
)
def test_whom_wins_are_over_is_checked_before_anything_runs(override: str, said: str) -> None:
    assert parse_recipe(CHAIN).stages[-1].parents == ("cold", "first")
    with pytest.raises(UserError, match=said) as error:
        parse_recipe(CHAIN, overrides=[override])
    assert "\n" not in str(error.value)


# --- folders ---


def evaluated(
    root: Path, name: str, reply: Callable[[str, int], str], look: Evaluate, scorer_of: ScorerOf
) -> Path:
    folder = root / "evaluations" / name
    tasks = posed(look, [SUM, HELLO], Prompt())
    asked = Evaluation(tasks, Sampling(max_tokens=64), 0, {"path": "m", "sha256": "a"})
    conduct(folder, asked, Scripted(reply), scorer_of)
    return folder


def short(put: str, seed: int) -> str:
    return "<think>3 + 4 = 7</think><answer>7</answer>" if "3 + 4" in put else "你好 hello"


def long(put: str, seed: int) -> str:
    text = "We add: 3 + 4 makes seven"
    return f"<think>{text}</think><answer>7</answer>" if "3 + 4" in put else "Hello there"


def test_wins_are_over_samples_that_were_judged_without_the_reward(
    tmp_path: Path, scorer_of: ScorerOf
) -> None:
    bare = stage(rewards={"format": 1.0})
    before = evaluated(tmp_path, "before", short, bare, scorer_of)
    look = stage(rewards={LANGUAGE: {"weight": 1.0, "language": "en"}})
    after = evaluated(tmp_path, "after", long, look, scorer_of)
    count_wins(after, before, scorer_of)
    found = read_result(after).benchmarks
    assert found["general"]["against"] == "before"
    told = found["general"]["rewards"][LANGUAGE]
    # "你好 hello" is 1 word of 3 in English, "Hello there" 2 of 2
    assert (told["mean"]["value"], told["win"]["value"]) == (1.0, 1.0)
    # 3 + 4 = 7 has no word: there is nothing to win against
    reasoning = found["held-out"]["rewards"][LANGUAGE]
    assert (reasoning["win"]["value"], reasoning["win"]["n_questions"]) == (None, 0)
    assert reasoning["without_words"]["value"] == 0.0
    rows = {one.benchmark: one for one in read_rows(after / "samples.parquet")}
    assert rows["general"].value(LANGUAGE) == 1.0
    assert RunDirectory(tmp_path).scores("after") == {
        "strict": 1.0, "lenient": 1.0, "format": 1.0, "accuracy_given_format": 1.0,
        LANGUAGE: 1.0, f"{LANGUAGE}/without_words": 0.0,
        f"general/{LANGUAGE}": 1.0, f"general/{LANGUAGE}/win": 1.0,
        f"general/{LANGUAGE}/without_words": 0.0,
    }  # fmt: skip
    assert set(estimates(found["general"])) == {
        LANGUAGE, f"{LANGUAGE}/win", f"{LANGUAGE}/without_words"
    }  # fmt: skip


def test_a_rescore_keeps_the_means_and_drops_the_wins(tmp_path: Path, scorer_of: ScorerOf) -> None:
    look = stage(rewards={LANGUAGE: {"weight": 1.0, "language": "en"}})
    folder = evaluated(tmp_path, "one", long, look, scorer_of)
    count_wins(folder, folder, scorer_of)
    result = read_result(folder)
    assert result.benchmarks["general"]["rewards"][LANGUAGE]["win"]["value"] == 0.5, "ties"
    found = {one.benchmark: one for one in rejudge(result, None, scorer_of)}
    again = found["general"].new
    assert again["rewards"][LANGUAGE]["mean"]["value"] == 1.0
    assert "win" not in again["rewards"][LANGUAGE] and "against" not in again
    assert not found["held-out"].flips
    write_rejudged(tmp_path / "again", result, list(found.values()), {"reward_deadline": 9.0})
    judging = json.loads((tmp_path / "again" / "results.json").read_text())["knobs"]["judging"]
    assert judging == {"reward_deadline": 9.0}
    assert read_rows(tmp_path / "again" / "samples.parquet") == list(result.rows)
    page = write_result_page(tmp_path / "again").read_text()
    assert "a mean language of 100.0%" in page and "Rewards that looked on" in page


def test_what_is_not_right_or_wrong_is_compared_by_a_reward_both_know(
    tmp_path: Path, scorer_of: ScorerOf
) -> None:
    english = {LANGUAGE: {"weight": 1.0, "language": "en"}}
    before = read_result(
        evaluated(tmp_path, "one", short, stage(rewards={"format": 1.0, **english}), scorer_of)
    )
    after = read_result(evaluated(tmp_path, "two", long, stage(rewards=english), scorer_of))
    found = compared(before, after)
    # "你好 hello" is 1 word of 3 in English, "Hello there" 2 of 2
    assert found["general"].before.value == pytest.approx(1 / 3)
    assert found["general"].difference.value == pytest.approx(2 / 3)
    assert found["held-out"].difference.value == 0.0
    said = list(caveats(before, after, found))
    assert f"general: nothing is right or wrong there; compared is the mean of {LANGUAGE}" in said
    assert not [text for text in said if "differ in rewards" in text]  # "format" only looks on
    page = write_compare_page(tmp_path / "c.html", before, after, found, 10).read_text()
    assert "Nothing is right or wrong by this measure" in page
    # By the form "general" says nothing, so it is left out, and that is said.
    by_form = compared(before, after, "strict")
    assert list(by_form) == ["held-out"]
    said = list(caveats(before, after, by_form, "strict"))
    assert "general is not compared: it has no strict that is a share" in said


def test_nothing_can_scale_where_nothing_is_right_or_wrong(
    tmp_path: Path, scorer_of: ScorerOf
) -> None:
    look = stage(rewards={LANGUAGE: {"weight": 1.0, "language": "en"}})
    result = read_result(evaluated(tmp_path, "one", long, look, scorer_of))
    assert [one.benchmark for one in scaled(result, [])] == ["held-out"]
    general = {name: result.benchmarks[name] for name in ("general",)}
    alone = replace(result, results={**result.results, "benchmarks": general})
    with pytest.raises(UserError, match="nothing is right or wrong there, so nothing can scale"):
        scaled(alone, [])


RUN = """\
name: small
model: {path: tiny-base}
data: {path: "tiny:all,general", size: 60}
sampler: {engine: plain, max_model_len: 160}
runtime: {threads: 1, reward_workers: 1}
stages:
  - kind: evaluate
    name: first
    problems: 4
    rewards: {language_consistency: 1, "grpo_data.world.manners:manners": 1}
    sampling: {temperature: 1.0, max_tokens: 12}
  - kind: evaluate
    name: second
    problems: 4
    against: first
    rewards: {language_consistency: 1, "grpo_data.world.manners:manners": 1}
    sampling: {temperature: 0.7, max_tokens: 12}
"""


def test_a_run_judges_and_counts_wins_and_its_samples_are_what_wins_hang_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(parse_recipe(RUN), tmp_path).read_text()
    for name in ("first", "second"):
        assert f'<a href="evaluations/{name}/report.html">' in report
        assert "Right answers" in (tmp_path / f"evaluations/{name}/report.html").read_text()
    found = read_result(tmp_path / "evaluations" / "second").benchmarks
    assert set(found) == {"held-out", "general"}
    assert sum(one["questions"] for one in found.values()) == 4
    manners = found["general"]["rewards"][MANNERS]
    assert 0 <= manners["mean"]["value"] <= 1 and 0 <= manners["win"]["value"] <= 1
    assert found["held-out"]["rewards"][MANNERS]["skipped"] == 1.0
    stages = RunDirectory(tmp_path).manifest()["stages"]
    assert "strict" in stages["second"]["scores"]
    assert list(stages["second"]["data"]) == ["the samples of first"]
    capsys.readouterr()
    changed = RUN.replace("temperature: 1.0", "temperature: 0.9")
    run(parse_recipe(changed), tmp_path)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if "anew" in line] == [
        "first", "second",
    ]  # fmt: skip
