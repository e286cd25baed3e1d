"""`grpo decontaminate`, its documents and its clean copy; and the same check as a gate of a run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_run
from typer.testing import CliRunner, Result

from grpo.cli import app
from grpo.errors import UserError
from grpo.inputs import input_faults
from grpo.recipe.load import parse_recipe
from grpo.recipe.sections import Data
from grpo.workbench.gate import past_the_gate
from grpo_data.problem import Problem
from grpo_data.sources import load_problems, split_held_out

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

LONG = "A farmer has 3 brown cows and 14 white hens in a field near the old mill."
TRAIN: list[dict[str, Any]] = [
    {"id": "t0", "problem": "What is 3 + 4?", "answer": 7, "steps": ["3 + 4 = 7"]},
    {"id": "t1", "problem": "Wie groß ist 5 - 2?", "answer": 3},
    {"id": "t2", "problem": f"{LONG} How many legs?", "answer": 40},
    {"id": "t3", "problem": "what is 3+4", "answer": 7},
]
BENCH = [{"question": "What is $3+4$?"}, {"question": f"{LONG} How many heads?"}]
SIGNS = [{"question": "Wie groß ist 5 + 2?"}]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a training set and two benchmarks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name, rows in (("train", TRAIN), ("bench", BENCH), ("signs", SIGNS)):
        write(tmp_path / f"{name}.jsonl", rows)
    return tmp_path


def grpo(*words: str, train: str = "train.jsonl", benchmarks: str = "bench.jsonl") -> Result:
    begin = ["decontaminate", "--train", train, "--benchmarks", benchmarks]
    return CliRunner().invoke(app, [*begin, *words])


def test_the_table_counts_training_rows_by_rule() -> None:
    result = grpo(benchmarks="bench.jsonl, signs.jsonl")
    assert result.exit_code == 0
    total, *rows = result.stdout.splitlines()
    assert total == "4 of 4 rows of train.jsonl overlap (100.0%); 1 repeat an earlier row."
    # bench: t0 and t3 are its first row, t2 shares 19 words with its second
    assert [row.split() for row in rows] == [
        ["benchmark", "rows", "exact", "letters", "10-gram", "any", "hit"],
        ["bench", "2", "2", "2", "3", "3", "2"],
        ["signs", "1", "0", "1", "0", "1", "1"],
    ]


def test_rules_and_n_are_knobs() -> None:
    result = grpo("--rules", "exact,ngram", "--n", "19", benchmarks="bench.jsonl,signs.jsonl")
    # of t2's 20 words the 17 of LONG and "how many" are the benchmark's too: 19 in a row
    assert [row.split() for row in result.stdout.splitlines()[1:]] == [
        ["benchmark", "rows", "exact", "19-gram", "any", "hit"],
        ["bench", "2", "2", "3", "3", "2"],
        ["signs", "1", "0", "0", "0", "0"],
    ]
    assert "2 of 4 rows" in grpo("--n", "20").stdout


def test_the_documents_name_rows_rules_and_the_shared_words(folder: Path) -> None:
    assert grpo("--out", "report").exit_code == 0
    written = json.loads((folder / "report/overlap.json").read_text())
    assert (written["rows"], written["overlapping"], written["repeats"]) == (4, 3, 1)
    (bench,) = written["benchmarks"]
    assert bench["train_rows"] == {"exact": 2, "letters": 2, "ngram": 3, "any": 3}
    assert bench["benchmark_rows"] == {"exact": 1, "letters": 1, "ngram": 2, "any": 2}
    whole = ["exact", "letters", "ngram"]
    first = {"benchmark": "0", "rules": whole, "ngram": "whatis3+4", "ngrams": 1}
    shared = "a farmer has 3 brown cows and 14 white hens"
    assert bench["matches"] == [
        {"train": "t0", **first},
        # 19 words in common hold 19 - 10 + 1 runs of ten
        {"train": "t2", "benchmark": "1", "rules": ["ngram"], "ngram": shared, "ngrams": 10},
        {"train": "t3", **first},
    ]
    assert bench["phrases"] == [{"ngram": shared, "train_rows": 1}]
    page = (folder / "report/overlap.md").read_text()
    assert "| bench | 2 | 2 | 2 | 3 | 3 | 2 |\n" in page
    assert f"**t2** against **1**, by ngram: `{shared}`" in page
    assert f"```text\n{LONG} How many heads?\n```" in page


def test_the_clean_copy_has_the_other_rows_as_they_are(folder: Path) -> None:
    result = grpo("--write-clean", "sub/clean.jsonl")
    assert (folder / "sub/clean.jsonl").read_text() == (
        '{"id": "t1", "problem": "Wie groß ist 5 - 2?", "answer": 3}\n'
    )
    assert result.stdout.splitlines()[-1] == "Clean: sub/clean.jsonl (1 rows)"
    assert grpo(train="sub/clean.jsonl").stdout.startswith("0 of 1 rows")
    assert [path.name for path in (folder / "sub").iterdir()] == ["clean.jsonl"]


@pytest.mark.slow
def test_a_generator_is_a_training_set(folder: Path) -> None:
    (problem,) = load_problems("tiny:all", limit=1)
    write(folder / "bench.jsonl", [{"question": problem.question}])
    result = grpo("--rules", "exact", train="tiny:all")
    assert result.stdout.splitlines()[2].split()[-1] == "1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--train-question", "asked"], "train.jsonl:1: no column 'asked'"),
        (["--benchmark-question", "asked"], "bench.jsonl:1: no column 'asked'"),
        (["--rules", "exat"], "rules are among exact, letters, ngram; got exat"),
        (["--write-clean", "clean.csv"], "a clean copy is a .jsonl file, got clean.csv"),
        (["--write-clean", "./train.jsonl"], "the clean copy would replace train.jsonl itself"),
        (["--benchmarks", ","], "there is no benchmark to compare with"),
        (["--benchmarks", "bench.jsonl,bench.jsonl"], "benchmark 'bench.jsonl' is given twice"),
        (["--benchmarks", "none.jsonl"], "no file none.jsonl"),
        (["--train", "none.jsonl"], "no file none.jsonl"),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, words: list[str], sentence: str) -> None:
    before = sorted(folder.iterdir())
    result = grpo(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {sentence}")
    assert result.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_help_fits_80_columns() -> None:
    result = CliRunner().invoke(app, ["decontaminate", "--help"])
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout


def test_the_verb_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom grpo.decontaminate import decontaminate\n"
        "decontaminate('train.jsonl', ['bench.jsonl'])\n"
        "print(sorted({'torch', 'datasets', 'pyarrow', 'matplotlib'} & set(sys.modules)))"
    )
    path = os.pathsep.join(str(ROOT / name) for name in (".", "data", "rewards"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_benchmarks_go_by_the_names_of_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRPO_DATA", str(folder))
    write(folder / "gsm8k.jsonl", [{"question": "What is 3+4?", "answer": "#### 7"}])
    result = grpo("--rules", "exact", benchmarks="gsm8k,signs.jsonl")
    assert [row.split() for row in result.stdout.splitlines()[2:]] == [
        ["gsm8k", "1", "2", "2", "1"],
        ["signs", "1", "0", "0", "0"],
    ]
    assert "benchmark 'gsm8k' is named twice" in grpo(benchmarks="gsm8k,gsm8k").stderr
    assert "called 'gsm9k', did you mean 'gsm8k'?" in grpo(benchmarks="gsm9k").stderr


def test_a_question_of_choices_is_compared_without_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRPO_DATA", str(folder))
    choices = {"choices": ["A)6", "B)7"], "answer": "B"}
    write(folder / "aqua.jsonl", [{"question": "what is 3+4", **choices}])
    assert grpo("--rules", "exact", benchmarks="aqua").stdout.splitlines()[2].split()[2] == "2"


@pytest.mark.slow
def test_real_sets_from_the_command_line(folder: Path) -> None:
    train, bench = SHARED / "contest/aime_1983_2023.jsonl", SHARED / "math/math500.jsonl"
    if not train.is_file():
        pytest.skip(f"{train} is not there")
    result = grpo("--out", "report", train=str(train), benchmarks=str(bench))
    assert max(map(len, result.stdout.splitlines())) <= 80
    written = json.loads((folder / "report/overlap.json").read_text())
    assert written["benchmarks"][0]["benchmark_rows"]["letters"] == 6


PROBLEMS = [
    Problem(row["id"], row["problem"], str(row["answer"]), row["problem"].casefold())
    for row in TRAIN
]


def gated(**knobs: Any) -> Data:
    return Data(path="train.jsonl", decontaminate={"against": ["bench.jsonl"], **knobs})


def test_without_a_gate_all_problems_pass(folder: Path) -> None:
    assert past_the_gate(PROBLEMS, Data(path="p"), folder / "overlap.json") is PROBLEMS
    assert not (folder / "overlap.json").exists()


def test_the_gate_drops_and_writes_down(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = past_the_gate(PROBLEMS, gated(), folder / "run/overlap.json")
    assert [problem.id for problem in kept] == ["t1"]
    written = json.loads((folder / "run/overlap.json").read_text())
    assert [match["train"] for match in written["benchmarks"][0]["matches"]] == ["t0", "t2", "t3"]
    assert capsys.readouterr().out == (
        "decontaminate: 3 of 4 training problems of train.jsonl overlap with benchmarks (bench 3)\n"
    )


def test_one_process_of_several_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(past_the_gate(PROBLEMS, gated(rules=["exact"]), None)) == 2
    assert capsys.readouterr().out == ""


def test_the_gate_stops(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        past_the_gate(PROBLEMS, gated(action="stop"), folder / "overlap.json")
    assert str(caught.value) == (
        "data.decontaminate: 3 of 4 training problems of train.jsonl overlap with benchmarks; the "
        "first is 't0', by rule exact with '0' of bench; set action to drop, or train on what "
        "`grpo decontaminate --write-clean` writes"
    )
    assert (folder / "overlap.json").is_file()
    clean = [PROBLEMS[1]]
    assert past_the_gate(clean, gated(action="stop"), folder / "overlap.json") == clean


def test_a_gate_that_leaves_nothing_says_so() -> None:
    with pytest.raises(UserError, match="leaves nothing to train on: 1 of 1 training problems"):
        past_the_gate(PROBLEMS[:1], gated(), None)


def test_a_recipe_names_its_benchmarks(folder: Path) -> None:
    (folder / "m").mkdir()
    (folder / "m/config.json").write_text("{}")
    recipe = """\
