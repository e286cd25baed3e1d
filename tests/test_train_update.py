"""One optimizer step: the same whatever the micro-batches, and none at all on a loss of NaN."""

from typing import Any

import pytest
import tiny_moe
import torch
from small_policies import CPU, MODELS, llama, plain_logprobs, policy, sequences
from torch import Tensor

from grpo.model.names import checkpoint_tensors
from grpo.objective import GrpoObjective, PolicyBatch, SftObjective, mean_stats
from grpo.objective.batch import ObjectiveBatch
from grpo.recipe.sections import Optimizer
from grpo.train.distributed import global_means
from grpo.train.optim import build_optimizer
from grpo.train.policy import Policy, score
from grpo.train.sequences import Sequences
from grpo.train.side import SideLosses
from grpo.train.update import NotFinite, Update, update

ROWS = sequences(9, seed=4)
models = pytest.mark.parametrize("name", MODELS)


def rl(**knobs: Any) -> GrpoObjective:
    return GrpoObjective(max_completion_length=12, beta=0.04, entropy_coef=0.01, **knobs)


def lesson(held: Policy, objective: GrpoObjective, rows: Sequences = ROWS) -> PolicyBatch:
    """Advantages of both signs, and old log-probs off enough for some tokens to be clipped."""
    generator = torch.Generator().manual_seed(2)
    mask_BT = rows.mask_BT
    here_BT = score(held.module, rows, temperature=1.0, budget=1000, device=CPU)
    noise_BT = torch.randn(mask_BT.shape, generator=generator)
    weights_BT = objective.weights(
        mask_BT, total_sequences=len(rows), total_tokens=float(mask_BT.sum())
    )
    return PolicyBatch(
        mask_BT,
        weights_BT,
        here_BT + 0.2 * noise_BT,
        torch.randn(len(rows), generator=generator),
        ref_logprobs_BT=here_BT - 0.3 * noise_BT,
    )


def step(
    held: Policy, batch: ObjectiveBatch, objective: Any, budget: int, max_norm: float = 1e9
) -> tuple[Update, dict[str, Tensor]]:
    """The update, and the gradient that AdamW was given."""
    gradient: dict[str, Tensor] = {}

    def note(*_: object) -> None:
        for key, parameter in held.model.named_parameters():
            assert parameter.grad is not None, key
            gradient[key] = parameter.grad.clone()

    hook = held.optimizer.optimizer.register_step_pre_hook(note)
    done = update(
        held, ROWS, batch, objective, temperature=1.0, budget=budget, max_grad_norm=max_norm
    )
    hook.remove()
    return done, gradient


@models
@pytest.mark.parametrize("loss", ["grpo", "dapo", "gspo"])
def test_micro_batches_change_nothing(name: str, loss: str) -> None:
    objective = rl(loss=loss, clip_low=0.02, clip_high=0.02)
    results = []
    for budget in (10_000, 60, 1):  # one micro-batch, several, one a sequence
        held = policy(MODELS[name]())
        results.append(step(held, lesson(held, objective), objective, budget))
    (whole, gradient), *others = results
    assert abs(whole.loss) > 1e-3 and whole.grad_norm > 1e-2
    for other, its_gradient in others:
        assert other.loss == pytest.approx(whole.loss, abs=1e-6)
        assert other.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
        for key, expected in gradient.items():
            torch.testing.assert_close(its_gradient[key], expected, atol=1e-6, rtol=1e-4)
        assert mean_stats(other.stats) == pytest.approx(mean_stats(whole.stats), abs=1e-6)
    assert mean_stats(whole.stats)["clip_ratio/region_mean"] > 0


