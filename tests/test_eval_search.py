"""Beam search with a sampler that plays a script, and what whole samples buy for its cost."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path as File
from typing import Any

import pytest

from grpo.errors import UserError
from grpo.eval.best_of import expected_best
from grpo.eval.consensus import cons_at_k
from grpo.eval.scaled import Table
from grpo.eval.search.beam import Beams, BeamSearch
from grpo.eval.search.budget import at_budget, best_of, coverage, majority
from grpo.eval.search.paths import Found, Path, Question, Tree
from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.scorer import Thought
from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.sampler import open_sampler
from grpo.types import Completion, Request

SAMPLING = Sampling(temperature=1.0, max_tokens=12)


def question(name: str) -> Question:
    return Question(name, f"{name}?", tuple(map(ord, f"{name}?")), {"name": name})


class Played:
    """Draws by a script: what has been written so far to the texts that are drawn next, in turn.

    A token is a character, and "$" the end token. `asked` are all requests, `rounds` their number
    by call.
    """

    dtype = "float32"

    def __init__(self, script: Mapping[str, Sequence[str]]) -> None:
        self._script = {written: iter(texts) for written, texts in script.items()}
        self.asked: list[Request] = []
        self.rounds: list[int] = []
        self.stops: set[tuple[str, ...]] = set()

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.asked += requests
        self.rounds.append(len(requests))
        self.stops.add(sampling.stop)
        return [self._next("".join(map(chr, one.prompt_ids))) for one in requests]

    def _next(self, written: str) -> Completion:
        drawn = next(self._script[written])
        ids = tuple(map(ord, drawn))
        reason = "length" if drawn.endswith("#") else "stop"
        return Completion(drawn.removesuffix("$"), ids, (-0.1,) * len(ids), reason)

    def stream(self, requests: Any, sampling: Any) -> Iterator[tuple[int, Completion]]:
        raise AssertionError("a search draws rounds")

    def sync(self, weights: Any, draft: Any = ()) -> None: ...
    def undrafted(self) -> AbstractContextManager[None]:
        return nullcontext()

    def metrics(self) -> Mapping[str, float]:
        return {}

    def close(self) -> None: ...


class Capitals:
    """A step is a sentence; it is worth its share of capital letters. `read` are all thoughts."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def score(self, thoughts: Sequence[Thought]) -> list[tuple[float, ...]]:
        self.read += [thought.text for thought in thoughts]
        return [
            tuple(
                sum(char.isupper() for char in step) / len(step)
                for step in thought.text.split(".")[:-1]
                if step
            )
            for thought in thoughts
        ]


def has_answer(prompt: str, text: str) -> bool:
    return text.endswith("!")


def searched(
    script: Mapping[str, Sequence[str]], keep: int, draw: int, seed: int = 0, steps: str = "last"
) -> tuple[list[Found], Played, Capitals]:
    names = list(dict.fromkeys(written.partition("?")[0] for written in script))
    sampler, scorer = Played(script), Capitals()
    beams = Beams(keep, draw, (".",), steps)
    search = BeamSearch(beams, sampler, scorer, SAMPLING, has_answer, seed)
    return search.search([question(name) for name in names]), sampler, scorer


def test_the_best_are_kept_and_continued() -> None:
    script = {
        "q?": ["ab.", "Ab.", "AB.", "a."],
        "q?AB.": ["xy.", "7!$"],
        "q?Ab.": ["XY.", "X."],
        "q?Ab.XY.": ["8!$", "9$"],
        "q?Ab.X.": ["5!$", "6!$"],
    }
    (found,), sampler, scorer = searched(script, keep=2, draw=2)
    # Round 1 keeps AB. (1) and Ab. (1/2). Round 2: xy. 0, AB.7! 1 (ended), XY. 1, X. 1; of the
    # three at 1 two are kept by lot, and what is open goes on.
    assert sampler.rounds[:2] == [4, 4]
    assert sampler.stops == {(".",)}
    assert found.path.has_ended and found.path.score == 1.0
    assert found.path.text in {"AB.7!", "Ab.XY.8!", "Ab.X.5!", "Ab.X.6!"}
    assert scorer.read[:8] == ["ab.", "Ab.", "AB.", "a.", "AB.xy.", "AB.7!", "Ab.XY.", "Ab.X."]
    assert found.rounds == len(sampler.rounds)


