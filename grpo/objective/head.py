"""The projection to the vocabulary, a chunk of tokens at a time, and the sums of its gradients.

Shared by every law that needs logits; none of them holds [all tokens, vocabulary].
"""

# Shapes: N tokens of the batch in one row, C tokens of a chunk, D model width, V vocabulary.

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK_LOGITS, _CHUNK_TOKENS = 2**25, 1024


class Head(NamedTuple):
    """A head at a temperature, in the dtype that all the arithmetic on its logits is done in.

    >>> Head(weight_VD=tensor([[0.3, -1.2], [0.8, 0.1]]), bias_V=None, temperature=0.7)
    """

    weight_VD: Tensor
    bias_V: Tensor | None
    temperature: float

    @classmethod
    def of(
        cls, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, temperature: float
    ) -> "Head":
        """The head for these states: float32, or float64 where they are."""
        dtype = torch.promote_types(hidden_ND.dtype, torch.float32)
        return cls(weight_VD.to(dtype), None if bias_V is None else bias_V.to(dtype), temperature)

    def logprobs(self, hidden_CD: Tensor) -> Tensor:
        """log softmax(logits / temperature), [C, V], whatever any autocast says."""
        with torch.autocast(hidden_CD.device.type, enabled=False):
            logits_CV = F.linear(hidden_CD.to(self.weight_VD.dtype), self.weight_VD, self.bias_V)
        return F.log_softmax(logits_CV.div_(self.temperature), dim=1)


class HeadGradients:
    """Sums over chunks, in the head's dtype; None for an input that wants no gradient."""

    def __init__(self, head: Head, hidden_ND: Tensor, *, wanted: tuple[bool, ...]) -> None:
        self._head = head
        hidden, weight, bias = wanted
        self.hidden_ND = torch.empty_like(hidden_ND) if hidden else None
        self.weight_VD = torch.zeros_like(head.weight_VD) if weight else None
        self.bias_V = torch.zeros_like(head.bias_V) if bias and head.bias_V is not None else None

    def add(self, rows: slice, hidden_CD: Tensor, grad_CV: Tensor) -> None:
        """Take in a chunk's gradient of its logits, before the temperature divided them."""
        with torch.autocast(grad_CV.device.type, enabled=False):
            if self.hidden_ND is not None:
                self.hidden_ND[rows] = (grad_CV @ self._head.weight_VD).to(hidden_CD.dtype)
            if self.weight_VD is not None:
                self.weight_VD.addmm_(grad_CV.T, hidden_CD.to(grad_CV.dtype))
            if self.bias_V is not None:
                self.bias_V.add_(grad_CV.sum(dim=0))


def chunk_size(vocabulary: int) -> int:
    """As many tokens as make 32 M logits, whatever the vocabulary, and never many."""
    return min(_CHUNK_TOKENS, max(1, _CHUNK_LOGITS // vocabulary))


def chunks(length: int, chunk: int) -> Iterator[slice]:
    """Slices of `chunk` rows that cover `length`."""
    return (slice(start, start + chunk) for start in range(0, length, chunk))
