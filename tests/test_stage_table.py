"""The report, the summary and the status of a chain of stages say what its evaluations say."""

import json
import re
import shutil
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from synthetic_chain import HELPFUL, LANGUAGE, LOOKS, MANNERS, build_chain, write_look
from synthetic_run import build_run

from grpo.eval.result import GENERAL, REASONED
from grpo.eval.row import Row, read_rows
from grpo.recipe.load import parse_recipe
from grpo.report import print_summary, write_report
from grpo.report.run_directory import read_run
from grpo.report.stage_answers import asked
from grpo.report.stage_changes import Sampled, changes
from grpo.report.stage_makings import compute, preferring, sieved
from grpo.report.stage_rows import is_chain, made_by, policies
from grpo.report.stage_table import StageTable, parts, stage_tables, without_words
from grpo.report.stage_words import is_r1_road
from grpo.report.text import short_name
from grpo.status import tree

HEADINGS = (
    "The stages side by side", "What each stage changed", "Where it is right",
    "The same prompts, stage by stage", "What rejection sampling left out",
    "Reward models on held-out pairs", "Stage reasoning-rl <small>rl, 50 steps",
)  # fmt: skip
NAMES = ["base", "cold-start", "reasoning-rl", "second-sft", "final-rl"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture
def copy(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "run"))


def results(root: Path, stage: str, benchmark: str) -> dict[str, Any]:
    found = json.loads((root / "evaluations" / stage / "results.json").read_text())
    told: dict[str, Any] = found["benchmarks"][benchmark]
    return told


def samples(root: Path, stage: str) -> list[Row]:
    return read_rows(root / "evaluations" / stage / "samples.parquet")


def tables(root: Path) -> tuple[StageTable, StageTable]:
    reasoning, general = stage_tables(policies(read_run(root)))
    return reasoning, general


def column(table: StageTable, head: str) -> list[Any]:
    place = [measure.head for measure in table.measures].index(head)
    return [cells[place] for _, cells in table.rows]


def page(root: Path) -> str:
    return write_report(root).read_text(encoding="utf-8")


# --- which rows ---


@pytest.mark.slow
def test_a_run_of_one_tuned_stage_keeps_its_page(tmp_path: Path, chain: Path) -> None:
    single = build_run(tmp_path / "single")
    assert not is_chain(read_run(single)) and is_chain(read_run(chain))
    text = page(single)
    assert "Before and after" in text and "The stages side by side" not in text
    assert "more charts of" not in text and "operations" not in text


def test_a_row_for_each_checkpoint_in_the_order_they_were_made(chain: Path) -> None:
    reasoning, general = tables(chain)
    for table in (reasoning, general):
        assert [policy.label for policy, _ in table.rows] == NAMES
    assert [policy.kind for policy, _ in reasoning.rows] == ["", "sft", "rl", "sft", "rl"]
    assert reasoning.asked == "40 problems, one sample each"


def test_what_makes_no_weights_is_its_parent_s_row(copy: Path) -> None:
    run = read_run(copy)
    assert made_by(run, "pick") == "reasoning-rl"
    assert made_by(run, "rl-look") == "reasoning-rl"
    assert made_by(run, "../other:zero") == "../other:zero"


def test_a_second_look_at_one_checkpoint_is_a_row_of_its_own(copy: Path) -> None:
    rows = samples(copy, "cold-look")
    write_look(copy, "cold-again", "cold-start", rows)
    labels = [policy.label for policy in policies(read_run(copy))]
    assert labels == ["base", "cold-start (cold-again)", "cold-start", *NAMES[2:]] or labels == [
        "base", "cold-start", "cold-start (cold-again)", *NAMES[2:]
    ]  # fmt: skip


def test_two_looks_at_other_problems_share_a_row(copy: Path) -> None:
    shutil.rmtree(copy / "evaluations" / "cold-look")
    rows = samples(copy, "rl-look")
    for name, benchmark in (("cold-a", REASONED), ("cold-b", GENERAL)):
        write_look(copy, name, "cold-start", [row for row in rows if row.benchmark == benchmark])
    (policy,) = [one for one in policies(read_run(copy)) if one.name == "cold-start"]
    assert policy.stages == {REASONED: "cold-a", GENERAL: "cold-b"}


