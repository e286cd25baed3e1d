"""What vLLM does not promise to keep is touched here (and of a draft in vllm_draft.py) alone.

Everything here was found by measuring, against vLLM 0.32; tests/test_sampler_adapter.py holds
each assumption, so that a new version that breaks one says so. Sampling itself is public vLLM and
lives in vllm.py.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from grpo.recipe.sections import SamplerConfig
from grpo.sampler.checksum import layout_checksum, value_checksum
from grpo.sampler.drafting import DraftCounts
from grpo.sampler.isolation import own_process_state
from grpo.sampler.vllm_arguments import engine_arguments
from grpo.sampler.vllm_draft import draft_counts, resting_draft
from grpo.types import Routing

_ENVIRONMENT = {
    # In this process: weights are pushed as tensors, and an error is an error.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
_SHARED_WITH_TARGET = (".embed_tokens.weight", ".shared_head.head.weight")


def on_cpu() -> bool:
    """Whether the installed vLLM computes on the CPU; imports vLLM."""
    with own_process_state():
        _prepare_environment()
        from vllm.platforms import current_platform

        return bool(current_platform.is_cpu())


def _prepare_environment() -> None:
    os.environ.update(_ENVIRONMENT)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    # Its import already speaks, before it has read that variable.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"].upper())


class Engine:
    """A running vLLM with doors for what its public face lacks: weights in, caches out."""

    def __init__(self, folder: Path, config: SamplerConfig, dtype: str) -> None:
        self.cpu, self._config = on_cpu(), config
        self._replaced = _Replaced()
        self._owns_process_group = not torch.distributed.is_initialized()
        if self.cpu:
            # Its CPU kernels for compressed attention take one shape only; expanded takes many.
            os.environ.setdefault("VLLM_MLA_DISABLE", "1")
        with own_process_state():
            from vllm import LLM

            if self.cpu and config.draft_tokens:
                _mend_draft_temperature()
            self.llm = LLM(**self._arguments(folder, dtype))
        self.dtype = getattr(torch, dtype)

    def _arguments(self, folder: Path, dtype: str) -> dict[str, Any]:
        return engine_arguments(folder, self._config, dtype, cpu=self.cpu)

    def sampling(self) -> AbstractContextManager[object]:
        """Around every generate: without it vLLM compiles a counting helper at the first token.

        That takes 10 to 20 seconds and a C++ compiler, and dies where there is none. Only with
        `enforce_eager`, and on the CPU, where compiling it saves nothing.
        """
        if not (self.cpu and self._config.enforce_eager):
            return nullcontext()
        eager: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
        return eager

    def push(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Loads the target's weights in place, from checkpoint names."""
        self._call(_reload_target, self._portable(weights))

    def push_draft(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Loads the draft's own weights in place; embedding and head are the target's."""
        own = [(n, w) for n, w in weights if not n.endswith(_SHARED_WITH_TARGET)]
        self._call(_reload_draft, own)

    def draft_values(self) -> int:
        """Checksum of the draft's own weights as a bag of numbers in the engine's dtype."""
        return int(self._call(_draft_values, self.dtype))

    def expected_draft_values(self, weights: Iterable[tuple[str, Tensor]]) -> int:
        """What `draft_values` must say after `weights` were pushed."""
        own = (w for n, w in weights if not n.endswith(_SHARED_WITH_TARGET))
        return value_checksum(own, self.dtype)

    def draft_layout(self) -> str:
        """Digest of the draft's own weights just as they lie in memory, packing included."""
        return str(self._call(_draft_layout))

    def drop_prefix_cache(self) -> None:
        """Forgets keys and values of old weights; raises RuntimeError where requests still run."""
        if not self.llm.reset_prefix_cache():
            raise RuntimeError("vLLM kept its prefix cache: requests are still running")

    def draft_counts(self) -> DraftCounts:
        """What the draft proposed and the target accepted, since the engine started."""
        return draft_counts(self.llm)

    def undrafted(self) -> AbstractContextManager[None]:
        """Inside, nothing is drafted; no request may be under way at either end."""
        return resting_draft(self.llm, self._config.max_num_seqs)

    def close(self) -> None:
        """Frees the engine and puts back what it replaced in torch."""
        group = nullcontext() if self._owns_process_group else _kept_process_group()
        with own_process_state(), group:
            self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        self._replaced.restore()

    def _portable(self, weights: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        # Several workers each need the whole of it, and an iterator cannot travel to them.
        return weights if self._config.tensor_parallel_size == 1 else list(weights)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self.llm.collective_rpc(function, args=arguments)[0]


def routing_of(output: Any, tokens: int, first_layer: int) -> Routing | None:
    """The experts that a finished CompletionOutput's `tokens` tokens took, or None where the
    engine was not asked for them.

    vLLM gives a row a token that it read, in it one of K experts for every decoder layer; those of
    the dense layers before `first_layer` say nothing. Raises RuntimeError where the rows are not
    as many as the tokens: a choice that is out of step would be replayed at the wrong tokens.
    """
    if output.routed_experts is None:
        return None
    if len(output.routed_experts) != tokens:
        raise RuntimeError(
            f"vLLM gave the experts of {len(output.routed_experts)} tokens, and read {tokens}"
        )
    return Routing.of(output.routed_experts[:, first_layer:])


class _Replaced:
    """The functions of torch that a CPU engine turns into no-ops, to be put back at its end.

    `set_num_threads` among them: the engine's kernels rely on the thread count at its start.
    """

    def __init__(self) -> None:
        self._threads = torch.set_num_threads
        self._synchronize = torch.accelerator.synchronize
        self._empty_cache = torch.accelerator.empty_cache

    def restore(self) -> None:
        torch.set_num_threads = self._threads
        torch.accelerator.synchronize = self._synchronize
        torch.accelerator.empty_cache = self._empty_cache


@contextmanager
def _kept_process_group() -> Iterator[None]:
    """vLLM's shutdown destroys the default process group, the trainer's too: not this one."""
    destroy = torch.distributed.destroy_process_group

    def destroy_only_named(group: Any = None) -> None:
        if group is not None:
            destroy(group)

    torch.distributed.destroy_process_group = destroy_only_named
    try:
        yield
    finally:
        torch.distributed.destroy_process_group = destroy


def _mend_draft_temperature() -> None:
    """Gives speculative sampling on the CPU its temperature back.

    vLLM's own function writes into a copy and returns memory nobody filled: drafted tokens would
    be drawn at a temperature of chance, beside log-probabilities to match.
    """
    from vllm.v1.sample import rejection_sampler

    rejection_sampler.expand_batch_to_tokens = _expand_batch_to_tokens


def _expand_batch_to_tokens(
    values: Tensor,
    cu_num_tokens: Tensor,
    num_tokens: int,
    replace_from: int = 0,
    replace_to: int = 0,
) -> Tensor:
    """[B] values to [T]: request b's value at each of its tokens; `cu_num_tokens` [B] are sums."""
    counts = torch.diff(cu_num_tokens, prepend=cu_num_tokens.new_zeros(1))
    values = torch.where(values == replace_from, replace_to, values).to(values.dtype)
    return values.repeat_interleave(counts, output_size=num_tokens)


def _reload_target(worker: Any, weights: Iterable[tuple[str, Tensor]]) -> None:
    model = worker.model_runner.get_model()
    _forget_packed_experts(model)
    worker.reload_weights(weights_iterator=iter(weights))
    _pack_tied_head(model)


def _reload_draft(worker: Any, weights: Iterable[tuple[str, Tensor]]) -> None:
    from vllm.config import set_current_vllm_config
    from vllm.model_executor.model_loader.reload.inplace import reload_weights

    draft = worker.model_runner.drafter.model
    _forget_packed_experts(draft)
    with set_current_vllm_config(worker.vllm_config):
        reload_weights(worker.vllm_config, draft, iter(weights), None, True)


def _forget_packed_experts(model: nn.Module) -> None:
    """Makes the next reload pack the experts again.

    A layer that holds a kernel takes its weights for packed already; the plain ones just loaded
    would be read in packed order, and every expert be noise.
    """
    for layer in model.modules():
        method: Any = getattr(layer, "quant_method", None)
        if getattr(method, "moe_kernel", None) is not None:
            method.moe_kernel = None


def _pack_tied_head(model: nn.Module) -> None:
    """Packs a head that is the embedding itself anew.

    It has no tensor in a checkpoint, so a reload never comes to it, and on a CPU it multiplies
    with a packed copy: it would go on with the weights the engine started with.
    """
    if getattr(getattr(model, "config", None), "tie_word_embeddings", False):
        head: Any = getattr(model, "lm_head", None)
        if head is not None:
            head.quant_method.process_weights_after_loading(head)


def _draft_values(worker: Any, dtype: torch.dtype) -> int:
    return value_checksum(_own_draft_weights(worker), dtype)


def _draft_layout(worker: Any) -> str:
    return layout_checksum(_own_draft_weights(worker))


def _own_draft_weights(worker: Any) -> list[Tensor]:
    draft: nn.Module = worker.model_runner.drafter.model
    shared = {id(w) for w in worker.model_runner.get_model().parameters()}
    return [
        weight if weight.numel() else _packed_away(draft.get_submodule(name.rpartition(".")[0]))
        for name, weight in draft.named_parameters()
        if id(weight) not in shared
    ]


def _packed_away(layer: Any) -> Tensor:
    """A linear layer's weight, [in, out], which its CPU kernel has swallowed: W applied to 1.

    Exact, since every sum holds one term that is not zero.
    """
    unit = torch.eye(layer.input_size, dtype=layer.weight.dtype)
    with torch.no_grad():
        weight: Tensor = layer.cpu_linear(unit, layer.weight, None)
    return weight
