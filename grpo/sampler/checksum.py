"""Checksums of weights: proof that values arrived, and that they lie where a fresh load puts them.

They are no protection against malice; they tell a stale or misplaced weight from the right one.
"""

from collections.abc import Iterable
from hashlib import blake2b

import torch
from torch import Tensor

_CHUNK = 1 << 22
_MASK = (1 << 64) - 1


def value_checksum(weights: Iterable[Tensor], dtype: torch.dtype) -> int:
    """A sum over all elements that depends on their values, and on no order, shape or padding.

    Engines fuse, transpose, pack and zero-pad what they load, so trainer and engine can only be
    compared as bags of numbers. Both sides round to `dtype` first, then every element's bits are
    mixed and added modulo 2**64; zero counts for nothing.
    """
    return sum(_sum_of_mixed_bits(w, dtype) for w in weights) & _MASK


def _sum_of_mixed_bits(weight: Tensor, dtype: torch.dtype) -> int:
    parts = torch.split(weight.detach().reshape(-1), _CHUNK)
    return sum(_mixed(part.to(dtype).float()) for part in parts)


def _mixed(values: Tensor) -> int:
    # Adding zero makes one of the two zeros.
    bits = (values + 0.0).contiguous().view(torch.int32).to(torch.int64)
    bits = bits * -7046029254386353131
    bits = (bits ^ ((bits >> 32) & 0xFFFFFFFF)) * -4417276706812531889
    bits = bits ^ ((bits >> 29) & 0x7FFFFFFFF)
    return int(bits.sum().item())


def layout_checksum(weights: Iterable[Tensor]) -> str:
    """A digest of the very bytes in their order: equal only where the layout is equal too."""
    digest = blake2b(digest_size=16)
    for weight in weights:
        raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()