# --- the numbers ---


@pytest.mark.parametrize("head", ["strict", "lenient", "format"])
def test_verdicts_stand_with_their_intervals(chain: Path, head: str) -> None:
    cells = column(tables(chain)[0], head)
    for cell, stage in zip(cells, LOOKS, strict=True):
        found = results(chain, stage, REASONED)
        told = found["avg"] if head == "strict" else found["scores"][head]
        assert cell.value == f"{100 * told['value']:.1f}%"
        assert cell.interval == f"{100 * told['low']:.1f}\N{EN DASH}{100 * told['high']:.1f}"


def test_language_stands_with_the_share_without_words(chain: Path) -> None:
    for cell, stage in zip(column(tables(chain)[0], "language"), LOOKS, strict=True):
        told = results(chain, stage, REASONED)["rewards"][LANGUAGE]
        assert cell.value == f"{100 * told['mean']['value']:.1f}%"
        assert cell.aside == f"{100 * told['without_words']['value']:.1f}% without words"
    wordless = dict(without_words(policies(read_run(chain))))
    assert "base" in wordless and "0.0%" not in wordless.values()


def test_a_reward_that_says_nothing_of_a_table_is_no_column_of_it(chain: Path) -> None:
    reasoning, general = tables(chain)
    heads = [measure.head for measure in reasoning.measures]
    assert heads == ["strict", "lenient", "format", "language", "length"]
    assert [measure.head for measure in general.measures] == [
        "language", "manners", "helpful", "manners wins", "helpful wins", "length",
    ]  # fmt: skip


def test_logits_are_no_percents_and_wins_say_over_whom(chain: Path) -> None:
    general = tables(chain)[1]
    told = results(chain, "final-look", GENERAL)["rewards"][HELPFUL]
    assert column(general, "helpful")[-1].value == f"{told['mean']['value']:.2f}"
    wins = column(general, "helpful wins")
    assert [cell.value for cell in wins[:3]] == ["\N{EN DASH}"] * 3
    assert wins[-1].value == f"{100 * told['win']['value']:.1f}%"
    assert wins[-1].aside == "over cold-start"


def test_the_best_is_marked_where_there_is_one(chain: Path) -> None:
    reasoning, general = tables(chain)
    for table in (reasoning, general):
        for measure in table.measures:
            scores = [measure.score(policy.found[name]) for policy, _ in table.rows
                      for name in [REASONED if table is reasoning else GENERAL]]  # fmt: skip
            known = [score.mean for score in scores if score]
            best = [score is not None and score.mean == max(known) for score in scores]
            is_telling = measure.ranked and len(set(known)) > 1
            marked = [cell.is_best for cell in column(table, measure.head)]
            assert marked == (best if is_telling else [False] * 5), measure.head
    assert not any(cell.is_best for cell in column(general, "helpful wins"))


def test_parts_are_the_strict_score_by_each(chain: Path) -> None:
    found = dict(parts(policies(read_run(chain))))
    by = dict(found["language"])
    told = results(chain, "rl-look", REASONED)["by"]["language"]["zh"]
    assert by["zh"][2].value == f"{100 * told['value']:.1f}%"


# --- what each stage changed ---


def test_changes_are_paired_by_problem(chain: Path) -> None:
    run = read_run(chain)
    reasoning, general = changes(policies(run), Sampled(run))
    assert [row[:2] for row in reasoning.rows] == list(pairwise(NAMES))
    before, after = (
        {
            row.question_id: row
            for row in read_rows(chain / "evaluations" / name / "samples.parquet")
        }
        for name in ("cold-look", "rl-look")
    )
    both = [(before[q], after[q]) for q in before if before[q].benchmark == REASONED]
    strict = sum(new.correct - old.correct for old, new in both) / len(both)
    cells = dict(zip((one.head for one in reasoning.measures), reasoning.rows[1][3], strict=True))
    assert cells["strict"].value == f"{100 * strict:+.1f}".replace("-", "\N{MINUS SIGN}")
    said = [
        (old.value(LANGUAGE), new.value(LANGUAGE))
        for old, new in both
        if "unparseable" not in (old.found()[LANGUAGE], new.found()[LANGUAGE])
    ]
    language = sum(new - old for old, new in said) / len(said)  # type: ignore[operator]
    assert cells["language"].value == f"{100 * language:+.1f}"
    assert "helpful" in [one.head for one in general.measures]
    assert reasoning.rows[0][3][0].trend == "up"


