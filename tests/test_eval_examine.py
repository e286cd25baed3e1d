"""The evaluation core on recorded completions: one stream, judged as it comes, kept, scored."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from evaluations import SUMS, Scripted, doubling, kept_scorers, problem, task

from grpo.errors import UserError
from grpo.eval import shelf as shelf_module
from grpo.eval.asking import check_markings
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.examine import examine
from grpo.eval.marker import ScorerOf
from grpo.eval.result import claim, read_result
from grpo.eval.row import Row, read_rows, write_rows
from grpo.eval.shelf import Shelf
from grpo.eval.task import marking
from grpo.recipe.sections import Sampling
from grpo_rewards.errors import RewardError
from grpo_rewards.workers import Scorer

BROKEN = "def broken(prompts, completions, **columns):\n    raise KeyError('no such key')\n"
MENDED = BROKEN.replace("raise KeyError('no such key')", "return [1.0] * len(prompts)")


@pytest.fixture(scope="module")
def scorers() -> Iterator[ScorerOf]:
    with kept_scorers() as scorer_of:
        yield scorer_of


def evaluation(*tasks: Any, **changes: Any) -> Evaluation:
    about: dict[str, Any] = {"checkpoint": {"path": "m", "sha256": "abc"}, "seed": 3, **changes}
    sampling = about.pop("sampling", Sampling(temperature=0.6, top_p=0.95, max_tokens=64))
    return Evaluation(tasks, sampling, about["seed"], about["checkpoint"])


# --- one stream ---


def test_every_sample_is_asked_once_with_noise_of_its_own(scorers: Any) -> None:
    answerer = Scripted(doubling)
    tasks = [task("a", SUMS, k=3), task("b", SUMS[:2], k=2)]
    rows = examine(tasks, answerer, scorers, seed=3)
    assert [row.key for row in rows] == [
        (t.name, p.id, s) for t in tasks for p in t.problems for s in range(t.k)
    ]
    seeds = [asked.seed for asked in answerer.asked]
    assert len(set(seeds)) == len(seeds) == 6 * 3 + 2 * 2
    again = Scripted(doubling)
    assert examine(tasks, again, scorers, seed=3) == rows
    other = Scripted(doubling)
    examine(tasks, other, scorers, seed=4)
    assert not {asked.seed for asked in other.asked} & set(seeds)


def test_the_longest_questions_go_first_and_samples_stay_together(scorers: Any) -> None:
    answerer = Scripted(lambda put, seed: "")
    texts = ["short", "the longest of all of them", "of middle length"]
    problems = [problem(str(n), text, "1") for n, text in enumerate(texts)]
    examine([task("a", problems[:2], k=2), task("b", problems[2:], k=2)], answerer, scorers, 0)
    assert [asked.put.text for asked in answerer.asked] == [
        texts[1], texts[1], texts[2], texts[2], texts[0], texts[0],
    ]  # fmt: skip


def test_samples_are_judged_while_others_are_still_drawn(scorers: Any) -> None:
    """The last answer is given only once the first has been judged."""
    judged = threading.Event()
    last = SUMS[0].question

    def reply(put: str, seed: int) -> str:
        if put == last:
            assert judged.wait(timeout=30), "nothing was judged before the last answer"
        return doubling(put, seed)

    rows = examine([task("a", SUMS)], Scripted(reply), scorers, 0, tell=lambda rows: judged.set())
    assert [row.outcome for row in rows] == ["correct", "correct", "wrong", *["correct"] * 3]


def test_a_row_says_everything_of_its_sample(scorers: Any) -> None:
    (row,) = examine([task("a", SUMS[:1])], Scripted(doubling), scorers, 0)
    assert row == Row(
        benchmark="a",
        question_id="s1",
        question="1 + 1 = ?",
        gold="2",
        language=None,
        subject=None,
        level="1",
        sample=0,
        seed=row.seed,
        prompt="1 + 1 = ?",
        completion="so \\boxed{2}",
        finish_reason="stop",
        tokens=2,
        logprob=-1.0,
        extracted="2",
        outcome="correct",
        correct=True,
        reward=1.0,
        outcomes='{"accuracy": "correct", "accuracy_lenient": "correct"}',
        columns='{"level": "1"}',
        values='{"accuracy": 1.0, "accuracy_lenient": 1.0}',
    )


# --- on disk ---


def test_rows_are_read_back_as_they_were_written(tmp_path: Path, scorers: Any) -> None:
    rows = examine([task("a", SUMS, k=2)], Scripted(doubling), scorers, 0)
    unjudged = rows[0].unjudged()
    write_rows(tmp_path / "samples.parquet", [*rows, unjudged])
    assert read_rows(tmp_path / "samples.parquet") == [*rows, unjudged]
    assert (unjudged.outcome, unjudged.extracted, unjudged.correct) == (None, None, False)
    plain = load_dataset(
        "parquet", data_files=str(tmp_path / "samples.parquet"), split="train",
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    assert plain[0]["completion"] == rows[0].completion


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "PIECE_ROWS", 1)


@pytest.mark.parametrize("after", [0, 1, 7, 17])
@pytest.mark.usefixtures("small_pieces")
def test_an_engine_that_dies_loses_nothing_that_was_finished(
    tmp_path: Path, scorers: Any, after: int
) -> None:
    asked = evaluation(task("a", SUMS, k=3))
    straight = conduct(tmp_path / "straight", asked, Scripted(doubling), scorers)
    dying = Scripted(doubling, dies_after=after)
    with pytest.raises(RuntimeError, match="the engine died"):
        conduct(tmp_path / "broken", asked, dying, scorers)
    assert len(Shelf(tmp_path / "broken").rows()) == after
    with pytest.raises(UserError, match="is not finished: the command that began it"):
        read_result(tmp_path / "broken")
    second = Scripted(doubling)
    resumed = conduct(tmp_path / "broken", asked, second, scorers)
    assert len(second.asked) == 18 - after  # no finished sample is drawn again
    assert resumed["samples_kept"] == after
    assert _timeless(resumed) == _timeless(straight)
    one, other = (read_result(tmp_path / name) for name in ("straight", "broken"))
    assert one.rows == other.rows
    assert not (tmp_path / "broken" / "samples").exists()


def _timeless(results: Mapping[str, Any]) -> dict[str, Any]:
    clock = ("seconds", "tokens_per_second", "samples_kept")
    return {name: value for name, value in results.items() if name not in clock}


def test_a_finished_evaluation_asks_nothing_more(tmp_path: Path, scorers: Any) -> None:
    asked = evaluation(task("a", SUMS))
    first = conduct(tmp_path / "r", asked, Scripted(doubling), scorers)
    second = Scripted(doubling)
    assert _timeless(conduct(tmp_path / "r", asked, second, scorers)) == _timeless(first)
    assert second.asked == []


def test_more_samples_questions_and_benchmarks_go_on_from_what_is_there(
    tmp_path: Path, scorers: Any
) -> None:
    conduct(tmp_path / "r", evaluation(task("a", SUMS[:4], k=2)), Scripted(doubling), scorers)
    more = Scripted(doubling)
    tasks = (task("a", SUMS, k=3), task("b", SUMS[:1]))
    conduct(tmp_path / "r", evaluation(*tasks), more, scorers)
    assert len(more.asked) == 6 * 3 - 4 * 2 + 1
    whole = Scripted(doubling)
    conduct(tmp_path / "whole", evaluation(*tasks), whole, scorers)
    one, other = (read_result(tmp_path / name) for name in ("r", "whole"))
    assert one.rows == other.rows
    assert one.benchmarks == other.benchmarks


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (evaluation(task("a", SUMS, k=2), seed=4), "seed is 3 there and 4 here"),
        (
            evaluation(task("a", SUMS, k=2), sampling=Sampling(temperature=1.0, max_tokens=64)),
            "sampling.temperature is 0.6 there and 1.0 here",
        ),
        (
            evaluation(task("a", SUMS, k=2), checkpoint={"path": "m", "sha256": "xyz"}),
            'checkpoint.sha256 is "abc" there and "xyz" here',
        ),
        (evaluation(task("a", SUMS, k=1)), "tasks.a.k is 2 there and 1 here, which is less"),
        (evaluation(task("a", SUMS[:5], k=2)), "tasks.a.questions is 6 there and 5 here"),
        (evaluation(task("b", SUMS, k=2)), "tasks.a is {.* there and null here"),
        (
            evaluation(task("a", SUMS, k=2, by=marking("format"))),
            "tasks.a.rewards.accuracy is 1.0 there and null here",
        ),
        (
            evaluation(task("a", SUMS, k=2, about={"sha256": "other rows"})),
            'tasks.a.sha256 is "of a" there and "other rows" here',
        ),
    ],
)
def test_another_evaluation_in_the_same_folder_is_refused(
    tmp_path: Path, scorers: Any, other: Evaluation, sentence: str
) -> None:
    conduct(tmp_path / "r", evaluation(task("a", SUMS, k=2)), Scripted(doubling), scorers)
    before = {path: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    with pytest.raises(UserError, match=f"holds another evaluation \\({sentence}"):
        conduct(tmp_path / "r", other, Scripted(doubling), scorers)
    assert {path: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before


def test_the_same_files_elsewhere_are_the_same_evaluation(tmp_path: Path, scorers: Any) -> None:
    moved = evaluation(
        task("a", SUMS, about={"source": "/elsewhere/a.jsonl"}),
        checkpoint={"path": "/elsewhere/m", "sha256": "abc"},
    )
    conduct(tmp_path / "r", evaluation(task("a", SUMS)), Scripted(doubling), scorers)
    conduct(tmp_path / "r", moved, Scripted(doubling), scorers)


def test_a_run_s_own_evaluation_begins_anew_instead(tmp_path: Path, scorers: Any) -> None:
    conduct(tmp_path / "r", evaluation(task("a", SUMS)), Scripted(doubling), scorers)
    fresh = Scripted(doubling)
    conduct(tmp_path / "r", evaluation(task("a", SUMS[:2]), seed=9), fresh, scorers, anew=True)
    assert len(fresh.asked) == 2 == len(read_result(tmp_path / "r").rows)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not empty and holds no evaluation"):
        claim(tmp_path, {"seed": 0})


# --- judging ---


@pytest.mark.usefixtures("small_pieces")
def test_a_reward_that_breaks_stops_the_evaluation_and_keeps_every_sample(
    tmp_path: Path, scorers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(BROKEN)
    by = marking("mine.py:broken")
    asked = evaluation(task("a", SUMS, by=by))
    with pytest.raises(RewardError, match=r"mine.py:2: KeyError: 'no such key'"):
        conduct(Path("r"), asked, Scripted(doubling), scorers)
    kept = Shelf(Path("r")).rows()
    assert kept and all(row.outcome is None for row in kept)
    # Mended, the same command judges what was drawn and draws the rest.
    Path("mine.py").write_text(MENDED)
    second = Scripted(doubling)
    with Scorer(by.rewards, workers=1) as mended:
        results = conduct(Path("r"), asked, second, lambda rewards: mended)
    assert len(second.asked) == len(SUMS) - len(kept)
    assert results["benchmarks"]["a"]["avg"]["value"] == 1.0


def test_references_that_cannot_be_read_are_named_by_row(scorers: Any) -> None:
    bad = [*SUMS, problem("x7", "?", "\\frac{"), problem("x8", "?", "\\left(")]
    places = {"a": {"x7": "a.jsonl:7"}}
    with pytest.raises(UserError, match=r"answers of 2 of 8 rows cannot be read.*a.jsonl:7 .*'x8'"):
        check_markings([task("a", bad)], scorers, places)
    check_markings([task("a", bad, about={"verified": True})], scorers, places)
    check_markings([task("a", SUMS)], scorers, places)


def test_pieces_are_whole_parquet_files(tmp_path: Path, scorers: Any) -> None:
    rows = examine([task("a", SUMS)], Scripted(doubling), scorers, 0)
    shelf = Shelf(tmp_path)
    shelf.add(rows[:2])
    assert Shelf(tmp_path).rows() == []  # waits for more, or for its time
    shelf.flush()
    shelf.add(rows[2:])
    shelf.flush()
    pieces = sorted((tmp_path / "samples").iterdir())
    assert [pq.read_metadata(piece).num_rows for piece in pieces] == [2, 4]
    (tmp_path / "samples" / ".tmp-000002.parquet-77").write_bytes(b"half a pie")
    assert sorted(Shelf(tmp_path).rows(), key=lambda row: row.key) == rows
