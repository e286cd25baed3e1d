"""The report says what the files say: numbers, escaping, missing pieces, half-written files."""

import html
import json
import os
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from grpo.errors import UserError
from grpo.eval.row import read_rows
from grpo.report import print_summary, write_report
from grpo.report.answers import turns
from grpo.report.charts import charts_of
from grpo.report.completions import LONGEST, embedded, evenly_spaced
from grpo.report.figures import anchors_of
from grpo.report.headline import caveats, headline
from grpo.report.plot import smoothed
from grpo.report.run_directory import read_run
from grpo.report.scores import Score, difference, percent, points, signed
from grpo.report.tables import score_rows
from grpo.report.terminal import before_after
from grpo.report.text import marked, shortened
from tests.synthetic_run import HOSTILE, Shape, build_run

VOID = {"meta", "rect", "input", "br", "path", "use", "link", "img"}


class Page(HTMLParser):
    """Texts, tags and script bodies of a page; `open_tags` is empty when all are closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open_tags: list[str] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open_tags[-1] if self.open_tags else ""
        (self.scripts if inside == "script" else self.text).append(data)

    @property
    def words(self) -> str:
        """All text, white space made one."""
        return " ".join(" ".join(self.text).split())

    def charts(self) -> list[str]:
        """The charts' names."""
        labels = (attributes.get("aria-label") for _, attributes in self.tags)
        return [label.removesuffix(" by step") for label in labels if label]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(tmp_path_factory.mktemp("run"), Shape(pretrain_steps=30))


@pytest.fixture(scope="module")
def page(run_dir: Path) -> Page:
    return Page(write_report(run_dir).read_text(encoding="utf-8"))


def report_of(run_dir: Path) -> Page:
    return Page(write_report(run_dir).read_text(encoding="utf-8"))


def results(run_dir: Path, stage: str) -> dict[str, Any]:
    """An evaluation's results under the names that the report's tables have for them."""
    found = json.loads((run_dir / "evaluations" / stage / "results.json").read_text())
    (held_out,) = found["benchmarks"].values()
    return {
        "parent": found["parent"],
        "scores": {"strict": held_out["avg"], **held_out["scores"]},
        "mean_length": held_out["mean_tokens"],
        "truncated": held_out["truncated"],
        "by": held_out["by"],
    }


def data_of(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.scripts[0])
    return found


# --- the numbers -------------------------------------------------------------------------------


def test_difference_of_two_scores_by_hand() -> None:
    # d = 0.7 - 0.2 = 0.5; down = sqrt((0.7-0.66)^2 + (0.23-0.2)^2) = sqrt(0.0016+0.0009) = 0.05;
    # up = sqrt((0.78-0.7)^2 + (0.2-0.14)^2) = sqrt(0.0064 + 0.0036) = 0.1
    change = difference(Score(0.2, 0.14, 0.23), Score(0.7, 0.66, 0.78))
    assert change is not None and change.low is not None and change.high is not None
    assert (change.mean, change.low, change.high) == pytest.approx((0.5, 0.45, 0.6))


def test_difference_without_intervals_has_none() -> None:
    assert difference(Score(0.25), Score(0.75, 0.7, 0.8)) == Score(0.5)
    assert difference(None, Score(0.75)) is None


def test_signs_and_dashes() -> None:
    assert [signed(value) for value in (1.25, -0.04, 0.04, -3.0)] == ["+1.2", "0.0", "0.0", "−3.0"]
    assert (percent(None), points(Score(-0.031))) == ("–", "−3.1")


def test_headline_has_the_numbers_of_the_files(run_dir: Path) -> None:
    sentence = headline(read_run(run_dir))
    before, after = results(run_dir, "before")["scores"], results(run_dir, "after")["scores"]
    one, two = before["strict"], after["strict"]
    assert sentence.startswith("After 12 steps of zero, strict pass@1 on 60 held-out problems rose")
    assert f"from {100 * one['value']:.1f}% (95% interval " in sentence
    assert f"to {100 * two['value']:.1f}% (" in sentence
    assert f"{100 * two['low']:.1f}–{100 * two['high']:.1f}" in sentence
    assert f"{100 * (two['value'] - one['value']):+.1f} points." in sentence
    assert f"{100 * before['lenient']['value']:.1f}% to" in sentence