def test_only_questions_that_both_were_asked_are_compared(copy: Path) -> None:
    file = copy / "evaluations" / "rl-look" / "samples.parquet"
    rows = [row for row in read_rows(file) if row.benchmark == REASONED][:10]
    other = [Row(**{**vars(row), "question": "another"}) for row in rows[:4]]
    write_look(copy, "rl-look", "reasoning-rl", [*other, *rows[4:]])
    run = read_run(copy)
    (reasoning, _) = changes(policies(run), Sampled(run))
    assert [count for *_, count, _ in reasoning.rows] == [40, 6, 6, 40]


def test_an_unreadable_evaluation_leaves_the_rest(copy: Path) -> None:
    (copy / "evaluations" / "rl-look" / "samples.parquet").write_bytes(b"no parquet")
    text = page(copy)
    assert "The stages side by side" in text and "base → cold-start" in text
    assert "cold-start → reasoning-rl" not in text


# --- answers ---


def test_every_stage_answers_the_same_prompts_a_few_of_each_kind(chain: Path) -> None:
    run = read_run(chain)
    shown = asked(policies(run), Sampled(run))
    kinds = [one.kind for one in shown]
    assert kinds[:9] == ["chain"] * 3 + ["shop"] * 3 + ["story"] * 3
    assert sorted(set(kinds[9:])) == ["greeting", "harm", "instruction", "self"]
    assert len({one.question for one in shown}) == len(shown), "no prompt is shown twice"
    for one in shown:
        assert [answer.policy for answer in one.answers] == NAMES
    first = shown[0]
    rows = samples(chain, "final-look")
    (row,) = [
        row
        for row in rows
        if row.question == first.question and row.question_id == rows[0].question_id
    ]
    assert first.answers[-1].completion == row.completion
    assert first.answers[-1].mark == ("good" if row.correct else "bad")
    greeting = next(one for one in shown if one.kind == "greeting")
    assert greeting.gold == "" and greeting.answers[0].mark in ("good", "bad")
    assert re.fullmatch(
        r"language 1\.00 · manners [01]\.00 · helpful \S+", greeting.answers[0].words
    )


# --- what went in ---


def test_rejection_preferences_and_compute(chain: Path) -> None:
    run = read_run(chain)
    (sieve,) = sieved(run)
    assert sieve.sentence == (
        "400 of 1,600 samples kept, of 150 of 200 problems; beside them 300 rows of "
        "tiny:general; 700 rows in all"
    )
    assert [(one.why, one.count, one.alone) for one in sieve.dropped[:3]] == [
        ("accuracy below its floor", "600", "620"),
        ("more than K of one prompt", "276", ""),
        ("language below its floor", "210", "400"),
    ]
    assert sieve.dropped[0].share == 600 / 1600
    (judge,) = preferring(run)
    assert judge.note == "sees the answer alone"
    assert judge.accuracy[0] == ("all", "91.0%", "85.0\N{EN DASH}95.0", 0.91)
    assert judge.margin == "1.84"
    assert (compute({"flops": 4.06e14}), compute({})) == ("4.1e14", "")


@pytest.mark.parametrize(
    "broken", ["data/pick.report.json", "evaluations/helpful/preferences.json"]
)
def test_what_is_broken_is_left_out(copy: Path, broken: str) -> None:
    (copy / broken).write_text("{")
    assert len(sieved(read_run(copy))) + len(preferring(read_run(copy))) == 1
    page(copy)


# --- the page and the terminal ---


