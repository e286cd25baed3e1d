"""From a rollout to a lesson: who is taught, what each token weighs, who takes which part."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_moe
import torch
from accelerate import Accelerator
from small_policies import CPU, llama, plain_logprobs, policy, sequences
from test_model_replay import own
from torch import Tensor
from transformers import PreTrainedModel

from grpo.errors import UserError
from grpo.learning.lesson import Lesson, Teacher, objective_of
from grpo.objective import group_advantages
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Objective, Optimizer, Sampling
from grpo.recipe.stages import Rl
from grpo.train.policy import Policy, Reference
from grpo.train.sequences import Sequences
from grpo.types import Completion, Group, Judgement, Rollout, Routing
from grpo_data.problem import Problem

G = 4


def stage(**knobs: Any) -> Rl:
    objective = Objective(**knobs.pop("objective", {}))
    sampling = Sampling(temperature=knobs.pop("temperature", 1.0), max_tokens=12)
    return Rl(
        name="zero", kind="rl", steps=9, group_size=G, objective=objective, sampling=sampling,
        **{"minibatches": 2, "tokens_per_microbatch": 64, **knobs},
    )  # fmt: skip


RECIPE = Recipe.model_validate(
    {"name": "r", "model": {"path": "m"}, "data": {"path": "tiny:all"}, "stages": [stage()]}
)


def rollout(*rewards: tuple[float | None, ...], step: int = 3) -> Rollout:
    """A group for each tuple of rewards, the sampler's log-probs all -1."""
    drawn = sequences(len(rewards) * G, seed=6)
    groups = []
    for n, group in enumerate(rewards):
        mine = drawn.completions[n * G : (n + 1) * G]
        completions = tuple(Completion("", tuple(c), (-1.0,) * len(c), "stop") for c in mine)
        judgements = tuple(Judgement(r, {"accuracy": r}, {}) for r in group)
        prompt = tuple(drawn.prompts[n])
        groups.append(Group(Problem(f"p{n}", "?", "7", "k"), "?", prompt, completions, judgements))
    return Rollout(step, tuple(groups))


def everything(rolled: Rollout) -> Sequences:
    """All completions in the rollout's order."""
    return Sequences(
        [g.prompt_ids for g in rolled.groups for _ in g.completions],
        [c.token_ids for g in rolled.groups for c in g.completions],
    )


def place(lesson: Lesson, rolled: Rollout, row: int) -> int:
    """Where the lesson's row stands in the rollout."""
    both = zip(everything(rolled).prompts, everything(rolled).completions, strict=True)
    mine = (lesson.sequences.prompts[row], lesson.sequences.completions[row])
    return list(both).index(mine)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def held() -> Policy:
    return policy(llama())


LIVE, OTHER, DEAD, ZERO = (1.0, 0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.5), (1.0,) * 4, (0.0,) * 4


def taught(
    held: Policy, rolled: Rollout, reference: Reference | None = None, **knobs: Any
) -> Lesson:
    lesson = Teacher(stage(**knobs), held, reference, RECIPE).lesson(rolled)
    assert lesson is not None
    return lesson


def test_dead_groups_are_not_taught(held: Policy) -> None:
    rolled = rollout(LIVE, DEAD, OTHER, ZERO)
    lesson = taught(held, rolled)
    assert len(lesson.sequences) == len(lesson.batch.mask_BT) == 8
    places = [place(lesson, rolled, row) for row in range(8)]
    assert sorted(places) == [0, 1, 2, 3, 8, 9, 10, 11]


def test_nothing_alive_is_no_lesson(held: Policy) -> None:
    assert Teacher(stage(), held, None, RECIPE).lesson(rollout(DEAD, ZERO)) is None
    assert Teacher(stage(), held, None, RECIPE).lesson(rollout((1.0, None, None, None))) is None


@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        # 16 completions in 2 minibatches: 8 sequences each, dead ones among them.
        ("grpo", lambda length, total: 1 / (8 * length)),
        ("dapo", lambda length, total: 2 / total),
        ("dr_grpo", lambda length, total: 1 / (8 * 12)),  # max_tokens is 12
    ],
)
def test_dead_groups_still_count_in_the_denominators(held: Policy, loss: str, weight: Any) -> None:
    rolled = rollout(LIVE, DEAD, OTHER, ZERO)
    lesson = taught(held, rolled, objective={"loss": loss})
    total = sum(map(len, everything(rolled).completions))
    for row, completion in enumerate(lesson.sequences.completions):
        expected = torch.zeros(lesson.batch.mask_BT.shape[1])
        expected[: len(completion)] = weight(len(completion), total)
        torch.testing.assert_close(lesson.batch.weights_BT[row], expected)


