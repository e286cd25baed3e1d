"""Evaluation: intervals against known values and by brute force, verdicts on real texts."""

import json
import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import tiny_moe

from grpo.eval.estimators import Estimate, share, wilson
from grpo.eval.evaluate import JUDGES, VERDICTS, Evaluation, evaluate, scores
from grpo.recipe.sections import Prompt, Sampling
from grpo.rollout.collect import Collector
from grpo.sampler.plain import PlainSampler
from grpo.timing import Stopwatch
from grpo.types import Completion, Group, Judgement
from grpo_data.problem import Problem
from grpo_data.world import problems
from grpo_rewards.workers import Scorer


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # By hand for 8 of 10, with z^2 = 3.84146: the centre is (0.8 + 0.192073) / 1.384146 =
        # 0.716740 and half the width 1.959964 / 1.384146 x sqrt(0.016 + 0.0096036) = 0.226577.
        (8, 10, 0.490163, 0.943317),
        # None of 10 and all of 10: 3.84146 / 13.84146 = 0.277533.
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        # Half of 100: 0.5 +- 1.959964 / 1.0384146 x sqrt(0.0025 + 0.0000960365) = 0.096168.
        (50, 100, 0.403832, 0.596168),
        # 124 of 1,000: (0.124 + 0.00192073) / 1.00384146 = 0.125439, and half the width
        # 1.959964 / 1.00384146 x sqrt(0.000108624 + 0.00000096036) = 0.020439.
        (124, 1000, 0.105000, 0.145878),
    ],
)
def test_wilson_s_interval(successes: int, n: int, low: float, high: float) -> None:
    estimate = wilson(successes, n)
    assert (estimate.mean, estimate.n) == (successes / n, n)
    assert estimate.low == pytest.approx(low, abs=2e-6)
    assert estimate.high == pytest.approx(high, abs=2e-6)


def test_of_nothing_nothing_is_known() -> None:
    assert math.isnan(wilson(0, 0).mean)
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).n) == (0.0, 1.0, 0)
    several = share([[True, False]], among=[[False, False]])
    assert math.isnan(several.mean) and (several.low, several.high, several.n) == (0.0, 1.0, 0)
    assert share([]).n == 0


def test_one_sample_a_question_is_wilson_s() -> None:
    assert share([[True]] * 8 + [[False]] * 2) == wilson(8, 10)
    formatted = [[True]] * 4 + [[False]] * 6
    assert share([[True]] * 3 + [[False]] * 7, among=formatted) == wilson(3, 4)


def exact(hits: list[list[bool]]) -> tuple[float, float]:
    """The 95% interval of the mean over all ways of drawing questions with replacement."""
    rates = [sum(row) / len(row) for row in hits]
    means = [sum(drawn) / len(rates) for drawn in product(rates, repeat=len(rates))]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def test_the_bootstrap_is_over_questions() -> None:
    hits = [
        [True, True, True, True],
        [True, True, True, False],
        [True, False, False, False],
        [False, False, False, False],
        [True, True, False, False],
        [False, True, False, False],
    ]
    estimate = share(hits)
    low, high = exact(hits)
    assert (estimate.mean, estimate.n) == (11 / 24, 24)
    # Means of six rates in quarters go in steps of 1/24: the same step or the next one.
    assert estimate.low == pytest.approx(low, abs=1.01 / 24)
    assert estimate.high == pytest.approx(high, abs=1.01 / 24)
    assert high - low > 10 / 24
    assert share(hits) == estimate


def test_samples_that_agree_are_one_observation() -> None:
    rng = np.random.default_rng(3)
    answers = rng.random(200) < 0.4
    once = share([[bool(a)] for a in answers])
    same = share([[bool(a)] * 16 for a in answers])
    apart = share([[bool(a) for a in row] for row in rng.random((200, 16)) < 0.4])
    width = same.high - same.low
    # Sixteen equal answers say no more than one, sixteen independent ones four times as much.
    assert width == pytest.approx(once.high - once.low, rel=0.1)
    assert apart.high - apart.low == pytest.approx(width / 4, rel=0.25)


def test_a_share_among_some_counts_those_alone() -> None:
    hits = [[True, False, True], [False, True, False]]
    among = [[True, True, False], [False, True, True]]
    # Counted: hit, miss; hit, miss.
    estimate = share(hits, among=among)
    assert (estimate.mean, estimate.n) == (0.5, 4)


# --- verdicts ---