@pytest.mark.parametrize(
    ("lenient", "words"),
    [
        ((0.6, 0.57, 0.63), "rose from 40.0% to 60.0% (+20.0 points): more than the form"),
        ((0.41, 0.38, 0.44), "(+1.0 points), not a measurable change: what was learnt is the form"),
        ((0.2, 0.17, 0.23), "fell from 40.0% to 20.0%"),
    ],
)
def test_headline_tells_form_from_reasoning(
    run_dir: Path, tmp_path: Path, lenient: tuple[float, float, float], words: str
) -> None:
    run = copy_of(run_dir, tmp_path)
    rescore(run, "before", strict=(0.1, 0.08, 0.12), lenient=(0.4, 0.37, 0.43))
    rescore(run, "after", strict=(0.4, 0.37, 0.43), lenient=lenient)
    assert words in headline(read_run(run))


def test_headline_claims_no_rise_inside_the_interval(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    rescore(run, "before", strict=(0.40, 0.35, 0.45))
    rescore(run, "after", strict=(0.42, 0.37, 0.47))
    assert "did not measurably change: from 40.0%" in headline(read_run(run))
    rescore(run, "after", strict=(0.20, 0.16, 0.24))
    assert " fell from 40.0%" in headline(read_run(run))


def test_table_rows_equal_the_files(run_dir: Path, page: Page) -> None:
    before, after = results(run_dir, "before"), results(run_dir, "after")
    rows = {row.label: row for row in score_rows(before, after)}
    given = [results_["scores"]["accuracy_given_format"]["value"] for results_ in (before, after)]
    assert rows["accuracy given format"].values == tuple(f"{100 * mean:.1f}%" for mean in given)
    assert rows["mean length"].values[1] == f"{after['mean_length']:.1f}"
    for row in rows.values():
        assert all(value in page.words for value in (row.label, *row.values, row.change))


def test_kinds_and_languages_are_the_answers_means(run_dir: Path, page: Page) -> None:
    answers = read_rows(run_dir / "evaluations" / "after" / "samples.parquet")
    chinese = [row.correct for row in answers if row.language == "zh"]
    chain = results(run_dir, "after")["by"]["kind"]["chain"]["value"]
    assert re.search(rf"\bzh [\d.]+% [\d.–]+ {100 * sum(chinese) / len(chinese):.1f}%", page.words)
    assert f"{100 * chain:.1f}%" in page.words


def test_a_score_that_is_nan_is_a_dash(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    rescore(run, "before", accuracy_given_format=(float("nan"), 0.0, 1.0))
    row = {row.label: row for row in score_rows(results(run, "before"), results(run, "after"))}
    assert row["accuracy given format"].values[0] == "–"
    assert row["accuracy given format"].change == "–"


def test_turns_count_every_problem_once(run_dir: Path) -> None:
    run = read_run(run_dir)
    before, after = (
        {row.question_id: row.correct for row in read_rows(path / "samples.parquet")}
        for path in (run_dir / "evaluations" / stage for stage in ("before", "after"))
    )
    found = {turn.label: turn for turn in turns(run_dir, run.evaluations)}
    assert sum(turn.count for turn in found.values()) == 60
    gained = [name for name in before if not before[name] and after[name]]
    assert found["wrong before, right after"].count == len(gained)
    shown = found["wrong before, right after"].shown
    assert [one["language"] for one, _ in shown] == ["en", "zh", "en"]
    assert all(one["question"] == two["question"] for one, two in shown)


# --- the charts --------------------------------------------------------------------------------


def test_all_that_is_logged_is_charted(page: Page) -> None:
    charts = page.charts()
    for title in (
        "Held-out accuracy",
        "Reward",
        "KL to the reference or teacher",
        "Entropy",
        "Dead groups",
    ):
        assert charts.count(title) == 1
    for title in (
        "Clip fractions",
        "Completion length",
        "Parity of sampler and trainer",
        "Balance loss",
    ):
        assert charts.count(title) == 1
    assert charts.count("Loss") == charts.count("Time") == 2  # pretraining and RL
    assert "my_own/brevity" in charts and "Outcomes of accuracy" in charts


def test_what_was_not_logged_has_no_chart() -> None:
    lines = [{"step": 0, "reward": 0.5, "kl": None}, {"step": 1, "reward": 0.6, "entropy": "?"}]
    (chart, series), *others = charts_of(lines, {})
    assert (chart.title, series[0].steps, series[0].values, others) == (
        "Reward",
        (0, 1),
        (0.5, 0.6),
        [],
    )


def test_time_is_split_and_what_is_left_is_other() -> None:
    lines = [
        {"step": 0, "time/sampling": 3.0, "time/update": 2.0, "time/step": 5.5},
        {
            "step": 1,
            "time/sampling": 1.0,
            "time/update": 2.0,
            "time/evaluate": 4.0,
            "time/step": 8.0,
        },
    ]
    ((_, series),) = charts_of(lines, {})
    found = {one.label: one.values for one in series}
    # 5.5 - 3 - 2 = 0.5; 8 - 1 - 2 - 4 = 1
    assert found == {
        "sampling": (3.0, 1.0), "update": (2.0, 2.0), "evaluate": (4.0,), "other": (0.5, 1.0),
    }  # fmt: skip


def test_evaluations_anchor_the_accuracy_chart(run_dir: Path) -> None:
    anchors = anchors_of(read_run(run_dir), "zero", 0, 11)
    means = [results(run_dir, stage)["scores"]["strict"]["value"] for stage in ("before", "after")]
    assert [(step, score.mean) for step, score in anchors["eval/strict"]] == [
        (-1, means[0]), (11, means[1]),
    ]  # fmt: skip


def test_smoothing_keeps_a_constant_and_a_line() -> None:
    assert smoothed([2.0] * 40) == pytest.approx([2.0] * 40)
    # the window is symmetric away from the very ends, so a straight line stays itself there
    assert smoothed([float(i) for i in range(60)])[1:-1] == pytest.approx(list(range(1, 59)))
    assert list(smoothed([1.0, 5.0])) == [1.0, 5.0]


def test_svg_ids_are_unique_on_the_page(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 100


# --- the page is one safe file -----------------------------------------------------------------


def test_page_asks_nothing_of_the_network(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "base"}
        for name in ("src", "href", "xlink:href", "action"):
            link = attributes.get(name) or "#"
            # What is followed by hand may lie beside the page, in the run.
            beside = tag == "a" and link.startswith("evaluations/")
            assert link.startswith("#") or beside, (tag, attributes)
        assert "url(" not in (attributes.get("style") or "").replace("url(#", "")


def test_page_closes_every_tag_and_stays_small(run_dir: Path, page: Page) -> None:
    assert page.open_tags == []
    assert (run_dir / "report.html").stat().st_size < 6_000_000


def test_hostile_text_stays_text(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    for path in (*run.glob("rollouts/*/*.parquet"), *run.glob("evaluations/*/*.parquet")):
        rows = pq.read_table(path).to_pylist()
        hostile = [{**row, "completion": HOSTILE, "question": HOSTILE} for row in rows]
        pq.write_table(pa.Table.from_pylist(hostile), path)
    (run / "recipe.yaml").write_text(f"name: '<b>{HOSTILE}'\n")
    (run / "metrics.jsonl").write_text(json.dumps({"step": 0, "stage": HOSTILE, HOSTILE: 1.0}))
    page = report_of(run)
    assert len(page.scripts) == 2  # the data and the code: nothing broke out
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "object"})
    assert data_of(page)["rows"][0][-1] == HOSTILE
    assert HOSTILE in "".join(page.text)


def test_marking_tags_escapes_the_rest() -> None:
    assert str(marked("<think>a<b></think>")) == (
        '<span class="tag">&lt;think&gt;</span>a&lt;b&gt;<span class="tag">&lt;/think&gt;</span>'
    )
    assert html.unescape(re.sub("<.*?>", "", str(marked(HOSTILE)))) == HOSTILE


def test_shortened_keeps_head_and_tail() -> None:
    # 12 characters kept of 100: 8 in front, 4 behind
    assert shortened("a" * 50 + "b" * 50, 12) == "aaaaaaaa\n[… 88 characters left out …]\nbbbb"
    assert shortened("short", 12) == "short"


# --- completions -------------------------------------------------------------------------------


def test_completions_are_those_of_the_rollouts(run_dir: Path, page: Page) -> None:
    data = data_of(page)
    row = data["rows"][-1]
    stage, step, problem, _ = data["groups"][row[0]]
    last = pq.read_table(run_dir / "rollouts" / stage / f"step-{step:06d}.parquet").to_pylist()[-1]
    assert (stage, step, row[1], row[2]) == ("zero", 11, last["sample"], last["reward"])
    assert row[-1] == last["completion"] and row[5] == len(last["token_ids"])
    assert data["problems"][problem][:2] == [last["problem_id"], last["question"]]
    assert data["parts"] == data["outcomes"] == ["accuracy", "format"]
    assert row[6] == [last["reward/accuracy"], last["reward/format"]]
    words = [data["words"][index] for index in row[7]]
    assert words == [last["outcome/accuracy"], last["outcome/format"]]


def test_all_completions_shown_when_they_fit(page: Page) -> None:
    assert "192 of 192 completions" in page.words  # 12 steps x 4 prompts x 4
    assert "from 12 of 12 steps" in page.words


def test_a_small_budget_takes_whole_groups_and_says_so(run_dir: Path) -> None:
    rollouts = read_run(run_dir).rollouts
    part = embedded(rollouts, 10_000)
    assert part is not None and len(part.json.encode()) <= 10_000
    assert (part.of_rows, part.of_steps) == (192, 12) and part.rows < 192
    data = json.loads(part.json)
    assert len(data["rows"]) == part.rows == 4 * len(data["groups"])
    assert len({step for _, step, *_ in data["groups"]}) == part.steps


def test_the_least_is_one_group_of_the_last_step(run_dir: Path) -> None:
    part = embedded(read_run(run_dir).rollouts, 0)
    assert part is not None and (part.rows, part.steps) == (4, 1)
    assert json.loads(part.json)["groups"][0][1] == 11


def test_long_completions_are_cut_and_counted(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    path = run / "rollouts" / "zero" / "step-000000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["completion"] = "7" * (LONGEST + 1)
    pq.write_table(pa.Table.from_pylist(rows), path)
    part = embedded(read_run(run).rollouts, 5_000_000)
    assert part is not None and part.shortened == 1
    assert "1 characters left out" in json.loads(part.json)["rows"][0][-1]


def test_evenly_spaced_keeps_both_ends() -> None:
    assert evenly_spaced(list(range(10)), 4) == [0, 3, 6, 9]
    assert evenly_spaced([1, 2], 4) == [1, 2]


# --- runs that are not whole -------------------------------------------------------------------


def test_half_way_run_has_a_page(tmp_path: Path) -> None:
    run = build_run(tmp_path / "half", Shape(steps=3, planned=20, finished=False))
    before = results(run, "before")["scores"]["strict"]
    page = report_of(run)
    assert f"strict pass@1 of {100 * before['value']:.1f}%" in page.words
    assert "Stage zero is not finished: 3 of 20 steps are logged." in page.words
    assert "Stage after has not run yet." in page.words
    assert "How its answers changed" not in page.words and "Held-out scores" in page.words


def test_half_written_last_line_is_left_out_and_named(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    path = run / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-200])
    read = read_run(run)
    assert [line["step"] for line in read.metrics["zero"]] == list(range(11))
    assert caveats(read) == [
        "Stage zero was stopped: 11 of 12 steps are logged.",
        "Could not be read, and is left out: 1 of 42 lines of metrics.jsonl.",
    ]
    assert headline(read).startswith("After 11 steps of zero")


def test_a_step_logged_twice_counts_once(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"stage": "zero", "step": 11, "reward": 9.5}) + "\n")
    zero = read_run(run).metrics["zero"]
    assert len(zero) == 12 and zero[-1]["reward"] == 9.5


