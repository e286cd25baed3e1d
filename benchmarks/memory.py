"""Peak memory of log-probs, loss and backward against the vocabulary, head and its gradient apart.

python benchmarks/memory.py                                # 8 x 2,048 tokens, 32k and 152k
python benchmarks/memory.py --width 512 --tokens 4096      # smaller, for a CPU
"""

import json
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

VOCABULARIES = (32_000, 152_000)


def main(
    tokens: int = 8 * 2048,
    width: int = 1024,
    dtype: str = "float32",
    out: Annotated[Path | None, typer.Option(help="A JSON file of the numbers.")] = None,
) -> None:
    """Measure each vocabulary in a process of its own, and print the ratio."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        peaks = [pool.submit(peak_bytes, v, tokens, width, dtype).result() for v in VOCABULARIES]
    table = Table("vocabulary", "peak beyond head and its gradient", title=f"{tokens} tokens")
    for vocabulary, peak in zip(VOCABULARIES, peaks, strict=True):
        table.add_row(f"{vocabulary:,}", f"{peak / 2**20:,.0f} MiB")
    table.add_row("ratio", f"{peaks[-1] / peaks[0]:.2f}")
    Console(highlight=False).print(table)
    if out:
        out.write_text(json.dumps(dict(zip(map(str, VOCABULARIES), peaks, strict=True)), indent=1))


def peak_bytes(vocabulary: int, tokens: int, width: int, dtype: str) -> int:
    """The most that forward and backward held at once, besides the head, copies and gradient."""
    import torch

    from grpo.objective import chunked_logprobs

    device = "cuda" if torch.cuda.is_available() else "cpu"
    made = {"device": device, "dtype": getattr(torch, dtype)}
    hidden_ND = torch.randn(tokens, width, **made).requires_grad_()
    head_VD = torch.randn(vocabulary, width, **made).mul_(0.02).requires_grad_()
    targets_N = torch.randint(vocabulary, (tokens,), device=device)
    head_VD.grad = torch.zeros_like(head_VD)
    # The gradient of one pass is a tensor of its own before it is added to the head's.
    passing = torch.ones_like(head_VD)
    before = _held(device)
    del passing
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    logprobs_N = chunked_logprobs(hidden_ND, head_VD, targets_N)[0]
    (-logprobs_N.mean()).backward()
    return _peak(device) - before


def _held(device: str) -> int:
    import torch

    return torch.cuda.memory_allocated() if device == "cuda" else _peak(device)


def _peak(device: str) -> int:
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    typer.run(main)