@pytest.mark.parametrize("loss", ["grpo", "dapo", "dr_grpo"])
def test_what_was_drawn_and_not_used_counts_nowhere(held: Policy, loss: str) -> None:
    """Of four groups drawn two are live: with others in place of the dead ones, or with nothing."""
    alive = rollout(LIVE, DEAD, OTHER, ZERO)
    used = replace(alive, groups=(alive.groups[0], alive.groups[2]))
    lesson = taught(held, used, minibatches=1, objective={"loss": loss})
    lengths = [len(completion) for completion in lesson.sequences.completions]
    # 8 completions: 1 / (8 |o|) a token; 1 / all their tokens; 1 / (8 * 12).
    for weights, length in zip(lesson.batch.weights_BT, lengths, strict=True):
        by_hand = {"grpo": 1 / (8 * length), "dapo": 1 / sum(lengths), "dr_grpo": 1 / 96}
        expected = torch.zeros(len(weights))
        expected[:length] = by_hand[loss]
        torch.testing.assert_close(weights, expected)
    assert Teacher(stage(), held, None, RECIPE).lesson(Rollout(3, ())) is None


def banked(rolled: Rollout, *numbers: int) -> Rollout:
    """The rollout with some of its groups drawn by the step before."""
    groups = enumerate(rolled.groups)
    return replace(
        rolled,
        groups=tuple(replace(g, drawn=rolled.step - 1) if n in numbers else g for n, g in groups),
    )


@torch.no_grad()
@pytest.mark.parametrize("minibatches", [1, 2])
def test_a_banked_group_has_the_log_probs_it_was_drawn_with(held: Policy, minibatches: int) -> None:
    rolled = banked(rollout(OTHER, LIVE), 1)
    lesson = taught(held, rolled, minibatches=minibatches)
    assert lesson.batch.old_logprobs_BT is not None
    present = plain_logprobs(held.model, lesson.sequences)[0]
    for row, old in enumerate(lesson.batch.old_logprobs_BT):
        length = len(lesson.sequences.completions[row])
        if place(lesson, rolled, row) >= G:
            assert old[:length].tolist() == [-1.0] * length  # the sampler's
        elif minibatches == 1:
            assert old.isnan().all()  # whoever learns has drawn it
        else:
            torch.testing.assert_close(old[:length], present[row], atol=2e-5, rtol=0)


@torch.no_grad()
def test_with_a_correction_a_banked_group_is_weighed_by_its_ratio(held: Policy) -> None:
    knobs = {"correction": "truncate", "correction_cap": 1.5}
    fresh = taught(held, rollout(LIVE, OTHER), minibatches=1, objective=knobs)
    lesson = taught(held, banked(rollout(LIVE, OTHER), 0), minibatches=1, objective=knobs)
    ours = plain_logprobs(held.model, lesson.sequences)[0]
    # The old policy is the present one; drawn at -1 a token, the ratio is exp(ours + 1), cut.
    close(lesson.batch.old_logprobs_BT, ours)
    close(lesson.batch.correction_BT, [(row + 1).exp().clamp(max=1.5) for row in ours])
    assert lesson.batch.old_logprobs_BT is not None and fresh.batch.old_logprobs_BT is not None
    assert lesson.batch.old_logprobs_BT.equal(fresh.batch.old_logprobs_BT)


def test_advantages_are_the_groups_own(held: Policy) -> None:
    rolled = rollout(LIVE, DEAD, OTHER)
    lesson = taught(held, rolled)
    expected = group_advantages(torch.tensor([LIVE, DEAD, OTHER]), scale="std").flatten()
    for row, advantage in enumerate(lesson.batch.advantages_B.tolist()):
        assert advantage == pytest.approx(float(expected[place(lesson, rolled, row)]))
    # By hand for the first: mean 1/4, spread 1/2, so (3/4) / (1/2 + 1e-4) for the right one.
    assert float(expected[0]) == pytest.approx(0.75 / 0.5001)


@pytest.mark.parametrize("minibatches", [1, 2, 3, 5])
def test_minibatches_take_each_live_row_once(held: Policy, minibatches: int) -> None:
    lesson = taught(held, rollout(LIVE, DEAD, OTHER, LIVE), minibatches=minibatches)
    assert len(lesson.minibatches) == minibatches
    assert sorted(row for part in lesson.minibatches for row in part) == list(range(12))
    sizes = [len(part) for part in lesson.minibatches]
    assert max(sizes) - min(sizes) <= 1


def test_more_minibatches_than_rows_leave_none_empty(held: Policy) -> None:
    lesson = taught(held, rollout(LIVE), minibatches=9)
    assert [len(part) for part in lesson.minibatches] == [1] * 4


