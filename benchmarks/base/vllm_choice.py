"""vLLM's choice of experts on a CPU, where it names none: its routers watched, a request at a time.

One request alone makes every row of a forward its own, which is what makes this so short, and so
slow: for a measurement, not for a run.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.sampler.vllm import VllmSampler
from grpo.types import Completion, Request, Routing


def drawn_by_vllm(
    folder: Path, dtype: str, asked: Sequence[Request], sampling: Sampling
) -> Iterator[Completion]:
    """A completion of each request with the experts that its tokens took."""
    config = SamplerConfig(dtype=dtype, max_model_len=512, max_num_seqs=1, kv_cache_gib=0.0625)
    with closing(VllmSampler(folder, config)) as sampler:
        (notes,) = sampler._engine.llm.collective_rpc(_watch)
        for request in asked:
            notes.clear()
            # What lies in the prefix cache would not be routed again.
            sampler._engine.drop_prefix_cache()
            (one,) = sampler.sample([request], sampling)
            layers = [np.concatenate(rows) for _, rows in sorted(notes.items())]
            read = len(request.prompt_ids) + len(one.token_ids) - 1
            ids_TLK = np.stack(layers, axis=1)[:read].astype(np.uint8)
            if len(ids_TLK) != read:
                raise RuntimeError(f"{read} tokens were read, and {len(ids_TLK)} were routed")
            yield replace(one, routing=Routing.of(ids_TLK))


def _watch(worker: Any) -> dict[int, list[np.ndarray]]:
    """What the routers choose from now on, by the number of their layer."""
    from vllm.model_executor.layers.fused_moe.layer import MoERunner

    notes: dict[int, list[np.ndarray]] = {}
    for module in worker.model_runner.get_model().modules():
        if isinstance(module, MoERunner):
            module.router.set_capture_fn(
                lambda ids, number=module.layer_id: notes.setdefault(number, []).append(
                    ids.cpu().numpy().copy()
                )
            )
    return notes