def test_what_is_drawn_is_counted_kept_or_not() -> None:
    script = {"q?": ["AB.", "a."], "q?AB.": ["7!$", "8$"]}
    (found,), sampler, _ = searched(script, keep=1, draw=2)
    # AB. and a. are 3 + 2 tokens, 7!$ and 8$ are 3 + 2 with their end tokens; 8 is no answer.
    assert (found.tokens, found.rounds, sampler.rounds) == (10, 2, [2, 2])
    assert found.path == Path(tuple(map(ord, "AB.7!$")), "AB.7!", has_ended=True, score=1.0)


def test_all_questions_are_drawn_in_one_batch_a_round() -> None:
    script = {
        "q?": ["A.", "b."], "q?A.": ["1!$", "2!$"],
        "r?": ["3!$", "c!$"],
        "s?": ["D.", "D."], "s?D.": ["E.", "e."], "s?D.E.": ["4!$", "4!$"],
    }  # fmt: skip
    found, sampler, _ = searched(script, keep=1, draw=2)
    assert sampler.rounds == [6, 4, 2]
    assert [one.question for one in found] == ["q", "r", "s"]
    assert [one.rounds for one in found] == [2, 1, 3]
    assert found[2].path.text == "D.E.4!"
    assert len({request.seed for request in sampler.asked}) == 12


def test_a_path_that_has_ended_stays_until_better_ones_push_it_out() -> None:
    script = {"q?": ["Ab.", "7!$"], "q?Ab.": ["CD.", "cd."], "q?Ab.CD.": ["8!$"]}
    (found,), sampler, _ = searched(script, keep=2, draw=1)
    # 7! has no step and so a score of 0; it is kept beside Ab. (1/2), and beside Ab.CD. (1).
    assert (found.path.text, sampler.rounds) == ("Ab.CD.8!", [2, 1, 1])


@pytest.mark.parametrize(("steps", "text"), [("last", "ab.CD.1!"), ("min", "Ab.Cd.2!")])
def test_how_steps_become_a_path_s_score(steps: str, text: str) -> None:
    script = {
        "q?": ["ab.", "Ab."],
        "q?ab.": ["CD."], "q?Ab.": ["Cd."],
        "q?ab.CD.": ["1!$"], "q?Ab.Cd.": ["2!$"],
    }  # fmt: skip
    (found,), *_ = searched(script, keep=2, draw=1, steps=steps)
    assert found.path.text == text  # steps (0, 1) against (1/2, 1/2)


def test_an_end_without_an_answer_ranks_below_everything() -> None:
    script = {"q?": ["AB$", "ab."], "q?ab.": ["ef!$", "gh$"]}
    (found,), *_ = searched(script, keep=1, draw=2)
    assert (found.path.text, found.path.score) == ("ab.ef!", 0.0)


def test_a_question_nobody_answered() -> None:
    (found,), *_ = searched({"q?": ["A$", "b$"]}, keep=1, draw=2)
    assert (found.path.score, found.path.has_ended, found.tokens) == (None, True, 4)


@pytest.mark.parametrize(
    "script",
    [
        {"q?": ["AB#", "ab."], "q?ab.": ["7!$", "8!$"]},  # at the limit of a draw
        {"q?": ["ABCDEFGHIJKL.", "ab."], "q?ab.": ["7!$", "8!$"]},  # 13 tokens of 12
    ],
)
def test_what_is_too_long_is_dropped(script: Mapping[str, Sequence[str]]) -> None:
    (found,), *_ = searched(script, keep=1, draw=2)
    assert found.path.text in {"ab.7!", "ab.8!"}


def test_an_end_of_a_step_within_a_token_is_one() -> None:
    (found,), *_ = searched({"q?": ["A.B", "a."], "q?A.B": ["7!$", "7!$"]}, keep=1, draw=2)
    assert found.path.text == "A.B7!"


def test_equal_scores_are_kept_by_lot_and_one_text_once() -> None:
    paths = [Path((n,), text, score=1.0) for n, text in enumerate("abcdabcd")]
    kept: dict[str, int] = dict.fromkeys("abcd", 0)
    for seed in range(400):
        tree = Tree(question("q"))
        tree.grow(paths, keep=2, seed=seed)
        assert len({path.text for path in tree.open_paths}) == 2
        for path in tree.open_paths:
            kept[path.text] += 1
    # Each is kept in half of 400 draws, give or take four standard deviations of 10.
    assert all(160 < times < 240 for times in kept.values())