def split(world: int, minibatches: int, live: int, step: int = 3) -> list[list[list[int]]]:
    """[process][minibatch] rows: what each of `world` processes takes."""

    def teacher(rank: int) -> Teacher:
        place = SimpleNamespace(process_index=rank, num_processes=world)
        anybody: Any = SimpleNamespace(accelerator=place)
        return Teacher(stage(minibatches=minibatches), anybody, None, RECIPE)

    shares = [teacher(rank)._split(list(range(live)), step) for rank in range(world)]
    return [[share.rows if share.counts else [] for share in one] for one in shares]


@pytest.mark.parametrize("world", [2, 3])
def test_the_split_does_not_depend_on_the_process_count(world: int) -> None:
    (alone,) = split(1, 4, 26)
    shares = split(world, 4, 26)
    for number, minibatch in enumerate(alone):
        parts = [share[number] for share in shares]
        assert sorted(row for part in parts for row in part) == sorted(minibatch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_row_borrowed_to_keep_a_process_busy_counts_for_nothing(held: Policy) -> None:
    """4 rows in 9 minibatches on 2 processes: each minibatch has one row, the first process's."""

    def share(rank: int) -> Lesson:
        place = SimpleNamespace(process_index=rank, num_processes=2, device=torch.device("cpu"))
        member: Any = SimpleNamespace(
            accelerator=place, module=held.module, routing_difference=held.routing_difference
        )
        lesson = Teacher(stage(minibatches=9), member, None, RECIPE).lesson(rollout(LIVE))
        assert lesson is not None
        return lesson

    first, second = share(0), share(1)
    assert first.minibatches == second.minibatches
    assert first.batch.weights_BT.any()
    assert not second.batch.mask_BT.any() and not second.batch.weights_BT.any()


def test_every_step_is_dealt_anew_and_the_same_each_time() -> None:
    assert split(1, 4, 26) == split(1, 4, 26)
    assert split(1, 4, 26) != split(1, 4, 26, step=4)


def close(rows_BT: Tensor | None, expected: list[Tensor]) -> None:
    assert rows_BT is not None
    for row, values in zip(rows_BT, expected, strict=True):
        torch.testing.assert_close(row[: len(values)], values, atol=2e-5, rtol=0)


@torch.no_grad()
def test_old_and_reference_log_probs_are_at_the_sampling_temperature(held: Policy) -> None:
    reference = Reference(llama(seed=1), held.accelerator)
    lesson = taught(held, rollout(LIVE, OTHER), reference, temperature=0.6)
    close(lesson.batch.old_logprobs_BT, plain_logprobs(held.model, lesson.sequences, 0.6)[0])
    theirs = plain_logprobs(llama(seed=1), lesson.sequences, 0.6)[0]
    close(lesson.batch.ref_logprobs_BT, theirs)


def test_without_a_reference_there_are_none(held: Policy) -> None:
    assert taught(held, rollout(LIVE)).batch.ref_logprobs_BT is None


def test_one_update_a_rollout_needs_no_old_log_probs(held: Policy) -> None:
    assert taught(held, rollout(LIVE), minibatches=1).batch.old_logprobs_BT is None
    assert taught(held, rollout(LIVE), minibatches=1, epochs=2).batch.old_logprobs_BT is not None
    corrected = taught(held, rollout(LIVE), minibatches=1, objective={"correction": "truncate"})
    assert corrected.batch.old_logprobs_BT is not None


@torch.no_grad()
def test_the_correction_compares_trainer_and_sampler(held: Policy) -> None:
    knobs = {"correction": "truncate", "correction_cap": 1.5}
    lesson = taught(held, rollout(LIVE, OTHER), objective=knobs)
    ours = plain_logprobs(held.model, lesson.sequences)[0]
    # The sampler said -1 everywhere: the ratio is exp(ours + 1), cut at 1.5.
    close(lesson.batch.correction_BT, [(row + 1).exp().clamp(max=1.5) for row in ours])
    gaps = torch.cat(ours) + 1
    name = "sampling/sampling_logp_difference/mean"
    assert lesson.metrics[name] == pytest.approx(float(gaps.abs().mean()), abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_a_kl_in_the_reward_is_taken_off_before_the_advantages(held: Policy, kind: str) -> None:
    reference = Reference(llama(seed=1), held.accelerator)
    rolled = rollout(LIVE, DEAD)
    knobs = {"kl_in": "reward", "kl": kind, "beta": 0.02}
    lesson = taught(held, rolled, reference, objective=knobs)
    ours = plain_logprobs(held.model, everything(rolled))[0]
    theirs = plain_logprobs(llama(seed=1), everything(rolled))[0]
    gaps = [b - a for a, b in zip(ours, theirs, strict=True)]  # log(ref / pi)
    kl = [-gap if kind == "k1" else gap.exp() - gap - 1 for gap in gaps]
    shaped = torch.tensor([LIVE, DEAD]) - 0.02 * torch.stack([k.sum() for k in kl]).view(2, G)
    expected = group_advantages(shaped, scale="std").flatten()
    # The KL tells apart what the reward alone did not: all eight completions live.
    assert len(lesson.sequences) == 8
    for row, advantage in enumerate(lesson.batch.advantages_B.tolist()):
        assert advantage == pytest.approx(float(expected[place(lesson, rolled, row)]), abs=1e-3)


def test_a_kl_in_the_reward_leaves_the_loss() -> None:
    assert objective_of(stage(objective={"beta": 0.3, "kl_in": "loss"})).beta == 0.3
    assert objective_of(stage(objective={"beta": 0.3, "kl_in": "reward"})).beta == 0.0


def test_every_knob_of_the_loss_reaches_it() -> None:
    knobs = {
        "loss": "dapo",
        "clip_low": 0.1,
        "clip_high": 0.3,
        "dual": 4.0,
        "beta": 0.2,
        "kl": "k2",
        "use_bias_correction_kl": True,
        "entropy_coef": 0.05,
    }
    objective = objective_of(stage(objective=knobs))
    found = {
        **{name: getattr(objective, name) for name in knobs if name != "use_bias_correction_kl"},
        "use_bias_correction_kl": objective.kl_bias_correction,
    }
    assert found == knobs
    assert objective.max_completion_length == 12


def test_scoring_runs_where_the_policy_is(held: Policy) -> None:
    lesson = taught(held, rollout(LIVE))
    assert lesson.batch.mask_BT.device == held.accelerator.device == CPU


def with_experts(rolled: Rollout, model: PreTrainedModel, moved: int = 0) -> Rollout:
    """The rollout with the choice of `model`'s own routers, but for the first `moved` tokens of
    each sequence, which take the next experts in both layers."""

    def told(prompt: tuple[int, ...], completion: Completion) -> Completion:
        sequence = Sequences([prompt], [completion.token_ids])
        ids_TLK = own(model, sequence)[0].numpy().astype("uint8")
        ids_TLK[:moved] = (ids_TLK[:moved] + 1) % 8
        return replace(completion, routing=Routing.of(ids_TLK))

    groups = tuple(
        replace(g, completions=tuple(told(g.prompt_ids, c) for c in g.completions))
        for g in rolled.groups
    )
    return replace(rolled, groups=groups)


@pytest.mark.parametrize("replay", [False, True])
def test_a_lesson_says_how_many_tokens_were_routed_elsewhere(replay: bool) -> None:
    model = tiny_moe.model()
    held = Policy(model, Accelerator(cpu=True), Optimizer(), router_replay=replay)
    rolled = with_experts(rollout(LIVE, DEAD), model, moved=1)
    lesson = taught(held, rolled, router_replay=replay)
    # Four live sequences, of each of which the first token takes other experts in both layers; the
    # last is read by nobody.
    share = 4 / sum(n - 1 for n in everything(rolled).lengths[:4])
    found = {
        name.removeprefix("sampling/routing_difference"): value
        for name, value in lesson.metrics.items()
        if "routing_difference" in name
    }
    assert found.keys() == {"", "/layer_1", "/layer_2"}
    assert found["/layer_1"] == pytest.approx(share)
    # Followed, other states reach layer 2, whose router then has its own mind about later tokens.
    assert (found[""] == pytest.approx(share)) != replay
    assert found["/layer_2"] == pytest.approx(share) or replay
    assert held.routing_difference() == {}


def test_old_log_probs_are_those_of_the_given_experts() -> None:
    model = tiny_moe.model()
    rolled = rollout(LIVE)
    old = {}
    for moved, replay in ((0, False), (0, True), (4, False), (4, True)):
        held = Policy(model, Accelerator(cpu=True), Optimizer(), router_replay=replay)
        lesson = taught(held, with_experts(rolled, model, moved), router_replay=replay)
        old[moved, replay] = lesson.batch.old_logprobs_BT
    assert torch.equal(old[0, True], old[0, False])
    assert torch.equal(old[4, False], old[0, False])
    assert (old[4, True] - old[0, True]).abs().max() > 1e-3


def test_a_replay_without_a_choice_is_refused(held: Policy) -> None:
    with pytest.raises(UserError, match="4 of 4 completions come without the sampler's choice"):
        taught(held, rollout(LIVE), router_replay=True)
    assert "sampling/routing_difference" not in taught(held, rollout(LIVE)).metrics