THOUGHT = "<think>7+5=12, 12*2=24</think>"
TEXTS = {
    # text: strict, lenient, format; the answer is 24
    THOUGHT + "<answer>24</answer>": (True, True, True),
    THOUGHT + "\n<answer> 24 </answer>\n": (True, True, True),
    THOUGHT + "<answer>25</answer>": (False, False, True),
    "<think>所以是24。</think><answer>24个</answer>": (True, True, True),
    "7+5=12, 12*2=24": (False, True, False),
    "24": (False, True, False),
    "<answer>24</answer>": (False, True, False),
    THOUGHT + "24": (False, True, False),
    THOUGHT + "<answer>24</answer> so": (False, True, False),
    "<think></think><answer>24</answer>": (False, True, False),
    "<think>24</think><answer>12</answer>": (False, False, True),
    "the answer is 24, no, 23": (False, False, False),
    "": (False, False, False),
}


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer(JUDGES, workers=1) as scorer:
        yield scorer


def judged(scorer: Scorer, text: str) -> Judgement:
    (verdict,) = scorer.score(["?"], [text], [{"answer": "24"}])
    return Judgement(verdict.reward, verdict.parts, verdict.outcomes)


@pytest.mark.parametrize("text", TEXTS)
def test_strict_lenient_and_format(scorer: Scorer, text: str) -> None:
    judgement = judged(scorer, text)
    assert (
        tuple(VERDICTS[name](judgement) for name in ("strict", "lenient", "format"))
        == (TEXTS[text])
    )


def test_what_was_not_judged_is_not_right() -> None:
    unknown = Judgement(None, dict.fromkeys(JUDGES), {})
    assert not any(verdict(unknown) for verdict in VERDICTS.values())
    half = Judgement(1.0, {"accuracy": 0.5, "format": 1.0, "accuracy_lenient": 0.99}, {})
    assert [VERDICTS[name](half) for name in VERDICTS] == [False, False, True]


def group(scorer: Scorer, kind: str, *texts: str, end: str = "stop") -> Group:
    problem = Problem(f"{kind}-1", "7, add 5, double?", "24", "k", {"kind": kind, "language": "en"})
    completions = tuple(Completion(t, (9,) * 5, (-1.0,) * 5, end) for t in texts)
    return Group(problem, "?", (1,), completions, tuple(judged(scorer, t) for t in texts))


GOOD, WRONG, BARE = THOUGHT + "<answer>24</answer>", THOUGHT + "<answer>25</answer>", "24"


def test_scores_by_hand(scorer: Scorer) -> None:
    groups = [
        group(scorer, "chain", GOOD),
        group(scorer, "chain", WRONG),
        group(scorer, "story", BARE),
        group(scorer, "story", ""),
    ]
    found = scores(groups)
    assert {name: (e.mean, e.n) for name, e in found.items()} == {
        "strict": (0.25, 4),
        "lenient": (0.5, 4),
        "format": (0.5, 4),
        "accuracy_given_format": (0.5, 2),
    }


def test_results_are_json_even_where_nothing_has_the_form(scorer: Scorer) -> None:
    groups = (group(scorer, "chain", BARE), group(scorer, "story", "", end="length"))
    evaluation = Evaluation(groups, scores(groups), {"chain": scores(groups[:1])})
    results = evaluation.results()
    text = json.dumps(results, allow_nan=False)
    assert json.loads(text)["scores"]["accuracy_given_format"]["mean"] is None
    assert (results["problems"], results["samples"]) == (2, 1)
    assert (results["mean_length"], results["truncated"]) == (5.0, 0.5)
    assert results["by_kind"]["chain"]["lenient"]["mean"] == 1.0


def test_every_sample_is_a_row_with_its_verdicts(scorer: Scorer) -> None:
    groups = (group(scorer, "chain", GOOD, WRONG),)
    first, second = Evaluation(groups, {}, {}).rows()
    assert (first["strict"], first["lenient"], first["format"]) == (True, True, True)
    assert (second["strict"], second["format"], second["completion"]) == (False, True, WRONG)
    assert first["kind"] == "chain" and first["problem_id"] == "chain-1"


def test_an_evaluation_draws_judges_and_sorts_by_kind(scorer: Scorer) -> None:
    tokenizer = tiny_moe.tokenizer()
    collector = Collector(
        PlainSampler(tiny_moe.model(), tokenizer),
        scorer,
        tokenizer,
        Prompt(chat=False),
        Sampling(max_tokens=4),
        group_size=2,
        seed=0,
        purpose="evaluate",
        watch=Stopwatch(),
    )
    asked = [*problems("chain", size=2), *problems("larger", size=1)]
    evaluation = evaluate(collector, asked)
    assert [g.problem for g in evaluation.groups] == asked
    assert evaluation.scores["strict"].n == 6
    assert {kind: s["strict"].n for kind, s in evaluation.by_kind.items()} == {
        "chain": 4,
        "larger": 2,
    }
    again = evaluate(collector, asked)
    assert again == evaluation
    assert isinstance(evaluation.scores["strict"], Estimate)
