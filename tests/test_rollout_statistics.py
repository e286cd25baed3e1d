"""A rollout in numbers, each worked out by hand."""

import math

import pytest

from grpo.rollout.rewards import plain_advantages, rewards_PG
from grpo.rollout.statistics import rollout_metrics, token_count
from grpo.types import Completion, Group, Judgement, Rollout
from grpo_data.problem import Problem

PROBLEM = Problem("p", "3 + 4?", "7", "3+4")


def completion(length: int, end: str = "stop") -> Completion:
    return Completion("", (9,) * length, (-1.0,) * length, end)


def judgement(accuracy: float | None, style: float | None, outcome: str) -> Judgement:
    known = [part for part in (accuracy, style) if part is not None]
    parts = {"accuracy": accuracy, "style": style}
    return Judgement(sum(known) if known else None, parts, {"accuracy": outcome})


def rollout(*groups: tuple[tuple[int, ...], tuple[Judgement, ...]]) -> Rollout:
    """Groups of (lengths, judgements) behind prompts of three tokens; 8 is cut off."""
    return Rollout(
        3,
        tuple(
            Group(
                PROBLEM,
                "?",
                (1, 2, 3),
                tuple(completion(n, "length" if n == 8 else "stop") for n in lengths),
                judgements,
            )
            for lengths, judgements in groups
        ),
    )


RIGHT, WRONG = judgement(1.0, 0.5, "correct"), judgement(0.0, 0.5, "wrong")
LATE, UNKNOWN = judgement(0.0, 0.0, "timeout"), judgement(None, None, "skipped")
MIXED = rollout(((2, 4), (RIGHT, WRONG)), ((8, 6), (LATE, LATE)))


def test_rewards_by_hand() -> None:
    # Rewards (1.5, 0.5) and (0, 0): mean 2 / 4; spreads sqrt(0.5) and 0; one group of two dead.
    metrics = rollout_metrics(MIXED)
    assert metrics["reward"] == pytest.approx(0.5)
    assert metrics["reward_std"] == pytest.approx(math.sqrt(0.5) / 2)
    assert metrics["frac_reward_zero_std"] == 0.5


def test_each_reward_by_hand() -> None:
    # accuracy 1, 0, 0, 0: squares about 1/4 sum to 3/4, over 3. style 1/2, 1/2, 0, 0: 1/4 over 3.
    metrics = rollout_metrics(MIXED)
    assert metrics["rewards/accuracy/mean"] == 0.25
    assert metrics["rewards/accuracy/std"] == pytest.approx(math.sqrt(0.25))
    assert metrics["rewards/style/mean"] == 0.25
    assert metrics["rewards/style/std"] == pytest.approx(math.sqrt(0.25 / 3))


def test_outcomes_are_shares_of_all_completions() -> None:
    metrics = rollout_metrics(MIXED)
    outcomes = {k: v for k, v in metrics.items() if k.startswith("outcomes/accuracy/")}
    assert outcomes == {
        "outcomes/accuracy/correct": 0.25,
        "outcomes/accuracy/wrong": 0.25,
        "outcomes/accuracy/timeout": 0.5,
    }


def test_lengths_by_hand() -> None:
    # 2, 4, 8, 6, and 8 was cut off.
    metrics = rollout_metrics(MIXED)
    assert metrics["completions/mean_length"] == 5.0
    assert (metrics["completions/min_length"], metrics["completions/max_length"]) == (2, 8)
    assert metrics["completions/clipped_ratio"] == 0.25
    assert metrics["completions/mean_terminated_length"] == 4.0


def test_where_nothing_ended() -> None:
    metrics = rollout_metrics(rollout(((8, 8), (RIGHT, WRONG))))
    assert metrics["completions/clipped_ratio"] == 1.0
    assert metrics["completions/mean_terminated_length"] == 0.0


def test_what_was_not_judged_is_left_out() -> None:
    # Rewards (1.5, -), (0.5, 0.5): mean 2.5 / 3; a lone reward has no spread and teaches nothing.
    metrics = rollout_metrics(rollout(((2, 2), (RIGHT, UNKNOWN)), ((2, 2), (WRONG, WRONG))))
    assert metrics["reward"] == pytest.approx(2.5 / 3)
    assert metrics["reward_std"] == 0.0
    assert metrics["frac_reward_zero_std"] == 1.0
    assert metrics["rewards/accuracy/mean"] == pytest.approx(1 / 3)
    assert metrics["outcomes/accuracy/skipped"] == 0.25


def test_a_reward_that_judged_nothing_has_no_mean() -> None:
    metrics = rollout_metrics(rollout(((2, 2), (UNKNOWN, UNKNOWN))))
    assert not [name for name in metrics if name.startswith("rewards/")]
    assert metrics["outcomes/accuracy/skipped"] == 1.0
    assert math.isnan(metrics["reward"])


def test_tokens_count_each_prompt_with_each_completion() -> None:
    assert token_count(MIXED) == 4 * 3 + 2 + 4 + 8 + 6


def test_rewards_and_advantages_by_group() -> None:
    unjudged = rollout(((2, 2), (RIGHT, UNKNOWN)))
    assert rewards_PG(MIXED).tolist() == [[1.5, 0.5], [0.0, 0.0]]
    assert rewards_PG(unjudged).isnan().tolist() == [[False, True]]
    # (r - 1) / (0.70711 + 1e-4), and none for a dead group.
    assert plain_advantages(MIXED, "std")[0] == pytest.approx([0.70701, -0.70701], abs=1e-5)
    assert plain_advantages(MIXED, "none") == [[0.5, -0.5], [0.0, 0.0]]
    assert plain_advantages(unjudged, "std") == [[0.0, 0.0]]


def test_what_rewards_logged_is_a_metric_and_hides_none_of_ours() -> None:
    logged = Rollout(3, MIXED.groups, {"style/words": 12.5, "reward": 99.0})
    metrics = rollout_metrics(logged)
    assert metrics["style/words"] == 12.5
    assert metrics["reward"] == pytest.approx(0.5)
