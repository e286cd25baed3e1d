"""Results read back: judged again, compared, and shown in 80 columns."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from evaluations import SUMS, Scripted, doubling, problem, task
from typer.testing import CliRunner, Result

from grpo import cli
from grpo.errors import UserError
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.pairing import caveats, compared
from grpo.eval.result import read_result
from grpo.recipe.sections import Sampling
from grpo_rewards.workers import Scorer


def grpo(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "80"})


def evaluated(folder: Path, reply: Any, *tasks: Any, seed: int = 0, **sampling: Any) -> Path:
    drawn = Sampling(**{"temperature": 0.6, "top_p": 0.95, "max_tokens": 64, **sampling})
    asked = Evaluation(tasks, drawn, seed, {"path": "m", "sha256": "abc"})
    made: list[Scorer] = []

    def scorer_of(rewards: Mapping[str, Any]) -> Scorer:
        made.append(Scorer(rewards, workers=1))
        return made[-1]

    conduct(folder, asked, Scripted(reply), scorer_of)
    for scorer in made:
        scorer.close()
    return folder


def always_right(put: str, seed: int) -> str:
    return f"so \\boxed{{{2 * int(put.split()[0])}}}"


def bare(put: str, seed: int) -> str:
    """Right for even numbers, but not in a box."""
    number = int(put.split()[0])
    return f"I count them. In the end there are {2 * number if number % 2 == 0 else 1}."


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    evaluated(root / "mixed", doubling, task("a", SUMS, k=2))
    evaluated(root / "right", always_right, task("a", SUMS, k=4), task("b", SUMS[:2]))
    evaluated(root / "bare", bare, task("a", SUMS, k=2))
    return root


# --- rescore ---


def counts(done: Result) -> list[str]:
    """Of the only benchmark: samples to right, to wrong, moved, in all."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("a ")]
    return line.split()[-4:]


def test_the_present_reward_changes_nothing(results: Path) -> None:
    done = grpo("rescore", results / "mixed")
    assert done.exit_code == 0, done.output
    assert counts(done) == ["0", "0", "0", "12"]
    assert "flipped" not in done.stdout