class Tags(HTMLParser):
    """Checks that every tag is closed; keeps what would ask the network."""

    VOID = frozenset({"meta", "rect", "input", "br", "path", "use", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_stands_alone(chain: Path) -> None:
    text = page(chain)
    tags = Tags(text)
    assert not tags.open
    assert [link for link in tags.links if not link.startswith("#")] == []
    for heading in HEADINGS:
        assert heading in text
    assert "Before and after" not in text
    assert is_r1_road(read_run(chain)) and "79.8" in text and "R1 Dev3" in text
    assert "4.1e14" in text


def test_completions_are_escaped_on_the_page(copy: Path) -> None:
    rows = samples(copy, "base-look")
    hostile = "</pre><script>alert(1)</script>"
    write_look(copy, "base-look", "base", [Row(**{**vars(r), "completion": hostile}) for r in rows])
    assert hostile not in page(copy)


def test_a_chain_of_other_stages_has_no_published_line(copy: Path) -> None:
    text = (
        (copy / "recipe.yaml")
        .read_text()
        .replace("name: second-sft, kind: sft", "name: second-sft, kind: rl")
    )
    (copy / "recipe.yaml").write_text(text)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["stages"]["second-sft"]["kind"] = "rl"
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert not is_r1_road(read_run(copy))


def test_the_summary_is_the_stage_table_in_80_columns_of_ascii(chain: Path) -> None:
    console = Console(file=StringIO(), width=80)
    print_summary(chain, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    told = results(chain, "final-look", REASONED)["avg"]["value"]
    assert "Reasoning: 40 problems, one sample each" in text
    general = text[text.index("General prompts") :]
    assert "manners wins" in general
    assert [name for name in lines if name in NAMES] == NAMES
    (final,) = [line for line in text.splitlines() if line.startswith("final-rl") and "(" in line]
    assert f"{100 * told:.1f}%" in final
    assert "Thoughts without words, of no language: base" in text


def test_half_a_chain_is_told_of_too(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    for stage in [*manifest["stages"]][2:]:
        manifest["stages"].pop(stage)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "metrics.jsonl").write_text("")
    shutil.rmtree(copy / "evaluations")
    text = " ".join(page(copy).split())
    assert "no held-out evaluation has been written yet" in text
    assert "Stage final-rl has not run yet." in text and "The stages side by side" not in text
    console = Console(file=StringIO(), width=80)
    print_summary(copy, console)
    assert "no held-out" in console.file.getvalue()  # type: ignore[attr-defined]


# --- status ---

RECIPE = """\
name: small
model: {path: some-base}
data: {path: problems.jsonl}
stages:
  - {kind: sft, name: cold-start, data: {path: c.jsonl}}
  - {kind: evaluate, name: cold-look, parent: cold-start}
  - {kind: reward_model, name: helpful, parent: cold-start, data: {path: p.jsonl}}
"""


def test_status_has_the_main_scores_in_80_columns() -> None:
    done = {"status": "done", "planned": 0, "steps": 0, "seconds": 4.0}
    scores = {
        "strict": 0.75, "lenient": 0.8125, "format": 0.875, "accuracy_given_format": 0.857,
        LANGUAGE: 0.709, f"{LANGUAGE}/win": 0.5, f"{LANGUAGE}/without_words": 0.03,
        f"general/{MANNERS}": 0.912, f"general/{MANNERS}/win": 0.93,
        f"general/{HELPFUL}": 0.4, f"general/{HELPFUL}/win": 0.81,
    }  # fmt: skip
    manifest = {
        "stages": {
            "cold-look": {"kind": "evaluate", "scores": scores, **done},
            "helpful": {
                "kind": "reward_model",
                **done,
                "scores": {"accuracy": 0.91, "margin": 1.8},
            },
        }
    }
    console = Console(file=StringIO(), width=80)
    console.print(tree(parse_recipe(RECIPE), manifest))
    lines = [
        line.strip(" │├└─")
        for line in console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    ]
    assert lines == [
        "small",
        "base  some-base",
        "cold-start  sft  waiting",
        "cold-look  evaluate  done  4 s",
        "strict 75.0%  lenient 81.2%  format 87.5%  language 70.9% (wins 50%)",
        "general: manners 91.2% (wins 93%)  helpful 0.40 (wins 81%)",
        "helpful  reward_model  done  4 s  accuracy 91.0%",
    ]


def test_rewards_have_short_names() -> None:
    names = {
        HELPFUL: "helpful", MANNERS: "manners", LANGUAGE: "language", "my.py:brevity": "brevity",
        "pkg.mod.fn": "fn", "format": "format",
    }  # fmt: skip
    assert {name: short_name(name) for name in names} == names
