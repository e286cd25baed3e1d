"""Benchmarks in their published form: fixtures of our own rows, and the real files where there are.

Every line of the table reads its form, and its reward pays the reference and refuses another.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grpo.errors import UserError
from grpo.eval import forms
from grpo.eval.asking import benchmark_task
from grpo.eval.benchmarks import BENCHMARKS, TABLE, Hub, chosen
from grpo.eval.forms import Form, choice, listed, shuffled, worded
from grpo.eval.protocol import Knobs
from grpo.eval.sources import Loaded, data_root, load, local_file, own_file
from grpo.eval.task import marking
from grpo_data import readers
from grpo_rewards.workers import Scorer

FIXTURES = Path(__file__).parent / "fixtures" / "benchmarks"
SHARED = Path(__file__).parents[2] / "shared" / "data"

# The first row of each fixture: id, answer, and what its question must hold.
FIRST = {
    "gsm8k": ("0", "34", "3 crates"),
    "math500": ("test/prealgebra/9001.json", "24", "$2^3"),
    "math": ("0", "\\frac{3}{4}", "lowest terms"),
    "aime24": ("60", "009", "remainder"),
    "aime25": ("0", "6", "digits of $123$"),
    "amc23": ("0", "15.0", "rope"),
    "olympiadbench": ("9001", "3, -3", "real $x$"),
    "minerva": ("0", "120", "60 W"),
    "svamp": ("chal-9001", "9", "She lends 5 to Bo. How many"),
    "mawps_singleop": ("singleop-9001", "7", "kites"),
    "mawps_multiarith": ("multiarith-9001", "8", "cups"),
    "mgsm_zh": ("0", "11", "小红"),
    "cmath": ("0", "45", "80页"),
    "gaokao_cloze": ("0", "$25$", "$a=3$"),
    "aqua": ("0", "C", "\nC) 40\n"),
    "mmlu": ("0", "C", "\nC) 29\n"),
    "mmlu_pro": ("9001", "A", "\nA) two\n"),
    "gpqa": ("rec9001", "C", "\nC) the electron\n"),
    "humaneval": ("HumanEval/9001", "return 2 * n", "def double(n: int)"),
    "mbpp": ("11", "def add_one(n):\n    return n + 1", "assert add_one(9) == 10"),
}


@pytest.fixture(params=TABLE, ids=lambda line: line.name)
def line(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_every_line_reads_its_published_form(line: Any) -> None:
    loaded = load(line, FIXTURES)
    first = loaded.problems[0]
    name, answer, part = FIRST[line.name]
    assert (first.id, first.answer) == (name, answer)
    assert part in first.question + "\n"
    assert first.columns["language"] == line.language


def test_the_whole_of_the_real_files_is_read(line: Any) -> None:
    if local_file(line, SHARED) is None:
        assert not line.verified or not SHARED.is_dir()
        pytest.skip("no such file here")
    loaded = load(line, SHARED)
    assert line.verified
    assert loaded.rows == len(loaded.problems) == line.rows
    assert loaded.is_verified
    assert all(p.question and p.answer for p in loaded.problems)


@pytest.fixture(scope="module")
def scorers() -> Iterator[dict[str, Scorer]]:
    found: dict[str, Scorer] = {}
    yield found
    for scorer in found.values():
        scorer.close()


def test_the_reward_pays_the_reference_and_refuses_another(
    line: Any, scorers: dict[str, Scorer]
) -> None:
    first = load(line, FIXTURES).problems[0]
    by = marking(line.reward, line.reward_knobs)
    scorer = scorers.setdefault(json.dumps(by.rewards), Scorer(by.rewards, workers=1))
    if line.reward == "code":
        right = f"```python\n{_whole(first)}\n```"
        wrong = right.replace("2 * n", "n").replace("n + 1", "n")
    else:
        right = f"I think so: \\boxed{{{first.answer.strip('$')}}}"
        wrong = f"I think so: \\boxed{{{'D' if line.reward == 'choice' else '1234'}}}"
    columns = {**first.columns, "question": first.question, "answer": first.answer}
    verdicts = scorer.score(["?", "?"], [right, wrong], [columns, columns])
    assert [by.outcome(verdict.outcomes) for verdict in verdicts] == ["correct", "wrong"]


def _whole(problem: Any) -> str:
    """The reference program: HumanEval's is the body of the prompt's function."""
    head = problem.columns.get("prompt")
    return f"{head}    {problem.answer}" if head else problem.answer


def test_levels_and_subjects_have_one_spelling() -> None:
    hub, local = (load(BENCHMARKS["math"], root) for root in (FIXTURES, FIXTURES))
    assert [p.columns["level"] for p in hub.problems] == ["2", "4"]
    assert local.problems[1].columns["subject"] == "Counting & Probability"
    olympiad = load(BENCHMARKS["olympiadbench"], FIXTURES).problems
    assert [p.columns["subject"] for p in olympiad] == ["Algebra", "Geometry"]
    assert olympiad[1].question == (
        "A square has sides of length $5$.\n\nWhat is the area of the square?"
    )


def test_the_order_of_shuffled_choices_hangs_on_the_question_alone() -> None:
    first, second = (load(BENCHMARKS["gpqa"], FIXTURES).problems for _ in range(2))
    assert first == second
    # By chance alone the right one would stand at the same letter in both with 1/4.
    assert [p.answer for p in first] == ["C", "A"]
    assert sorted(first[0].columns["choices"]) == [
        "the electron", "the neutron", "the photon", "the proton",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "row", "sentence"),
    [
        (worded("problem", "answer"), {"question": "?", "answer": "1"}, "no column 'problem'"),
        (worded("question", "answer"), {"question": " ", "answer": "1"}, "'question' is empty"),
        (worded("question", "answer"), {"question": "?", "answer": None}, "'answer' is empty"),
        (worded("question", "answer"), {"question": ["?"], "answer": 1}, "holds a list"),
        (worded("q", "a", after="####"), {"q": "?", "a": "42"}, "holds no '####'"),
        (choice("q", "c", "a"), {"q": "?", "c": "A, B", "a": "A"}, "must be a list of two"),
        (choice("q", "c", "a"), {"q": "?", "c": ["1", "2"], "a": "C"}, "none of the 2 choices"),
        (choice("q", "c", "a"), {"q": "?", "c": ["1", "2"], "a": 2}, "none of the 2 choices"),
        (shuffled("q", "r", ("w",)), {"q": "?", "r": "1"}, "no column 'w'"),
        (forms.humaneval, {"prompt": "def f():", "test": "x"}, "no column 'entry_point'"),
        (forms.svamp, {"Body": "x", "Question": "y"}, "no column 'Answer'"),
    ],
)
def test_a_row_of_another_form_is_refused(form: Form, row: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        form(row)


@pytest.mark.parametrize(
    ("choices", "shown"),
    [
        (["A)21", "B)27"], ["21", "27"]),
        (["(A) 21", "(B) 27"], ["21", "27"]),
        (["A. 21", "B. 27"], ["21", "27"]),
        (["21", "27"], ["21", "27"]),
        # Labels that are no labels: the second choice is not called B.
        (["A) 21", "A) 27"], ["A) 21", "A) 27"]),
    ],
)
def test_labels_are_taken_off_where_they_are_labels(choices: list[str], shown: list[str]) -> None:
    posed = choice("q", "c", "a")({"q": "?", "c": choices, "a": "B"})
    assert posed is not None
    assert (posed.columns["choices"], posed.answer) == (shown, "B")
    assert posed.question.endswith(f"A) {shown[0]}\nB) {shown[1]}")


@pytest.mark.parametrize("answer", ["B", "b", "(B)", "B.", 1])
def test_letters_and_places_name_a_choice(answer: object) -> None:
    posed = choice("q", "c", "a")({"q": "?", "c": ["1", "2", "3"], "a": answer})
    assert posed is not None and posed.answer == "B"


def test_a_list_of_answers_is_asked_for_whole() -> None:
    posed = listed("q", "a")({"q": "?", "a": ["$3$", "-3"]})
    assert posed is not None and posed.answer == "3, -3"


# --- where benchmarks are found ---


def test_names_are_chosen_in_order_and_suites_stand_for_others() -> None:
    assert [b.name for b in chosen(["svamp", "mawps"])] == [
        "svamp", "mawps_singleop", "mawps_multiarith",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["gsm8"], "no benchmark is called 'gsm8', did you mean 'gsm8k'?"),
        (["svamp", "svamp"], "benchmark 'svamp' is named twice"),
        (["mawps", "mawps_singleop"], "benchmark 'mawps_singleop' is named twice"),
        ([], "no benchmark is named"),
    ],
)
def test_names_that_cannot_be_chosen(names: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        chosen(names)


def test_the_data_root_is_the_named_one_then_the_environment_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRPO_DATA", "/somewhere")
    assert data_root(None) == Path("/somewhere")
    assert data_root(Path("here")) == Path("here")
    monkeypatch.delenv("GRPO_DATA")
    assert data_root(None) == Path("../shared/data")


def test_a_benchmark_that_is_nowhere_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'mawps_singleop' is not on the hub.* has no easy/mawps"):
        load(BENCHMARKS["mawps_singleop"], tmp_path)


def test_a_benchmark_that_the_hub_has_not_says_where_else_it_was_looked_for(
    tmp_path: Path,
) -> None:
    line = replace(BENCHMARKS["aime25"], hub=Hub("./none.jsonl"))
    with pytest.raises(
        UserError, match=r"aime25': .* has no contest/aime25.jsonl, and no file none"
    ):
        load(line, tmp_path)


def test_a_wrong_column_names_file_row_and_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "gsm8k.jsonl").write_text('{"qestion": "3 + 4?", "answer": "#### 7"}\n')
    with pytest.raises(UserError, match=r"gsm8k.jsonl:1: no column 'question'.*'qestion'"):
        load(BENCHMARKS["gsm8k"], tmp_path)


def test_two_rows_of_one_id_are_both_named(tmp_path: Path) -> None:
    row = '{"id": "x", "question": "3 + 4?", "answer": "7"}\n'
    (tmp_path / "mawps_singleop.jsonl").write_text(row + "\n" + row)
    with pytest.raises(UserError, match=r"jsonl:3: the id 'x' is that of .*jsonl:1 too"):
        load(BENCHMARKS["mawps_singleop"], tmp_path)


def test_a_limit_is_a_fixed_draw_and_hashes_the_whole(tmp_path: Path) -> None:
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in (1, 2, 3, 1)]
    (tmp_path / "mawps_singleop.jsonl").write_text("\n".join(map(json.dumps, rows)))
    line = BENCHMARKS["mawps_singleop"]
    whole, part = load(line, tmp_path), load(line, tmp_path, limit=2)
    # blake2b of "0" begins with e9, of "1" with 1c, of "2" with c5, of "3" with 6f
    assert [p.id for p in part.problems] == ["1", "3"]
    assert (part.rows, part.repeated) == (4, 1)  # the last question is the first one again
    assert part.sha256 == whole.sha256
    (tmp_path / "mawps_singleop.jsonl").write_text("\n".join(map(json.dumps, rows[:3])))
    assert load(line, tmp_path, limit=2).sha256 != whole.sha256


def test_a_larger_limit_keeps_the_smaller_one_s_and_the_order(tmp_path: Path) -> None:
    """Of a set sorted by level each level is drawn: the first 60 would all be of level 0."""
    rows = [{"problem": f"{n}?", "answer": "1", "level": str(n // 100)} for n in range(500)]
    (tmp_path / "math500.jsonl").write_text("\n".join(map(json.dumps, rows)))
    some, more = (load(BENCHMARKS["math500"], tmp_path, limit).problems for limit in (60, 90))
    names = [int(p.id) for p in more]
    assert len(some) == 60 and len(more) == 90 and names == sorted(names)
    assert {p.id for p in some} < {p.id for p in more}
    assert {p.columns["level"] for p in some} == set("01234")


def test_a_mark_is_of_the_file_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verified line says nothing of the hub's form, nor of a file with other rows."""
    line = replace(BENCHMARKS["mawps_singleop"], rows=2, hub=Hub("somebody/mawps"))
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in (1, 2, 3)]
    file = tmp_path / "mawps_singleop.jsonl"
    file.write_text("\n".join(map(json.dumps, rows[:2])))
    assert load(line, tmp_path).is_verified and notes(load(line, tmp_path)) == []
    file.write_text("\n".join(map(json.dumps, rows)))
    assert not load(line, tmp_path).is_verified
    assert notes(load(line, tmp_path)) == [
        "3 rows are there and 2 are published: this is another set"
    ]
    file.unlink()
    asked = []

    def published(source: str, **how: Any) -> Iterator[tuple[str, Any]]:
        asked.append((source, how["split"], how["subset"]))
        yield from ((f"{source} row {n} (from 0)", row) for n, row in enumerate(rows[:2]))

    monkeypatch.setattr(readers, "rows", published)
    found = load(line, tmp_path)
    assert asked == [("somebody/mawps", "test", None)] and not found.is_verified
    (note,) = notes(found)
    assert note.startswith("its reader was tested on the published form alone, not on what the hub")
    assert found.places == {
        "0": "somebody/mawps row 0 (from 0)",
        "1": "somebody/mawps row 1 (from 0)",
    }


