"""Chunked log-probs against the plain formulation, and a bound on every tensor they make."""

from collections.abc import Callable

import pytest
import torch
from largest_tensor import LargestTensor
from torch import Tensor

from grpo.objective import chunked_logprobs

N, D, V = 50, 8, 97


def plain(
    hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Slow and right: all logits at once, gradients by autograd."""
    logits = hidden @ weight.T if bias is None else hidden @ weight.T + bias
    logp = torch.log_softmax(logits / temperature, dim=-1)
    return logp.gather(1, targets[:, None]).squeeze(1), -(logp.exp() * logp).sum(-1)


def inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(N, D, dtype=dtype, requires_grad=True)
    weight = (torch.randn(V, D, dtype=dtype) / 2).requires_grad_()
    bias = torch.randn(V, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(V, (N,)), bias


def test_by_hand() -> None:
    # logits ln 1, ln 3 at temperature 1: p = 1/4, 3/4; at 1/2 they double: p = 1/10, 9/10
    hidden, weight = torch.ones(1, 1), torch.tensor([[1.0], [3.0]]).log()
    logp, entropy, _ = chunked_logprobs(hidden, weight, torch.tensor([1]))
    torch.testing.assert_close(logp, torch.tensor([0.75]).log())
    # -(1/4 ln 1/4 + 3/4 ln 3/4) = .346574 + .215762
    torch.testing.assert_close(entropy, torch.tensor([0.562335]))
    logp, _, _ = chunked_logprobs(hidden, weight, torch.tensor([0]), temperature=0.5)
    torch.testing.assert_close(logp, torch.tensor([0.1]).log())


@pytest.mark.parametrize("chunk", [1, 7, 50, 1024])
@pytest.mark.parametrize("entropy_grad", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_values_and_gradients_equal_the_plain_formulation(
    chunk: int, entropy_grad: bool, with_bias: bool
) -> None:
    hidden, weight, targets, bias = inputs()
    leaves = (hidden, weight, bias) if with_bias else (hidden, weight)
    given = bias if with_bias else None
    # Means over unequal weights, as in a loss: every token must get its own gradient.
    pull, push = torch.randn(2, N) / N
    logp, entropy, _ = chunked_logprobs(
        hidden, weight, targets, temperature=0.7, chunk=chunk, bias=given, entropy_grad=entropy_grad
    )
    want_logp, want_entropy = plain(hidden, weight, targets, 0.7, given)
    torch.testing.assert_close(logp, want_logp, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(entropy, want_entropy, rtol=1e-6, atol=1e-6)
    loss, want_loss = (pull * logp).sum(), (pull * want_logp).sum()
    if entropy_grad:
        loss, want_loss = loss + (push * entropy).sum(), want_loss + (push * want_entropy).sum()
    got = torch.autograd.grad(loss, leaves)
    want = torch.autograd.grad(want_loss, leaves)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)


def test_the_written_derivatives_are_the_numerical_ones() -> None:
    hidden, weight, targets, bias = inputs(torch.float64)

    def both(hidden: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        logp, entropy, _ = chunked_logprobs(
            hidden[:5], weight, targets[:5], temperature=1.3, chunk=2, bias=bias, entropy_grad=True
        )
        return logp, entropy

    assert torch.autograd.gradcheck(both, (hidden, weight, bias))


def test_with_head_or_body_frozen_the_other_still_gets_its_gradient() -> None:
    hidden, weight, targets, _ = inputs()
    want = torch.autograd.grad(plain(hidden, weight, targets, 1.0, None)[0].sum(), (hidden, weight))
    chunked_logprobs(hidden, weight.detach(), targets, chunk=7)[0].sum().backward()
    chunked_logprobs(hidden.detach(), weight, targets, chunk=7)[0].sum().backward()
    torch.testing.assert_close((hidden.grad, weight.grad), want, rtol=1e-5, atol=1e-5)


def test_entropy_carries_a_gradient_only_when_asked() -> None:
    hidden, weight, targets, _ = inputs()
    assert not chunked_logprobs(hidden, weight, targets)[1].requires_grad
    assert chunked_logprobs(hidden, weight, targets, entropy_grad=True)[1].requires_grad


def test_a_hit_is_a_target_that_no_token_is_likelier_than() -> None:
    hidden, weight, _, _ = inputs()
    logits = hidden.detach() @ weight.detach().T
    best, worst = logits.argmax(1), logits.argmin(1)
    asked = torch.where(torch.arange(len(best)) % 3 == 0, worst, best)
    hits = chunked_logprobs(hidden, weight, asked, temperature=0.7, chunk=7, hits=True)[2]
    assert hits.tolist() == [float(n % 3 != 0) for n in range(len(best))]
    assert not hits.requires_grad


def test_what_was_not_computed_does_not_read_as_a_number() -> None:
    hidden, weight, targets, _ = inputs()
    logp, entropy, hits = chunked_logprobs(hidden, weight, targets, entropy=False)
    assert entropy.isnan().all() and hits.isnan().all()
    torch.testing.assert_close(logp, chunked_logprobs(hidden, weight, targets)[0], rtol=0, atol=0)


def test_low_precision_inputs_are_computed_in_float32_even_under_autocast() -> None:
    hidden, weight, targets, _ = inputs(torch.bfloat16)
    want_logp, want_entropy = plain(hidden.float(), weight.float(), targets, 1.0, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logp, entropy, _ = chunked_logprobs(hidden, weight, targets, chunk=7)
        logp.sum().backward()
    assert logp.dtype == entropy.dtype == torch.float32
    torch.testing.assert_close(logp, want_logp, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(entropy, want_entropy, rtol=1e-6, atol=1e-6)
    # Autograd rounds the finished sums, not every chunk's share, to the parameters' bfloat16.
    assert hidden.grad is not None and weight.grad is not None
    want = torch.autograd.grad(want_logp.sum(), (hidden, weight))
    assert torch.equal(hidden.grad, want[0])
    torch.testing.assert_close(weight.grad, want[1], rtol=0.01, atol=1e-3)


def test_a_batch_with_no_tokens() -> None:
    hidden, weight, targets, _ = inputs()
    logp, entropy, _ = chunked_logprobs(hidden[:0], weight, targets[:0])
    assert logp.shape == entropy.shape == (0,)
    logp.sum().backward()
    assert weight.grad is not None and weight.grad.eq(0).all()


def largest(score: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]) -> int:
    hidden, weight, targets, _ = inputs()
    with LargestTensor() as seen:
        logp, entropy, *_ = score(hidden, weight, targets)
        (logp.sum() + entropy.sum()).backward()
    return seen.elements


def test_no_tensor_of_all_tokens_by_vocabulary_is_ever_made() -> None:
    by_chunks = largest(lambda h, w, t: chunked_logprobs(h, w, t, chunk=5, entropy_grad=True))
    assert by_chunks == max(5 * V, V * D, N * D)
    assert largest(lambda h, w, t: plain(h, w, t, 1.0, None)) == N * V, "the probe must see one"
