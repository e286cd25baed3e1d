"""Packed rows: several sequences in one, and every number as if each had a row of its own.

With them the losses beside the objective, each against a plain forward of one sequence at a
time.
"""

from collections.abc import Callable

import pytest
import tiny_moe
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from small_policies import CPU, MODELS, llama, policy, sequences
from test_model_mtp import draft
from torch import Tensor

from grpo.objective import ObjectiveBatch, SftObjective, mean_stats
from grpo.recipe.sections import Optimizer
from grpo.train.batches import into_rows
from grpo.train.policy import Policy, score
from grpo.train.sequences import Sequences
from grpo.train.side import SideLosses
from grpo.train.update import Update, update

ROWS = sequences(9, seed=4)
PACKED = Sequences(ROWS.prompts, ROWS.completions, packing=40)
TRIO = Sequences([(5, 6), (7,), (8, 9, 10)], [(1, 2, 3), (4,), (5, 6)], packing=7)
LAMBDA, ALPHA, ALPHA_V2 = 0.3, 0.05, 0.02


def trained(model: tiny_moe.DeepseekV3ForCausalLM, detach: bool = False) -> Policy:
    """The mixture with its MTP layers and all side losses."""
    side = SideLosses(LAMBDA, ALPHA, detach, ALPHA_V2)
    return Policy(model, Accelerator(cpu=True), Optimizer(lr=1e-3), draft(model), side)


def deep() -> tiny_moe.DeepseekV3ForCausalLM:
    return tiny_moe.model(num_nextn_predict_layers=2)


def lesson(rows: Sequences) -> ObjectiveBatch:
    mask_BT, objective = rows.mask_BT, SftObjective()
    weights_BT = objective.weights(
        mask_BT, total_sequences=len(rows), total_tokens=float(mask_BT.sum())
    )
    return ObjectiveBatch(mask_BT, weights_BT)


def step(
    held: Policy, rows: Sequences, budget: int, max_norm: float = 1e9
) -> tuple[Update, dict[str, Tensor]]:
    """The update, and the gradient that AdamW was given."""
    gradient: dict[str, Tensor] = {}

    def note(*_: object) -> None:
        named = held.module.named_parameters()
        gradient.update({name: p.grad.clone() for name, p in named if p.grad is not None})

    hook = held.optimizer.optimizer.register_step_pre_hook(note)
    done = update(
        held, rows, lesson(rows), SftObjective(),
        temperature=1.0, budget=budget, max_grad_norm=max_norm, hits=True,
    )  # fmt: skip
    hook.remove()
    return done, gradient


def test_sequences_go_to_the_first_row_with_room_longest_first() -> None:
    # 6 and 4 make 10; 5 and 3 have 2 left, where 2 fits; 12 is longer than any row.
    assert into_rows([3, 6, 5, 2, 12, 4], 10) == [[4], [1, 5], [2, 0, 3]]
    assert into_rows([4, 4, 9], 0) == [[2], [0], [1]]


def test_a_packed_row_by_hand() -> None:
    assert TRIO.microbatches(14) == [[[0, 1], [2]]]
    inputs = TRIO.inputs([[0, 1], [2]], CPU)
    assert inputs.ids_RS.tolist() == [[5, 6, 1, 2, 3, 7, 4], [8, 9, 10, 5, 6, 0, 0]]
    assert inputs.real_RS.tolist() == [[True] * 7, [True] * 5 + [False] * 2]
    assert inputs.positions_RS is not None
    assert inputs.positions_RS.tolist() == [[0, 1, 2, 3, 4, 0, 1], [0, 1, 2, 3, 4, 0, 0]]
    assert inputs.lengths == (5, 2, 5)
    assert inputs.row_B.tolist() == [0, 0, 1]
    assert inputs.first_B.tolist() == [2, 6, 3]
    assert inputs.targets_BT.tolist() == [[1, 2, 3], [4, 0, 0], [5, 6, 0]]
    assert inputs.ahead_RS(1).tolist() == [[6, 1, 2, 3, 0, 4, 0], [9, 10, 5, 6, 0, 0, 8]]
    assert inputs.ahead_RS(2).tolist() == [[1, 2, 3, 0, 0, 0, 0], [10, 5, 6, 0, 0, 8, 9]]
    # The second is shorter than three, and what stands before it stays.
    assert inputs.ahead_RS(3).tolist() == [[2, 3, 0, 0, 0, 0, 0], [5, 6, 0, 0, 0, 9, 10]]
    # The second's one completion token has one token before it, so no MTP state reaches it.
    assert inputs.reached_BT(1).tolist() == [[True] * 3, [False] * 3, [True, True, False]]
    assert inputs.reached_BT(2).tolist() == [[False, True, True], [False] * 3, [True, True, False]]