@models
def test_the_loss_and_its_gradient_are_those_of_a_plain_forward(name: str) -> None:
    model, objective = MODELS[name](), rl()
    held = policy(model)
    batch = lesson(held, objective)
    logprobs, entropies = plain_logprobs(model, ROWS)
    shape = batch.mask_BT.shape
    together = [
        torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) for rows in (logprobs, entropies)
    ]
    assert together[0].shape == shape
    loss, _ = objective(*together, batch)
    loss.backward()
    expected = {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    done, gradient = step(held, batch, objective, budget=80)
    assert done.loss == pytest.approx(loss.item(), abs=1e-6)
    norm = torch.stack([g.norm() for g in expected.values()]).norm().item()
    assert done.grad_norm == pytest.approx(norm, rel=1e-4)
    for key in expected:
        torch.testing.assert_close(gradient[key], expected[key], atol=2e-6, rtol=1e-3)


@models
def test_supervised_learning_goes_through_the_same_update(name: str) -> None:
    model, objective = MODELS[name](), SftObjective()
    held = policy(model, lr=3e-3)
    mask_BT = ROWS.mask_BT
    tokens = float(mask_BT.sum())
    batch = ObjectiveBatch(
        mask_BT, objective.weights(mask_BT, total_sequences=len(ROWS), total_tokens=tokens)
    )
    with torch.no_grad():
        nll = -torch.cat(plain_logprobs(model, ROWS)[0])
    losses = [step(held, batch, objective, budget=50)[0].loss for _ in range(6)]
    # The mean over all tokens, long sequences counting for more.
    assert losses[0] == pytest.approx(nll.mean().item(), abs=1e-5)
    assert losses[-1] < losses[0] - 0.5


@models
@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_what_is_no_number_touches_nothing(name: str, bad: float) -> None:
    held, objective = policy(MODELS[name]()), rl()
    batch = lesson(held, objective)
    step(held, batch, objective, budget=100)
    weights = {key: t.clone() for key, t in held.model.state_dict().items()}
    moments = [t.clone() for s in held.optimizer.state.values() for t in s.values()]
    spoilt = batch.rows(slice(None))
    spoilt.advantages_B[4] = bad
    with pytest.raises(NotFinite, match=r"loss (nan|inf|-inf), gradient norm"):
        step(held, spoilt, objective, budget=100)
    assert all(torch.equal(held.model.state_dict()[key], t) for key, t in weights.items())
    assert all(
        torch.equal(new, old)
        for new, old in zip(
            (t for s in held.optimizer.state.values() for t in s.values()), moments, strict=True
        )
    )
    assert all(parameter.grad is None for parameter in held.model.parameters())


def test_a_long_gradient_is_cut_and_reported_whole() -> None:
    held, objective = policy(llama()), rl()
    batch = lesson(held, objective)
    done, gradient = step(held, batch, objective, budget=100, max_norm=1e-3)
    norm = torch.stack([g.norm() for g in gradient.values()]).norm().item()
    assert done.grad_norm > 1e-2
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_the_step_is_adamw_s() -> None:
    model, objective = llama(), rl()
    held, twin = policy(model, lr=1e-2), llama()
    batch = lesson(held, objective)
    _, gradient = step(held, batch, objective, budget=100)
    optimizer = build_optimizer(twin.parameters(), Optimizer(lr=1e-2))
    for key, parameter in twin.named_parameters():
        parameter.grad = gradient[key]
    optimizer.step()
    for key, tensor in twin.state_dict().items():
        assert torch.equal(model.state_dict()[key], tensor), key


def test_recomputed_activations_change_nothing_for_a_mixture() -> None:
    objective, results = rl(), []
    for checkpointing in (False, True):
        model = tiny_moe.model()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        held = policy(model)
        done, gradient = step(held, lesson(held, objective), objective, budget=100)
        results.append((done.loss, gradient, done.load_LE))
    (loss, gradient, load), (its_loss, its_gradient, its_load) = results
    assert its_loss == loss
    assert all(torch.equal(its_gradient[key], gradient[key]) for key in gradient)
    assert load is not None and its_load is not None and torch.equal(its_load, load)


def test_an_update_counts_the_experts_of_real_tokens_and_scoring_does_not() -> None:
    held, objective = policy(tiny_moe.model()), rl()
    batch = lesson(held, objective)
    assert held.watch.load_LE.count_nonzero() == 0
    for _ in range(2):  # each update by itself
        done, _ = step(held, batch, objective, budget=60)
        assert done.load_LE is not None
        # Prompt and completion, two experts a token, in each of two layers.
        assert done.load_LE.sum(1).tolist() == [2.0 * sum(ROWS.lengths)] * 2
        assert held.watch.load_LE.count_nonzero() == 0


def test_after_the_step_biases_move_against_its_load() -> None:
    held, objective = policy(tiny_moe.model()), rl()
    before = biases(held)
    kept, _ = step(held, lesson(held, objective), objective, budget=60)
    assert kept.load_LE is not None and torch.equal(biases(held), before)
    batch = lesson(held, objective)
    done = update(
        held, ROWS, batch, objective, temperature=1.0, budget=60, max_grad_norm=1.0, bias_speed=0.01
    )
    assert done.load_LE is not None
    expected = 0.01 * (done.load_LE.mean(-1, keepdim=True) - done.load_LE).sign()
    torch.testing.assert_close(biases(held) - before, expected, atol=1e-7, rtol=0)
    dense = policy(llama())
    assert step(dense, lesson(dense, objective), objective, budget=60)[0].load_LE is None


def biases(held: Policy) -> Tensor:
    return torch.stack([router.e_score_correction_bias.clone() for router in held.watch.routers])


def test_rows_that_keep_other_processes_company_count_for_nothing() -> None:
    side = SideLosses(balance=0.1, expert_balance=0.2)
    for packing in (0, 60):
        held = policy(tiny_moe.model(), side=side)
        rows = Sequences(ROWS.prompts, ROWS.completions, packing)
        nothing = ObjectiveBatch(torch.zeros_like(rows.mask_BT), torch.zeros(rows.mask_BT.shape))
        inputs = rows.inputs(rows.microbatches(1000)[0], CPU)
        with torch.no_grad(), held.watching(inputs, nothing.mask_BT):
            held.module(inputs, temperature=1.0)
        assert held.watch.load_LE.count_nonzero() == 0
        assert float(held.watch.balance) == float(held.watch.expert_balance) == 0.0


def test_both_balance_losses_are_added_with_their_alphas() -> None:
    objective = SftObjective()
    mask_BT = ROWS.mask_BT
    weights_BT = objective.weights(
        mask_BT, total_sequences=len(ROWS), total_tokens=float(mask_BT.sum())
    )
    batch = ObjectiveBatch(mask_BT, weights_BT)
    held = policy(tiny_moe.model(), side=SideLosses(balance=0.1, expert_balance=0.2))
    plain, _ = step(policy(tiny_moe.model()), batch, objective, budget=60)
    done, _ = step(held, batch, objective, budget=60)
    means = mean_stats(done.stats)
    both = 0.1 * means["balance_loss"] + 0.2 * means["expert_balance_loss"]
    assert done.loss == pytest.approx(plain.loss + both, abs=1e-5)
    assert means["balance_loss"] != pytest.approx(means["expert_balance_loss"], abs=0.01)
    with pytest.raises(ValueError, match="no experts"):
        policy(llama(), side=SideLosses(expert_balance=0.2))


def test_weights_come_out_under_their_checkpoint_names() -> None:
    model = tiny_moe.model()
    expected = checkpoint_tensors(model)
    weights = policy(model).weights()
    assert set(weights) == set(expected)
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
    assert policy(model).draft_weights() == {}


def test_means_over_one_process_are_its_means() -> None:
    held, objective = policy(llama()), rl()
    done, _ = step(held, lesson(held, objective), objective, budget=60)
    assert global_means(held.accelerator, done.stats) == pytest.approx(mean_stats(done.stats))