def test_another_reward_shows_what_flipped_and_why(results: Path) -> None:
    before = {path: path.read_bytes() for path in (results / "bare").iterdir()}
    done = grpo("rescore", results / "bare", "--reward", "accuracy_lenient", "--show", 2)
    assert done.exit_code == 0, done.output
    assert counts(done) == ["6", "0", "12", "12"]
    assert "samples that flipped, the first 2 of 6" in done.stdout
    lines = done.stdout.splitlines()
    assert any("s2/0" in line and "unparseable -> correct" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert {path: path.read_bytes() for path in (results / "bare").iterdir()} == before


def test_new_verdicts_are_a_result_of_their_own(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    done = grpo("rescore", results / "bare", "--reward", "accuracy_lenient", "--out", out)
    assert done.exit_code == 0, done.output
    new, old = read_result(out), read_result(results / "bare")
    assert new.benchmarks["a"]["avg"]["value"] == 0.5
    assert new.benchmarks["a"]["verdict"] == "accuracy_lenient"
    assert old.benchmarks["a"]["avg"]["value"] == 0.0
    assert [row.completion for row in new.rows] == [row.completion for row in old.rows]
    assert new.results["rejudged_from"] == str(results / "bare")
    # By its own rewards now, it stays as it is.
    assert counts(grpo("rescore", out)) == ["0", "0", "0", "12"]
    again = grpo("rescore", results / "bare", "--out", out)
    assert (again.exit_code, again.stderr.split(";")[0]) == (2, f"error: {out} is not empty")


def test_a_result_may_be_judged_again_in_place(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results / "bare", copy)
    assert grpo("rescore", copy, "--reward", "accuracy_lenient", "--out", copy).exit_code == 0
    assert read_result(copy).benchmarks["a"]["avg"]["value"] == 0.5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--reward", "accuracyy"), "error: unknown reward 'accuracyy': did you mean 'accuracy'?"),
        (("--reward", "none.py:f"), "error: reward 'none.py:f': there is no file"),
    ],
)
def test_a_reward_that_is_not_there_is_one_sentence(
    results: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = grpo("rescore", results / "bare", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith(sentence)


# --- compare ---


def test_results_are_paired_by_question(results: Path) -> None:
    found = compared(read_result(results / "mixed"), read_result(results / "right"))
    assert list(found) == ["a"]
    one = found["a"]
    # Only 3 + 3 changed, from 0 of 2 to 4 of 4: 5/6 to 6/6.
    assert (one.before.value, one.after.value) == (pytest.approx(5 / 6), 1.0)
    assert one.difference.value == pytest.approx(1 / 6)
    assert [(flip.question, flip.before, flip.after) for flip in one.flips] == [("s3", 0.0, 1.0)]


def test_any_verdict_can_be_compared(results: Path, tmp_path: Path) -> None:
    # Nothing is in a box: none right strictly, the even half leniently.
    words = ("compare", results / "bare", results / "mixed", "--verdict")
    done = grpo(*words, "lenient", "--out", tmp_path / "c.html")
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("a ")]
    assert line.split()[1:4] == ["50.0%", "83.3%", "+33.3"]
    assert "lenient" in (tmp_path / "c.html").read_text()
    wrong = grpo(*words, "lenyent")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("error: no benchmark has a share called 'lenyent' in ")
    assert wrong.stderr.endswith("they know accuracy, accuracy_lenient, lenient\n")


def test_a_comparison_fits_80_columns_and_names_what_changed(results: Path) -> None:
    done = grpo("compare", results / "mixed", results / "right")
    assert done.exit_code == 0, done.output
    table = [line for line in done.stdout.splitlines() if str(results) not in line]
    assert max(map(len, table)) <= 80
    (line,) = [line for line in table if line.startswith("a ")]
    assert line.split()[1:4] == ["83.3%", "100.0%", "+16.7"]
    assert line.split()[-3:] == ["1.0000", "1", "0"]  # one change of one question: no evidence
    assert "a: 1 of 6 questions changed, the most changed first" in done.stdout
    assert any("s3" in line and "3 + 3 = ?" in line for line in table)
    assert f"only {results / 'right'} has b" in done.stdout.replace("\n", "")


def told(before: Any, after: Any) -> list[str]:
    return list(caveats(before, after, compared(before, after)))


def test_scores_keep_their_room_beside_long_names(tmp_path: Path) -> None:
    asked = [problem("test/counting_and_probability/1 of many.json", f"3 + 3 = {'?' * 90}", "6")]
    for name, reply in (("wrong", doubling), ("right", always_right)):
        evaluated(tmp_path / name, reply, task("a", asked))
    done = grpo("compare", tmp_path / "wrong", tmp_path / "right")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("test/")]
    assert " 0.0% " in line and " 100.0% " in line and len(line) <= 80
    done = grpo("rescore", tmp_path / "wrong", "--reward", "format")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("a ")] or [""]
    assert len(line) <= 80


def test_what_was_not_alike_is_said(results: Path, tmp_path: Path) -> None:
    warm = evaluated(tmp_path / "warm", doubling, task("a", SUMS[1:], k=2), temperature=1.0)
    mixed, right = (read_result(results / name) for name in ("mixed", "right"))
    assert told(mixed, read_result(warm)) == ["they differ in temperature: 0.6 before, 1.0 after"]
    assert told(mixed, right) == [
        f"only {results / 'right'} has b",
        "a: they differ in k: 2 before, 4 after",
    ]
    done = grpo("compare", results / "mixed", warm)
    assert "a: 1 questions were asked only before" in done.stdout


def test_other_questions_under_one_name_are_refused(results: Path, tmp_path: Path) -> None:
    others = [problem(p.id, p.question.replace("+", "-"), "0") for p in SUMS]
    other = evaluated(tmp_path / "other", doubling, task("a", others, k=2))
    done = grpo("compare", results / "mixed", other)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: a: question 's1' is another one in ")


def test_results_of_nothing_in_common_are_refused(results: Path, tmp_path: Path) -> None:
    other = evaluated(tmp_path / "other", doubling, task("z", SUMS))
    done = grpo("compare", results / "mixed", other)
    assert done.exit_code == 2
    assert "have no benchmark in common: a in " in done.stderr


def test_what_is_no_result_says_so(results: Path, tmp_path: Path) -> None:
    for verb in (("rescore", tmp_path), ("compare", results / "mixed", tmp_path)):
        done = grpo(*verb)
        assert done.exit_code == 2
        assert done.stderr.startswith(f"error: {tmp_path} is no result: it has no plan.json")


def test_a_result_of_another_format_says_so(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results / "mixed", copy)
    found = json.loads((copy / "results.json").read_text())
    (copy / "results.json").write_text(json.dumps(found | {"format": 9}))
    with pytest.raises(UserError, match="has format 9, not 1"):
        read_result(copy)