@pytest.mark.parametrize("name", MODELS)
def test_packed_scores_are_those_of_each_alone(name: str) -> None:
    held = policy(MODELS[name]())
    assert max(len(row) for group in PACKED.microbatches(80) for row in group) >= 3
    plain, packed = (
        score(held.module, rows, temperature=0.8, budget=80, device=CPU) for rows in (ROWS, PACKED)
    )
    torch.testing.assert_close(packed, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_a_neighbour_in_the_row_changes_nothing(name: str) -> None:
    """Whatever stands before a sequence, its log-probabilities stay."""
    held = policy(MODELS[name]())
    scores = [
        score(
            held.module, Sequences([one, (7, 8, 9)], [(20, 21, 22, 23), (10, 11)], packing=99),
            temperature=1.0, budget=99, device=CPU,
        )[1]
        for one in ((5, 6), (200, 100))
    ]  # fmt: skip
    torch.testing.assert_close(*scores, atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", [tiny_moe.model, deep])
def test_packing_changes_neither_losses_nor_gradients(
    model: Callable[[], tiny_moe.DeepseekV3ForCausalLM],
) -> None:
    whole, gradient = step(trained(model()), ROWS, 10_000)
    for rows, budget in ((PACKED, 10_000), (PACKED, 40), (ROWS, 60), (ROWS, 1)):
        done, its_gradient = step(trained(model()), rows, budget)
        assert done.loss == pytest.approx(whole.loss, abs=1e-5)
        assert done.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
        assert its_gradient.keys() == gradient.keys()
        for key, expected in gradient.items():
            torch.testing.assert_close(its_gradient[key], expected, atol=1e-5, rtol=1e-4)
        assert mean_stats(done.stats) == pytest.approx(mean_stats(whole.stats), abs=1e-5)


def test_packing_changes_nothing_for_a_dense_model() -> None:
    whole, gradient = step(policy(llama()), ROWS, 10_000)
    done, its_gradient = step(policy(llama()), PACKED, 40)
    assert done.loss == pytest.approx(whole.loss, abs=1e-5)
    for key, expected in gradient.items():
        torch.testing.assert_close(its_gradient[key], expected, atol=1e-5, rtol=1e-4)
    assert set(mean_stats(done.stats)) == {"nll", "entropy", "mean_token_accuracy"}


def test_each_real_token_is_counted_once_however_it_is_packed() -> None:
    for rows in (ROWS, PACKED):
        held = trained(tiny_moe.model())
        done, _ = step(held, rows, 60)
        assert done.load_LE is not None
        # Prompt and completion, two experts a token, in two layers of the model and one of MTP.
        assert done.load_LE.sum(1).tolist() == [2.0 * sum(ROWS.lengths)] * 3


def test_detached_the_policy_s_step_is_as_if_there_were_no_mtp_loss() -> None:
    """Its gradient, bit for bit, and what clipping makes of it; the layers learn all the same."""
    model = deep()
    alone = Policy(model, Accelerator(cpu=True), Optimizer(lr=1e-3), draft(model), SideLosses())
    beside, joint = (
        Policy(one, Accelerator(cpu=True), Optimizer(lr=1e-3), draft(one), SideLosses(0.3, 0.0, d))
        for one, d in ((deep(), True), (deep(), False))
    )
    for max_norm in (1e9, 1e-2):
        done, gradient = step(alone, ROWS, 60, max_norm)
        its, its_gradient = step(beside, ROWS, 60, max_norm)
        assert its.grad_norm == done.grad_norm
        own = {name for name in its_gradient if name.startswith("mtp.")}
        assert own and its_gradient.keys() - own == gradient.keys()
        assert all(torch.equal(its_gradient[name], gradient[name]) for name in gradient)
        assert all(its_gradient[name].any() for name in own if name.endswith("eh_proj.weight"))
        assert done.loss < its.loss and mean_stats(its.stats)["mtp_loss"] > 1
        _, other = step(joint, ROWS, 60, max_norm)
        assert not all(torch.equal(other[name], gradient[name]) for name in gradient)


def test_deeper_layers_are_told_apart_and_their_losses_averaged() -> None:
    model = deep()
    held = Policy(
        model, Accelerator(cpu=True), Optimizer(lr=1e-3), draft(model), SideLosses(LAMBDA)
    )
    assert held.mtp is not None
    sums, counts = [0.0, 0.0], [0, 0]
    for prompt, completion in zip(ROWS.prompts, ROWS.completions, strict=True):
        ids = torch.tensor([[*prompt, *completion]])
        ahead = [
            torch.tensor([[*ids[0, k:].tolist(), *[0] * k]])[:, : ids.shape[1]] for k in (1, 2)
        ]
        with torch.no_grad():
            hidden = model.model(ids, use_cache=False).last_hidden_state
            states = held.mtp(model, hidden, ahead)
        for k in (1, 2):
            first = max(len(prompt), k + 1)
            nats = _surprise(model, states[k - 1][0, first - k - 1 : -k - 1], ids[0, first:])
            sums[k - 1] += float(nats.sum())
            counts[k - 1] += len(nats)
    done, _ = step(held, PACKED, 40)
    means = mean_stats(done.stats)
    for k in (1, 2):
        assert means[f"mtp_loss/{k}"] == pytest.approx(sums[k - 1] / counts[k - 1], abs=1e-5)
    assert means["mtp_loss"] == pytest.approx(sum(sums) / sum(counts), abs=1e-5)
    # lambda / D x the sum over depths, a token's weight being 1 / all completion tokens.
    expected = means["nll"] + LAMBDA / 2 * sum(sums) / sum(map(len, ROWS.completions))
    assert done.loss == pytest.approx(expected, abs=2e-5)


def test_the_losses_are_those_of_each_sequence_alone() -> None:
    model = tiny_moe.model()
    held = trained(model)
    assert held.mtp is not None
    near, far, balance, balance_v2 = [], [], [], []
    for prompt, completion in zip(ROWS.prompts, ROWS.completions, strict=True):
        ids = torch.tensor([[*prompt, *completion]])
        following = torch.tensor([[*prompt[1:], *completion, 0]])
        with torch.no_grad(), held.watch.watching(torch.ones_like(ids, dtype=torch.bool)):
            hidden = model.model(ids, use_cache=False).last_hidden_state
            (further,) = held.mtp(model, hidden, [following])
        balance.append(float(held.watch.balance))
        balance_v2.append(float(held.watch.expert_balance))
        first = len(prompt)
        near.append(_surprise(model, hidden[0, first - 1 : -1], ids[0, first:]))
        reached = max(first, 2)
        far.append(_surprise(model, further[0, reached - 2 : -2], ids[0, reached:]))
    held.watch.reset()
    done, _ = step(held, PACKED, 40)
    means = mean_stats(done.stats)
    assert means["nll"] == pytest.approx(float(torch.cat(near).mean()), abs=1e-5)
    assert means["mtp_loss"] == pytest.approx(float(torch.cat(far).mean()), abs=1e-5)
    assert means["balance_loss"] == pytest.approx(sum(balance) / 9, abs=1e-5)
    assert means["expert_balance_loss"] == pytest.approx(sum(balance_v2) / 9, abs=1e-5)
    # Every token has the weight 1 / all completion tokens, in the MTP loss too: V3's 1 / T.
    tokens = sum(map(len, ROWS.completions))
    expected = means["nll"] + LAMBDA * float(torch.cat(far).sum()) / tokens
    expected += ALPHA * means["balance_loss"] + ALPHA_V2 * means["expert_balance_loss"]
    assert done.loss == pytest.approx(expected, abs=2e-5)


def _surprise(model: tiny_moe.DeepseekV3ForCausalLM, hidden_TD: Tensor, ids_T: Tensor) -> Tensor:
    with torch.no_grad():
        return F.cross_entropy(model.lm_head(hidden_TD), ids_T, reduction="none")
