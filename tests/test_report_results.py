"""A result's page and a comparison's say what the files say, escape all of it, and stay small."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from grpo.cli import app
from grpo.errors import UserError
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.marker import judged
from grpo.eval.pairing import compared
from grpo.eval.rejudge import Rejudged
from grpo.eval.result import Result, read_result
from grpo.eval.row import Row
from grpo.eval.task import HELD_OUT
from grpo.recipe.sections import Sampling
from grpo.report.completions import LONGEST
from grpo.report.evaluations import comparison_table, rejudged_table, show_results
from grpo.report.result_compare import change_of, extent, headline, turned, write_compare_page
from grpo.report.result_page import write_result_page
from grpo.report.result_samples import chosen, shown_samples
from grpo.report.result_words import blamed, listed, name_of
from grpo.report.result_words import headline as words_of
from grpo.report.text import ticked
from grpo_rewards.workers import Scorer
from tests.evaluations import SUMS, Scripted, doubling, problem, task
from tests.test_report import Page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }}"
CHECKPOINT = {"path": "runs/zero/checkpoints/sft/final", "sha256": "ab" * 32}
ABOUT = {"deviations": ["temperature 1 (R1: 0.6)"]}


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer({"accuracy": 1.0, "accuracy_lenient": 0.0}, workers=1) as made:
        yield made


def better(put: str, seed: int) -> str:
    """As `doubling`, but 3 + 3 is right, 5 + 5 is not, and 6 + 6 is cut off with a hostile text."""
    number = int(put.split()[0])
    if number == 6:
        return f"CUT {HOSTILE}"
    return f"so \\boxed{{{11 if number == 5 else 2 * number}}}"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, scorer: Scorer) -> tuple[Result, Result]:
    root = tmp_path_factory.mktemp("results")
    odd = [problem("h1", f"1 + 1 = ? {HOSTILE}", "2")]
    tasks = (task("sums", SUMS, k=2, about={"notes": [HOSTILE]}), task("odd", odd))
    for name, reply in (("before", doubling), ("after", better)):
        asked = Evaluation(tasks, Sampling(max_tokens=64), 0, CHECKPOINT, {"engine": "x"}, ABOUT)
        conduct(root / name, asked, Scripted(reply), lambda rewards: scorer)
    return read_result(root / "before"), read_result(root / "after")


@pytest.fixture(scope="module")
def page(results: tuple[Result, Result]) -> Page:
    return page_of(write_result_page(results[1].folder))


@pytest.fixture(scope="module")
def comparison(results: tuple[Result, Result]) -> Page:
    before, after = results
    path = before.folder.parent / "comparison.html"
    return page_of(write_compare_page(path, before, after, compared(before, after), 10))


def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def rows_in(shown: str) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(shown)["rows"]
    return rows


def row(benchmark: str, number: int, correct: bool, text: str = "x") -> Row:
    outcome = "correct" if correct else "wrong"
    question = ("q", "1", None, None, None)
    drawn = Row(benchmark, str(number), *question, 0, 0, "p", text, "stop", 1, None)
    return replace(drawn, outcome=outcome, correct=correct)


# --- the page of a result -----------------------------------------------------------------------


def test_the_scores_stand_on_the_page(page: Page, results: tuple[Result, Result]) -> None:
    # Of 6 sums 4 are right (not 5 + 5, and 6 + 6 is cut off): 66.7%; one of 6 cut off: 16.7%.
    avg = results[1].benchmarks["sums"]["avg"]
    between = f"{100 * avg['low']:.1f}\N{EN DASH}{100 * avg['high']:.1f}"
    assert f"Right answers: 66.7% (95% interval {between}) on sums" in page.words
    assert f"66.7% {between}" in page.words
    assert "6 questions \N{MULTIPLICATION SIGN} 2" in page.words
    assert "16.7%" in page.words
    assert "zero / sft / final" in page.words


def test_parts_protocol_and_versions_stand_on_the_page(page: Page) -> None:
    # Odd sums 1, 3, 5: two of three right; even ones 2, 4, 6: two of three, too.
    assert re.search(r"sums by level questions avg@k 0 to 100% 0 3 66.7% .* 1 3 66.7%", page.words)
    assert "temperature 1 (R1: 0.6)" in page.words
    assert "R1's but for 1 thing " in page.words
    assert "grpo-reasoning" in page.words


def test_curves_are_drawn_where_there_is_more_than_one_sample(page: Page) -> None:
    assert page.charts() == ["sums: pass@k and cons@k by k"]


def test_nothing_a_model_said_becomes_markup(page: Page, comparison: Page) -> None:
    for one in (page, comparison):
        tags = Counter(tag for tag, _ in one.tags)
        assert tags["img"] == 0 and tags["script"] == len(one.scripts) and not one.open_tags
        assert "alert(1)" in one.words and "{{ 7 * 7 }}" in one.words
    assert len(page.scripts) == 2 and not comparison.scripts


def test_the_pages_ask_nothing_of_the_network(page: Page, comparison: Page) -> None:
    for _, attributes in (*page.tags, *comparison.tags):
        link = attributes.get("src") or attributes.get("href") or ""
        assert not link or link.startswith("#")
        assert "url(" not in (attributes.get("style") or "")


def test_samples_are_wrong_ones_first_with_all_that_is_filtered_by(page: Page) -> None:
    data = json.loads(page.scripts[0])
    found = [
        (data["questions"][asked][1], data["words"][outcome], extracted, data["words"][finish])
        for asked, _, outcome, _, extracted, _, finish, _, _ in data["rows"]
    ]
    assert found[:4] == [
        ("s5", "wrong", "11", "stop"),
        ("s5", "wrong", "11", "stop"),
        ("s6", "unparseable", None, "length"),
        ("s6", "unparseable", None, "length"),
    ]
    assert {outcome for _, outcome, _, _ in found[4:]} == {"correct"} and len(found) == 13
    assert "All 4 wrong and 9 right samples are in this page." in page.words


def test_an_own_run_s_result_has_a_page(results: tuple[Result, Result], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("plan.json", "samples.parquet"):
        (folder / name).write_bytes((results[0].folder / name).read_bytes())
    found = dict(results[0].results)
    for one in found["benchmarks"].values():
        one.pop("source", None)
    found.pop("deviations")
    (folder / "results.json").write_text(json.dumps(found))
    assert "It was asked as its own run asks." in page_of(write_result_page(folder)).words


def test_what_is_no_result_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no result"):
        write_result_page(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("checkpoint", "name"),
    [
        ({"endpoint": "http://x/v1", "model": "smol"}, "smol"),
        ({"path": "runs/zero/checkpoints/sft/final"}, "zero / sft / final"),
        ({"path": "data/models/tiny-base"}, "tiny-base"),
        ({"path": "."}, "."),
    ],
)
def test_what_answered_has_a_name(
    results: tuple[Result, Result], checkpoint: dict[str, str], name: str
) -> None:
    found = {**results[0].results, "checkpoint": checkpoint}
    assert name_of(replace(results[0], results=found)) == name


# --- which samples ------------------------------------------------------------------------------


def test_wrong_ones_fill_the_table_but_for_a_tenth() -> None:
    rows = [row("a", n, correct=n % 2 == 0) for n in range(400)]
    wrong, right = chosen(rows, 100)
    assert (len(wrong), len(right)) == (90, 10)
    # The wrong ones are the odd numbers: evenly spaced, from the first to the last.
    assert (wrong[0].question_id, wrong[-1].question_id) == ("1", "399")


def test_few_wrong_ones_leave_their_room_to_right_ones() -> None:
    rows = [row("a", n, correct=n >= 3) for n in range(400)]
    wrong, right = chosen(rows, 100)
    assert (len(wrong), len(right)) == (3, 97)


def test_benchmarks_share_alike_and_small_ones_leave_their_rest() -> None:
    # 100 for three: the small one has 4 and leaves 96, 48 each.
    sizes = {"large": 500, "small": 4, "middle": 200}
    rows = [row(name, n, correct=False) for name, size in sizes.items() for n in range(size)]
    wrong, _ = chosen(rows, 100)
    assert Counter(one.benchmark for one in wrong) == {"large": 48, "small": 4, "middle": 48}


@pytest.mark.parametrize("budget", [20_000, 100_000])
def test_the_table_keeps_within_its_bytes(results: tuple[Result, Result], budget: int) -> None:
    long = "<" * 300
    rows = tuple(row("sums", n, correct=n % 3 == 0, text=long) for n in range(900))
    shown = shown_samples(replace(results[0], rows=rows), budget)
    assert shown is not None and not shown.is_all
    assert len(shown.json.encode()) <= budget
    assert shown.wrong[1] == 600 and shown.right[1] == 300
    assert len(rows_in(shown.json)) == shown.wrong[0] + shown.right[0] > 0


def test_long_completions_are_cut_in_the_middle_and_counted(
    results: tuple[Result, Result],
) -> None:
    rows = (row("sums", 0, correct=False, text="b" * LONGEST + "end"), row("sums", 1, correct=True))
    shown = shown_samples(replace(results[0], rows=rows), 10**6)
    assert shown is not None and shown.shortened == 1
    text = rows_in(shown.json)[0][-1]
    assert text.endswith("end") and "3 characters left out" in text


# --- the page of a comparison -------------------------------------------------------------------


def test_the_comparison_by_hand(comparison: Page, results: tuple[Result, Result]) -> None:
    # Of 6 sums 5 were right and 4 are: -1/6 = -16.7 points; 3 + 3 turned right, two turned wrong.
    found = compared(*results)
    change = change_of("sums", found["sums"])
    assert (change.improved, change.worsened) == (1, 2)
    assert change.words.value == "\N{MINUS SIGN}16.7"
    assert change.trend == "" and "sums did not measurably change" in comparison.words
    assert "83.3%" in comparison.words and "66.7%" in comparison.words
    assert "sums: got worse 2 questions" in comparison.words
    assert "sums: got better 1 question " in comparison.words


def test_turned_questions_show_the_samples_that_turned(results: tuple[Result, Result]) -> None:
    worse, better = turned(*results, compared(*results), 10)
    assert [after.row.question_id for _, after in worse.shown] == ["s5", "s6"]
    assert [(a.right, b.right, a.of) for a, b in worse.shown] == [(2, 0, 2), (2, 0, 2)]
    ((before, after),) = better.shown
    assert (before.row.extracted, after.row.extracted) == ("7", "6")
    only, _ = turned(*results, compared(*results), 1)
    assert only.count == 2 and len(only.shown) == 1


def test_many_benchmarks_are_counted_in_the_headline(results: tuple[Result, Result]) -> None:
    one = change_of("sums", compared(*results)["sums"])
    many = [replace(one, trend=trend) for trend in ("up", "up", "down", "")]
    assert headline(many) == (
        "4 benchmarks, before and after: 2 of them rose, 1 of them fell and 1 of them did not "
        "measurably change."
    )


def test_bars_of_changes_end_where_no_interval_goes_beyond(
    results: tuple[Result, Result],
) -> None:
    one = change_of("sums", compared(*results)["sums"])
    ends = [(0.01, 0.04), (-0.23, 0.1)]
    bars = [replace(one, difference=replace(one.difference, low=a, high=b)) for a, b in ends]
    assert extent(bars[:1]) == 0.1 and extent(bars) == 0.3


def test_of_several_rewards_the_one_that_failed_is_named(scorer_of_held_out: Any) -> None:
    tagged, bare = "<think>1 + 1 = 2</think><answer>2</answer>", "<answer>2</answer>"
    drawn = [replace(row("a", 1, correct=False, text=text), gold="2") for text in (tagged, bare)]
    right, unformed = judged(drawn, HELD_OUT, scorer_of_held_out)
    assert (blamed(right, HELD_OUT), blamed(unformed, HELD_OUT)) == ("", "format")
    # One reward alone needs no name.
    assert blamed(unformed, HELD_OUT, "format") == ""


@pytest.fixture
def scorer_of_held_out() -> Iterator[Scorer]:
    with Scorer(HELD_OUT.rewards, workers=1) as made:
        yield made


def test_equal_scores_are_one(results: tuple[Result, Result]) -> None:
    one = results[0].benchmarks["sums"]
    benchmarks = {f"b{number}": one for number in range(4)}
    many = replace(results[0], results={**results[0].results, "benchmarks": benchmarks})
    assert words_of(many) == "Right answers: 83.3% on each of 4 benchmarks."


def test_what_stands_between_backticks_is_code() -> None:
    assert ticked("a `b <c>` d `e") == "a <code>b &lt;c&gt;</code> d `e"


@pytest.mark.parametrize(
    ("words", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists_read_as_sentences(words: list[str], text: str) -> None:
    assert listed(words) == text


# --- the verbs ----------------------------------------------------------------------------------


def test_compare_writes_the_page(results: tuple[Result, Result], tmp_path: Path) -> None:
    folders = [str(one.folder) for one in results]
    done = CliRunner().invoke(app, ["compare", *folders, "--out", str(tmp_path / "c.html")])
    assert done.exit_code == 0, done.output
    assert "sums: got worse" in page_of(tmp_path / "c.html").words


def test_report_writes_the_page_of_a_result_anew(results: tuple[Result, Result]) -> None:
    page = results[0].folder / "report.html"
    page.unlink(missing_ok=True)
    done = CliRunner().invoke(app, ["report", str(results[0].folder)])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(page) and "Right answers" in page_of(page).words


def test_the_terminal_has_no_room_for_a_prompt_with_examples(
    results: tuple[Result, Result], capsys: pytest.CaptureFixture[str]
) -> None:
    long = f"prompt {'Q: 3 + 4? A: 7. ' * 30!r} (R1: its own)"
    found = {**results[0].results, "deviations": [long, "top-p 1 (R1: 0.95)"]}
    show_results(found, results[0].folder, Console(width=80, highlight=False))
    said = " ".join(capsys.readouterr().out.split())
    assert "...; top-p 1 (R1: 0.95)" in said and long not in said


def wide(result: Result) -> Result:
    """The result with the widest numbers there are."""
    whole = {"value": 1.0, "low": 0.988, "high": 1.0}
    about = {"avg": whole, "questions": 14_042, "k": 64, "pass": {"64": whole}, "by": {},
             "cons": {"64": whole}, "scores": {"lenient": whole}, "unparseable": 1.0}  # fmt: skip
    benchmarks = {"mawps_multiarith": {**result.benchmarks["sums"], **about}}
    return replace(result, results={**result.results, "benchmarks": benchmarks})


def test_no_number_is_cut_short_in_a_terminal_of_80_columns(
    results: tuple[Result, Result], capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=80, force_terminal=True, color_system=None, highlight=False)
    result = wide(results[0])
    show_results(result.results, Path("r"), console)
    (name, found), rows = next(iter(result.benchmarks.items())), tuple(results[0].rows)
    by = results[0].marking("sums")
    console.print(rejudged_table([Rejudged(name, by, rows * 4000, rows * 4000, found, found)]))
    change = compared(*results)["sums"]
    console.print(comparison_table({name: replace(change, p=0.00001)}))
    said = capsys.readouterr().out
    assert "14,042x64 100.0% (98.8-100.0) 100.0% 100.0%  100.0%  0%   100%" in said
    assert "100.0% (98.8-100.0)" in said.partition("to right")[2]
    assert "<0.0001" in said and "\N{HORIZONTAL ELLIPSIS}" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_rescore_writes_the_page_of_the_new_verdicts(
    results: tuple[Result, Result], tmp_path: Path
) -> None:
    out = tmp_path / "again"
    words = ["rescore", str(results[0].folder), "--reward", "accuracy_lenient", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "judged again, from" in page_of(out / "report.html").words
