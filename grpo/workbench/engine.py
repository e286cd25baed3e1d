"""The one engine of a run: opened when first asked for, then given other weights."""

import hashlib
import json
from pathlib import Path

from torch import Tensor

from grpo.checkpoint.weights import load_weights
from grpo.model.depth import heads_in
from grpo.recipe.sections import SamplerConfig
from grpo.sampler import Sampler, open_sampler
from grpo.train.policy import Policy

_SHAPES = ("_size", "_dim", "_rank", "_heads", "_layers")


class Engine:
    """A sampler that holds one checkpoint, or a policy, at a time.

    Pushing weights into the engine that runs takes a blink where a start takes seconds. Only a
    model of another kind, a student after its teacher, gets an engine of its own, in place of the
    one before.
    """

    def __init__(self, config: SamplerConfig) -> None:
        self._config = config
        self._sampler: Sampler | None = None
        self._kind = ""
        self._holds: Path | None = None

    def holding(self, checkpoint: Path) -> Sampler:
        """The sampler with the weights of `checkpoint`."""
        kind = model_kind(checkpoint)
        if kind != self._kind:
            self.close()
        if self._sampler is None:
            self._sampler = open_sampler(checkpoint, self._config)
        elif self._holds != checkpoint:
            self._sampler.sync(*_weights(checkpoint))
        self._kind, self._holds = kind, checkpoint
        return self._sampler

    def push(self, policy: Policy) -> None:
        """Give the sampler the policy's present weights, its draft's among them."""
        assert self._sampler is not None
        self._holds = None
        self._sampler.sync(policy.weights().items(), policy.draft_weights().items())

    def close(self) -> None:
        """End the engine that runs, if one does."""
        if self._sampler is not None:
            self._sampler.close()
        self._sampler = None


def model_kind(folder: Path) -> str:
    """A word for what an engine is built around: architecture, size and tokenizer. Where it is the
    same for two checkpoints, the weights of one fit where the other's are."""
    config = json.loads((folder / "config.json").read_text())
    shape = {
        key: value
        for key, value in sorted(config.items())
        if key == "model_type" or key.endswith(_SHAPES)
    }
    tokenizer = folder / "tokenizer.json"
    words = tokenizer.read_bytes() if tokenizer.is_file() else b""
    return hashlib.sha256(json.dumps(shape).encode() + words).hexdigest()


def _weights(folder: Path) -> tuple[list[tuple[str, Tensor]], list[tuple[str, Tensor]]]:
    """A checkpoint's policy and draft tensors; the draft's lie in the layers after the last."""
    heads = heads_in(folder)
    tensors = list(load_weights(folder))
    return (
        [(n, t) for n, t in tensors if not n.startswith(heads)],
        [(n, t) for n, t in tensors if n.startswith(heads)],
    )