def test_broken_files_are_named_and_left_out(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    (run / "evaluations" / "after" / "results.json").write_text('{"stage": "after", "ben')
    (run / "evaluations" / "before" / "samples.parquet").write_bytes(b"PAR1 no")
    (run / "rollouts" / "zero" / "step-000003.parquet").write_bytes(b"")
    (run / "manifest.json").write_text("{")
    (run / "metrics.jsonl").write_text("\n")
    page = report_of(run)
    assert "after/results.json" in page.words and "manifest.json" in page.words
    assert "176 of 176 completions" in page.words  # 11 readable steps x 16


def test_only_metrics_is_enough(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"stage": "zero", "step": 0, "reward": 0.5}\n')
    page = report_of(tmp_path)
    assert "no held-out evaluation has been written yet" in page.words
    assert page.charts() == ["Reward"]


def test_no_run_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run directory"):
        write_report(tmp_path)


def test_evaluations_drawn_differently_are_called_out(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    rewrite(run, "after", questions=30)
    assert "The two evaluations differ in problems: 60 before, 30 after." in caveats(read_run(run))


@pytest.mark.slow
def test_writing_leaves_only_the_report(run_dir: Path, tmp_path: Path) -> None:
    run = copy_of(run_dir, tmp_path)
    there = {path.name for path in run.iterdir()}
    write_report(run)
    assert {path.name for path in run.iterdir()} == there | {"report.html"}


# --- the terminal ------------------------------------------------------------------------------


def test_terminal_table_is_plain_and_narrow(run_dir: Path) -> None:
    out = StringIO()
    print_summary(run_dir, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    strict = next(line for line in lines if line.startswith("strict pass@1"))
    before, after = (results(run_dir, s)["scores"]["strict"] for s in ("before", "after"))
    assert f"{100 * before['value']:.1f}% (" in strict
    assert strict.endswith(f"{100 * (after['value'] - before['value']):+.1f}")
    table = [line for line in lines if not line.startswith("Report:")]
    assert max(map(len, table)) <= 80 and out.getvalue().isascii()


def test_terminal_table_of_one_evaluation_has_no_change(run_dir: Path) -> None:
    table = before_after([results(run_dir, "before")])
    assert [column.header for column in table.columns] == ["held-out score", "base"]
    table = before_after([results(run_dir, stage) for stage in ("before", "after")])
    headers = [column.header for column in table.columns]
    assert headers == ["held-out score", "before: base", "after: zero", "change"]


# --- helpers -----------------------------------------------------------------------------------


def copy_of(run_dir: Path, target: Path) -> Path:
    """The run without its report, in files of its own."""
    for path in run_dir.rglob("*"):
        if path.is_file() and path.suffix != ".html":
            copy = target / "copy" / path.relative_to(run_dir)
            os.makedirs(copy.parent, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return target / "copy"


def rewrite(run: Path, stage: str, **entries: Any) -> None:
    path = run / "evaluations" / stage / "results.json"
    found = json.loads(path.read_text())
    found["benchmarks"]["held-out"] |= entries
    path.write_text(json.dumps(found))


def rescore(run: Path, stage: str, **scores: tuple[float, float, float]) -> None:
    named = {
        name: {"value": value, "low": low, "high": high}
        for name, (value, low, high) in scores.items()
    }
    found = results(run, stage)["scores"] | named
    rewrite(run, stage, avg=found.pop("strict"), scores=found)