def test_the_same_seed_finds_the_same() -> None:
    script = {"q?": ["A.", "B.", "C.", "D."]}
    script |= {f"q?{letter}.": ["1!$", "2!$"] for letter in "ABCD"}
    texts = [searched(script, keep=2, draw=2, seed=seed)[0][0].path.text for seed in range(30)]
    again = [searched(script, keep=2, draw=2, seed=seed)[0][0].path.text for seed in range(30)]
    assert texts == again and len(set(texts)) > 1


# --- the same cost in whole samples ---

TABLE = Table(
    correct=[[True, False, False], [False, False, True]],
    answers=[["7", "8", "8"], ["1", None, "3"]],
    scores={"prm": [[0.9, 0.1, 0.5], [0.2, None, 0.1]]},
)


def test_between_two_whole_numbers_of_samples_it_is_their_mixture() -> None:
    def method(n: int) -> list[float]:
        return [float(n), 10.0 * n]

    assert at_budget(method, 2.25, 4) == pytest.approx([2.25, 22.5])
    assert at_budget(method, 4.0, 4) == [4.0, 40.0]
    # 0.75 of one sample and 0.25 of two: 0.75 x 1/3 + 0.25 x 2/3 and likewise, by hand.
    assert at_budget(best_of(TABLE, "prm"), 1.25, 3) == pytest.approx([5 / 12, 1 / 3])


@pytest.mark.parametrize("samples", [0.99, 3.01])
def test_a_cost_beyond_the_samples(samples: float) -> None:
    with pytest.raises(UserError, match=rf"as many tokens as {samples:.1f} samples, .* 1 to 3"):
        at_budget(best_of(TABLE, "prm"), samples, 3)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_each_method_is_its_estimator_by_question(n: int) -> None:
    scores = TABLE.scores["prm"]
    pairs = list(zip(TABLE.correct, scores, strict=True))
    assert best_of(TABLE, "prm")(n) == [expected_best([*map(float, c)], s, n) for c, s in pairs]
    # A right one among n of 3, one of them right: n / 3.
    assert coverage(TABLE)(n) == pytest.approx([n / 3, n / 3])
    together = cons_at_k(TABLE.answers or [], TABLE.correct, n).value
    assert sum(majority(TABLE)(n)) / 2 == pytest.approx(together)


# --- the real engine ---


@pytest.mark.slow
def test_a_search_on_the_real_engine_reads_as_it_was_drawn() -> None:
    from transformers import AutoTokenizer

    from grpo.eval.extraction import extracted
    from grpo_data.template import render
    from grpo_data.world import problems

    base = File(__file__).parents[1] / "data" / "models" / "tiny-base"
    tokenizer = AutoTokenizer.from_pretrained(base)
    asked = []
    for problem in problems("chain,story", size=6, seed=3):
        text, ids = render(tokenizer, problem, system=None, user="{question}")
        asked.append(Question(problem.id, text, ids, problem.columns))
    config = SamplerConfig(max_model_len=320, max_num_seqs=64, kv_cache_gib=0.25)
    sampler = open_sampler(base, config)
    sampling = Sampling(temperature=1.0, max_tokens=160)

    def readable(prompt: str, text: str) -> bool:
        return extracted("accuracy_lenient", prompt, text) is not None

    try:
        beams = Beams(2, 4, CLAIMS.ends)
        searches = [
            BeamSearch(beams, sampler, ExactSteps(), sampling, readable, seed=seed)
            for seed in (0, 0, 1)
        ]
        first, again, other = (search.search(asked) for search in searches)
    finally:
        sampler.close()
    assert first == again != other
    for found in first:
        ids = [token for token in found.path.token_ids if token != tokenizer.eos_token_id]
        assert tokenizer.decode(ids) == found.path.text
        assert found.path.token_ids[-1] == tokenizer.eos_token_id
        assert found.tokens > len(found.path.token_ids) and found.rounds > 1
    # With eight draws a step the checker nearly always sees a right one.
    assert sum(found.path.score == 1.0 for found in first) >= 5
