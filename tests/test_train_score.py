"""The trainer's log-probabilities against a plain forward of each sequence by itself."""

import pytest
import torch
from small_policies import CPU, MODELS, plain_logprobs, policy, sequences
from torch import Tensor

from grpo.train.policy import Reference, score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Sequences

models = pytest.mark.parametrize("name", MODELS)


def close(rows_BT: Tensor, expected: list[Tensor]) -> None:
    """Each row begins with what was expected of it and is 0 behind."""
    for row, values in zip(rows_BT, expected, strict=True):
        torch.testing.assert_close(row[: len(values)], values, atol=2e-5, rtol=1e-5)
        assert row[len(values) :].count_nonzero() == 0


@models
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_scores_are_those_of_each_sequence_alone(
    name: str, temperature: float, budget: int
) -> None:
    model, rows = MODELS[name](), sequences()
    with torch.no_grad():
        expected, _ = plain_logprobs(model, rows, temperature)
    got = score(ScoredLM(model), rows, temperature=temperature, budget=budget, device=CPU)
    assert got.shape == (7, max(map(len, rows.completions)))
    close(got, expected)


@models
def test_the_forward_gives_entropies_and_gradients_too(name: str) -> None:
    model, rows = MODELS[name](), sequences()
    inputs = rows.inputs([[row] for row in range(len(rows))], CPU)
    logprobs, entropy, *_ = ScoredLM(model)(inputs, temperature=0.8, entropy_grad=True)
    (logprobs.sum() + 0.3 * entropy.sum()).backward()
    got = {key: p.grad for key, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    expected, entropies = plain_logprobs(model, rows, temperature=0.8)
    close(logprobs.detach(), [row.detach() for row in expected])
    close(entropy.detach(), [row.detach() for row in entropies])
    (torch.cat(expected).sum() + 0.3 * torch.cat(entropies).sum()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and got[key] is not None, key
        scale = float(parameter.grad.abs().max())
        torch.testing.assert_close(got[key], parameter.grad, atol=2e-5 * scale + 1e-6, rtol=1e-4)


@models
def test_what_is_padded_on_does_not_reach_what_is_there(name: str) -> None:
    model = MODELS[name]()
    one = Sequences([(7, 8, 9)], [(10, 11)])
    long = Sequences([(7, 8, 9), tuple(range(6, 60))], [(10, 11), tuple(range(60, 120))])
    alone = score(ScoredLM(model), one, temperature=1.0, budget=1000, device=CPU)
    beside = score(ScoredLM(model), long, temperature=1.0, budget=1000, device=CPU)
    torch.testing.assert_close(beside[0, :2], alone[0], atol=1e-5, rtol=0)
    assert beside[0, 2:].count_nonzero() == 0


@models
def test_a_one_token_prompt_is_enough(name: str) -> None:
    model, rows = MODELS[name](), Sequences([(7,)], [(8,)])
    with torch.no_grad():
        expected = model(torch.tensor([[7]])).logits[0, 0].log_softmax(-1)[8]
    got = score(ScoredLM(model), rows, temperature=1.0, budget=10, device=CPU)
    torch.testing.assert_close(got[0, 0], expected, atol=1e-5, rtol=0)


def test_scoring_leaves_no_graph_behind() -> None:
    got = score(ScoredLM(MODELS["llama"]()), sequences(), temperature=1.0, budget=50, device=CPU)
    assert not got.requires_grad


def test_a_policy_in_hand_does_not_drop_out() -> None:
    model = MODELS["llama"]()
    model.config.attention_dropout = 0.5
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    held = policy(model.train())
    one, other = (
        score(held.module, sequences(), temperature=1.0, budget=50, device=CPU) for _ in range(2)
    )
    assert torch.equal(one, other)


def test_a_reference_stays_until_it_is_replaced() -> None:
    held, reference = policy(MODELS["mixture"](0)), None
    reference = Reference(MODELS["mixture"](1), held.accelerator)
    rows = sequences()

    def scores(module: torch.nn.Module) -> Tensor:
        return score(module, rows, temperature=1.0, budget=100, device=CPU)

    assert not torch.allclose(scores(reference.module), scores(held.module))
    assert not any(p.requires_grad for p in reference.module.parameters())
    reference.refresh(held)
    assert torch.equal(scores(reference.module), scores(held.module))
    assert set(reference.weights()) == set(held.weights())
    with torch.no_grad():
        held.model.lm_head.weight.mul_(2)
    assert not torch.allclose(scores(reference.module), scores(held.module))