name: r
model: {path: m}
data: {path: train.jsonl, question: problem, decontaminate: {against: [bench.jsonl]}}
rewards: {accuracy: 1}
stages: [{kind: rl, name: zero, steps: 1}]
"""
    assert list(input_faults(parse_recipe(recipe))) == []
    assert list(input_faults(parse_recipe(recipe.replace("bench.jsonl", "aime24")))) == []
    for name, sentence in (("none.jsonl", "no file none.jsonl"), ("a/b/c", "there is no file")):
        ((key, said),) = input_faults(parse_recipe(recipe.replace("bench.jsonl", name)))
        assert key == "data.decontaminate.against"
        assert said.startswith(sentence)
    with pytest.raises(UserError, match=r"decontaminate\.against"):
        parse_recipe(recipe.replace("[bench.jsonl]", "[]"))


GATE = "data.decontaminate={against: [bench.jsonl], rules: [exact], action: %s}"


def test_a_run_stops_at_its_gate_before_a_model_loads(folder: Path) -> None:
    problem = split_held_out(load_problems("tiny:all", limit=400), 0.1)[0][7]
    write(folder / "bench.jsonl", [{"question": problem.question}])
    (folder / "m").mkdir()
    (folder / "m/config.json").write_text("no model")
    (folder / "small.yaml").write_text(tiny_run.RECIPE)
    words = ("small.yaml", "--dir", "run", *tiny_run.PLAIN, "model.path=m", GATE % "stop")
    done = CliRunner().invoke(app, ["run", *words])
    assert done.exit_code == 2, done.output
    said = done.stderr.splitlines()[-1]
    assert f"the first is {problem.id!r}, by rule exact with '0' of bench" in said
    assert (folder / "run/overlap.json").is_file()


@pytest.mark.slow
def test_a_run_trains_on_what_its_gate_lets_through(folder: Path) -> None:
    problems = load_problems("tiny:all", limit=400)
    write(folder / "bench.jsonl", [{"question": problem.question} for problem in problems[6:]])
    knobs = (*tiny_run.PLAIN, "data.held_out=0.01", "stages.zero.steps=1", GATE % "drop")
    tiny_run.whole(folder / "run", *knobs, "--max-steps", "1")
    written = json.loads((folder / "run/overlap.json").read_text())
    dropped = {match["train"] for match in written["benchmarks"][0]["matches"]}
    (rows,) = tiny_run.rollouts(folder / "run").values()
    seen = {row["problem_id"] for row in rows}
    assert seen <= {problem.id for problem in problems} - dropped
    assert len(dropped) > 380
