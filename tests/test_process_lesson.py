"""Rewards for steps: what a group teaches, by hand-made sums."""

from typing import Any

import pytest
import torch
from process_groups import BY_STEPS, DEAD, DRAWN, LIVE, MINE, group
from small_policies import llama, policy

from grpo.errors import UserError
from grpo.learning.draws import _live
from grpo.learning.lesson import Lesson, Teacher
from grpo.objective import group_advantages
from grpo.recipe.rules import check_semantics
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Sampling
from grpo.recipe.stages import Rl
from grpo.train.policy import Policy, Reference
from grpo.types import Group, Judgement, Rollout

HELD = Sampling(max_tokens=12)
BY_OUTCOME = group((1.0, ((2, 1.0),)), (0.0, ((1, 1.0),)))


def recipe(rl: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    stage = {
        "kind": "rl", "name": "zero", "steps": 9, "prompts": 4, "group_size": 2, "sampling": HELD,
        "objective": {"process": MINE}, "tokens_per_microbatch": 64, **(rl or {}),
    }  # fmt: skip
    base = {"name": "r", "model": {"path": "m"}, "data": {"path": "tiny:all"}}
    rewards = {"accuracy": 1.0, MINE: 0.5}
    return Recipe.model_validate({**base, "rewards": rewards, "stages": [stage], **sections})


@pytest.fixture(scope="module")
def held() -> Policy:
    return policy(llama())


def lesson(
    held: Policy, plan: Recipe, *groups: Group, reference: Reference | None = None
) -> Lesson | None:
    (stage,) = plan.stages
    assert isinstance(stage, Rl)
    return Teacher(stage, held, reference, plan).lesson(Rollout(3, groups))


def taught(held: Policy, plan: Recipe, *groups: Group, **more: Any) -> list[list[float]]:
    """The advantages of each live completion's tokens, the longest completions first."""
    found = lesson(held, plan, *groups, **more)
    assert found is not None
    rows = zip(found.sequences.completions, found.batch.advantages_B.tolist(), strict=True)
    return [row[: len(ids)] for ids, row in sorted(rows, key=lambda one: -len(one[0]))]


def test_steps_and_outcomes_are_added_the_steps_by_their_weight(held: Policy) -> None:
    # Outcomes 1 and 0: +-0.5 / (0.70711 + 1e-4) = +-0.70701.
    # Steps as RAGGED of test_process_advantages.py, eps 1e-4: 0.57725 and -1.15450, -0.57725
    # together; weight 0.5.
    right, wrong = taught(held, recipe(), LIVE)
    expected = [0.70701 - 0.28863] * 3 + [0.70701 - 0.57725] * 2 + [0.70701]
    assert right == pytest.approx(expected, abs=2e-5)
    assert wrong == pytest.approx([-0.70701 + 0.28863] * 2 + [-0.70701], abs=2e-5)


def test_steps_alone_are_deepseekmath_s(held: Policy) -> None:
    found = taught(held, recipe({"rewards": {MINE: 1.0}}), group_without_accuracy(LIVE))
    expected = [-0.57725] * 3 + [-1.15450] * 2 + [0.0]
    assert found[0] == pytest.approx(expected, abs=2e-5)
    assert found[1] == pytest.approx([0.57725] * 2 + [0.0], abs=2e-5)


def group_without_accuracy(given: Group) -> Group:
    judgements = tuple(Judgement(0.5, {MINE: 0.5}, {}, {}, j.steps) for j in given.judgements)
    return Group(given.problem, "?", given.prompt_ids, given.completions, judgements)


def test_a_group_lives_by_its_outcomes_or_by_its_steps(held: Policy) -> None:
    assert len(taught(held, recipe(), BY_STEPS, DEAD)) == 2
    assert len(taught(held, recipe(), BY_OUTCOME, DEAD)) == 2
    assert len(taught(held, recipe(), BY_STEPS, BY_OUTCOME)) == 4
    # The means of DEAD's steps differ (1 and 0), and so would the sums of all rewards.
    assert lesson(held, recipe(), DEAD) is None


def test_the_bank_keeps_what_the_lesson_would_teach() -> None:
    plan = recipe()
    (stage,) = plan.stages
    assert isinstance(stage, Rl)
    groups = (LIVE, DEAD, BY_STEPS, BY_OUTCOME)
    assert _live(stage, plan)(Rollout(3, groups)) == [True, False, True, True]
    # where steps do not count, the sums of all rewards do: here one and the same
    outcomes = recipe({"objective": {}}).stages[0]
    assert isinstance(outcomes, Rl)
    assert _live(outcomes, plan)(Rollout(3, groups)) == [False] * 4


def test_a_group_of_equal_outcomes_has_the_steps_share_alone(held: Policy) -> None:
    # R = {1, 0}: mean 1/2, std 0.70711: +-0.70701, together 0; weight 0.5.
    stepped, bare = taught(held, recipe(), BY_STEPS)
    assert stepped == pytest.approx([0.0] * 3 + [-0.35350] * 2 + [0.0], abs=2e-5)
    assert bare == [0.0] * 3


def test_dead_groups_count_in_the_denominators_as_ever(held: Policy) -> None:
    found = lesson(held, recipe(), LIVE, DEAD)
    assert found is not None
    # Four completions: a token of 6 weighs 1 / (4 * 6), a token of 3 weighs 1 / (4 * 3).
    assert sorted({round(w, 6) for w in found.batch.weights_BT.flatten().tolist()}) == [
        0.0, round(1 / 24, 6), round(1 / 12, 6),
    ]  # fmt: skip


def test_what_nobody_judged_has_no_outcome_and_what_failed_no_steps(held: Policy) -> None:
    other = group((None, ((2, 1.0), (4, 0.0))), (1.0, None))
    # One known outcome in the group is dead, so the steps alone: +-0.70701 * 0.5.
    first, second = taught(held, recipe(), other)
    assert first == pytest.approx([0.0] * 3 + [-0.35350] * 2 + [0.0], abs=2e-5)
    assert second == [0.0] * 3


def test_a_kl_in_the_reward_goes_into_the_outcome_alone(held: Policy) -> None:
    knobs = {"process": MINE, "kl_in": "reward", "beta": 0.02}
    reference = Reference(llama(seed=1), held.accelerator)
    shaped = lesson(held, recipe({"objective": knobs}), LIVE, reference=reference)
    plain = lesson(held, recipe(), LIVE)
    assert shaped is not None and plain is not None
    gap_BT = shaped.batch.advantages_B - plain.batch.advantages_B
    assert gap_BT.abs().max() > 1e-4
    torch.testing.assert_close(gap_BT, gap_BT[:, :1].expand_as(gap_BT), atol=1e-6, rtol=0)


def test_each_domain_has_its_own_weight(held: Policy) -> None:
    paid = {"accuracy": 1.0, MINE: 2.0}
    domains = {"reasoning": {"rewards": paid}, "general": {"rewards": {"accuracy": 1.0}}}
    plan = recipe({"domains": domains}, rewards={})
    general = group((1.0, None), (0.0, None), domain="general")
    first, other, *_ = taught(held, plan, BY_STEPS, general)
    # The weight is 2 in the one domain, and there are no steps in the other.
    assert sorted([first[3], other[3]]) == pytest.approx([-1.41401, 0.70701], abs=1e-4)


def test_without_the_knob_the_mean_is_paid_as_any_number(held: Policy) -> None:
    judgements = [Judgement(r, {MINE: r}, {}, {}, {MINE: ((1, r),)}) for r in (1.0, 0.0)]
    plain = Group(LIVE.problem, "?", (5, 6), LIVE.completions, tuple(judgements))
    found = lesson(held, recipe({"objective": {}}), plain)
    assert found is not None
    expected = group_advantages(torch.tensor([[1.0, 0.0]]), scale="std").flatten()
    assert sorted(found.batch.advantages_B.tolist()) == sorted(expected.tolist())


def test_a_reward_without_steps_stops_the_run(held: Policy) -> None:
    numbers = tuple(Judgement(1.0, {"accuracy": 1.0, MINE: 1.0}, {}) for _ in DRAWN)
    bad = Group(LIVE.problem, "?", (5, 6), LIVE.completions, numbers)
    with pytest.raises(UserError, match=r"'zero': objective.process is 'mine.py:steps', which giv"):
        lesson(held, recipe(), bad)


@pytest.mark.parametrize(
    ("rl", "sentence"),
    [
        ({"objective": {"process": "mine.py:step"}}, "'mine.py:step', did you mean 'mine.py:st"),
        ({"rewards": {"accuracy": 1}}, "is called 'mine.py:steps'; valid: accuracy"),
        ({"rewards": {"accuracy": 1, MINE: 0}}, "the weight of 'mine.py:steps' is 0"),
        ({"objective": {"process": MINE, "loss": "gspo"}}, "gspo has one ratio a completion"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_before_the_run(rl: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=r"^key 'stages.zero.objective.process': ") as caught:
        check_semantics(recipe(rl))
    assert sentence in str(caught.value)
    check_semantics(recipe())
