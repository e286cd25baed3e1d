"""How far a student's distribution is from a teacher's, token by token, over the whole vocabulary.

Exact, value and gradient, and without holding the logits of either: a chunk of tokens at a time is
projected through both heads, reduced and forgotten, and backward projects it again. Leaves out the
mixtures between the two directions (Jensen-Shannon), which no stage learns by.
"""

# Shapes: N tokens of the batch in one row, C tokens of a chunk, D the student's width, E the
# teacher's, V vocabulary. p is the teacher's distribution, q the student's, z the student's logits.

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from grpo.objective.head import Head, HeadGradients, chunk_size, chunks
from grpo.objective.tables import pick


class Side(NamedTuple):
    """One model's states and head: what its distribution of each token follows from.

    >>> Side(hidden_ND=tensor([[0.2, -1.0]]), weight_VD=tensor([[0.3, -1.2], [0.8, 0.1]]))
    """

    hidden_ND: Tensor
    weight_VD: Tensor
    bias_V: Tensor | None = None

    def first(self, rows: int) -> "Side":
        """With the vocabulary's first `rows` alone."""
        if rows == len(self.weight_VD):
            return self
        bias_V = None if self.bias_V is None else self.bias_V[:rows]
        return Side(self.hidden_ND, self.weight_VD[:rows], bias_V)


class Direction(NamedTuple):
    """A divergence [C, V] -> [C] from the log-probabilities of teacher and student, and its
    gradient by the student's logits / temperature, given the divergence.

    >>> Direction(value=_forward, gradient=_forward_gradient)
    """

    value: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor]


def chunked_kl(
    student: Side,
    teacher: Side,
    *,
    direction: str,
    temperature: float = 1.0,
    chunk: int | None = None,
) -> Tensor:
    """kl_N in nats, both distributions softened by `temperature`: "forward" is KL(teacher ||
    student), which covers all that the teacher may say (Hinton et al. 2015), "reverse" is
    KL(student || teacher), which keeps to what it would say (MiniLLM; GKD with beta 1).

    `student.hidden_ND[i]` and `teacher.hidden_ND[i]` predict the same token. Where one head has
    more rows than the other, padding of one vocabulary, the rest is left out. Float32 from the
    projection on, as in `chunked_logprobs`, and no more than [chunk, V] logits of each at once.

    Gradient flows to the student alone. The student's choice of words is not differentiated:
    on-policy, this is the exact gradient of each token's divergence given what stands before it.
    Where heads are sharded, call this inside the wrapped module's forward.
    """
    law = pick(DIRECTIONS, direction, knob="direction")
    rows = min(len(student.weight_VD), len(teacher.weight_VD))
    student, teacher = student.first(rows), teacher.first(rows)
    kl_N: Tensor = _ChunkedKl.apply(*student, *teacher, law, temperature, chunk or chunk_size(rows))
    return kl_N


class _ChunkedKl(torch.autograd.Function):
    """Saves states and heads; logits are made a chunk at a time, in both passes."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        teacher_hidden_NE: Tensor,
        teacher_weight_VE: Tensor,
        teacher_bias_V: Tensor | None,
        law: Direction,
        temperature: float,
        chunk: int,
    ) -> Tensor:
        student = Head.of(hidden_ND, weight_VD, bias_V, temperature)
        teacher = Head.of(teacher_hidden_NE, teacher_weight_VE, teacher_bias_V, temperature)
        kl_N = hidden_ND.new_empty(len(hidden_ND), dtype=student.weight_VD.dtype)
        for rows in chunks(len(hidden_ND), chunk):
            logp_CV = teacher.logprobs(teacher_hidden_NE[rows])
            kl_N[rows] = law.value(logp_CV, student.logprobs(hidden_ND[rows])).to(kl_N.dtype)
        ctx.save_for_backward(
            hidden_ND, weight_VD, bias_V, teacher_hidden_NE, teacher_weight_VE, teacher_bias_V, kl_N
        )
        ctx.law, ctx.temperature, ctx.chunk = law, temperature, chunk
        return kl_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_kl_N: Tensor) -> tuple[Any, ...]:
        hidden_ND, weight_VD, bias_V, teacher_hidden_NE, theirs_VE, theirs_V, kl_N = (
            ctx.saved_tensors
        )
        student = Head.of(hidden_ND, weight_VD, bias_V, ctx.temperature)
        teacher = Head.of(teacher_hidden_NE, theirs_VE, theirs_V, ctx.temperature)
        grads = HeadGradients(student, hidden_ND, wanted=ctx.needs_input_grad[:3])
        for rows in chunks(len(hidden_ND), ctx.chunk):
            logp_CV = teacher.logprobs(teacher_hidden_NE[rows])
            logq_CV = student.logprobs(hidden_ND[rows])
            grad_CV = ctx.law.gradient(logp_CV.to(logq_CV.dtype), logq_CV, kl_N[rows, None])
            grad_CV.mul_(grad_kl_N[rows, None]).div_(ctx.temperature)
            grads.add(rows, hidden_ND[rows], grad_CV)
        return grads.hidden_ND, grads.weight_VD, grads.bias_V, *[None] * 6


def _forward(logp_CV: Tensor, logq_CV: Tensor) -> Tensor:
    """sum p (log p - log q)"""
    return (logp_CV.exp() * (logp_CV - logq_CV)).sum(dim=1)


def _forward_gradient(logp_CV: Tensor, logq_CV: Tensor, kl_C1: Tensor) -> Tensor:
    """q - p"""
    return logq_CV.exp() - logp_CV.exp()


def _reverse(logp_CV: Tensor, logq_CV: Tensor) -> Tensor:
    """sum q (log q - log p)"""
    return (logq_CV.exp() * (logq_CV - logp_CV)).sum(dim=1)


def _reverse_gradient(logp_CV: Tensor, logq_CV: Tensor, kl_C1: Tensor) -> Tensor:
    """q (log q - log p - KL)"""
    return logq_CV.exp() * (logq_CV - logp_CV - kl_C1)


DIRECTIONS: Mapping[str, Direction] = {
    "forward": Direction(_forward, _forward_gradient),
    "reverse": Direction(_reverse, _reverse_gradient),
}