def test_a_set_on_the_hub_has_splits_and_subsets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published(source: str, **how: Any) -> Iterator[tuple[str, Any]]:
        assert (source, how["split"], how["subset"]) == ("a/b", "dev", "main")
        yield "a/b row 0 (from 0)", {"q": "3 + 4?", "a": "7"}

    monkeypatch.setattr(readers, "rows", published)
    own = own_file("a/b", "q", "a", after=None, reward=None, split="dev", subset="main")
    assert [p.answer for p in load(own, tmp_path).problems] == ["7"]


def notes(loaded: Loaded) -> list[str]:
    task = benchmark_task(loaded, Knobs(), None, has_template=True)
    return list(task.about["notes"])


def test_any_file_is_a_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("q,a,id\n3 + 4?,007,x1\n")
    line = own_file(str(path), "q", "a", after=None, reward="accuracy", split="test")
    (problem,) = load(line, tmp_path).problems
    assert (line.name, problem.id, problem.answer) == ("mine", "x1", "007")


def test_a_file_of_choices_is_one_of_letters(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"q": "Which?", "options": ["1", "2"], "a": 0}\n')
    line = own_file(str(path), "q", "a", after=None, reward="choice", split="test")
    (problem,) = load(line, tmp_path).problems
    assert (line.style, problem.answer, problem.question) == ("choice", "A", "Which?\n\nA) 1\nB) 2")


@pytest.mark.slow
def test_the_tiny_world_is_one_too(tmp_path: Path) -> None:
    line = own_file("tiny:chain", "question", "answer", after=None, reward="accuracy", split="test")
    assert len(load(line, tmp_path, limit=5).problems) == 5
