"""Peak memory of log-probs, loss and backward against the vocabulary, head and its gradient apart.

python benchmarks/memory.py                                # 8 x 2,048 tokens, 32k and 152k
python benchmarks/memory.py --width 256 --tokens 512       # smaller, for a look
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from step.place import place
from step_time import OUT, write

VOCABULARIES = (32_000, 152_000)
WANTED = 1.2
BETA = 0.001


def main(
    completions: int = 8,
    tokens: Annotated[int, typer.Option(help="Of each completion.")] = 2048,
    width: Annotated[int, typer.Option(help="Of the model.")] = 512,
    dtype: str = "float32",
    out: Annotated[Path, typer.Option(help="A JSON file of the numbers.")] = OUT / "memory.json",
) -> None:
    """Measure each vocabulary in a process of its own, and print the ratio."""
    document = measured(completions, tokens, width, dtype)
    show(document)
    write(out, document)


def measured(
    completions: int = 8, tokens: int = 2048, width: int = 512, dtype: str = "float32"
) -> dict[str, Any]:
    """The peaks, in bytes, by vocabulary, and how many times the smallest's the largest's is."""
    asked = {"completions": completions, "tokens": tokens, "width": width, "dtype": dtype}
    peaks = {vocabulary: _alone(vocabulary, asked) for vocabulary in VOCABULARIES}
    times = peaks[VOCABULARIES[-1]] / peaks[VOCABULARIES[0]]
    return {"name": "memory", "place": place(), **asked, "peaks": peaks, "ratio": times}


def show(document: dict[str, Any]) -> None:
    """Print them as a table."""
    size = f"{document['completions']} x {document['tokens']:,} tokens"
    table = Table("vocabulary", "beyond head and its gradient", title=f"{size}, log-probs and loss")
    for vocabulary, peak in document["peaks"].items():
        table.add_row(f"{int(vocabulary):,}", f"{peak / 2**20:,.0f} MiB")
    table.add_row("ratio", f"{document['ratio']:.2f} (wanted: at most {WANTED})")
    Console(highlight=False).print(table)


def _alone(vocabulary: int, asked: dict[str, Any]) -> int:
    """`beyond_head` in a process of its own: a peak is a whole process's."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(beyond_head, vocabulary, **asked).result()


def beyond_head(vocabulary: int, *, completions: int, tokens: int, width: int, dtype: str) -> int:
    """The most that forward and backward held at once, besides the head, copies and gradient."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    made: Any = {"device": device, "dtype": getattr(torch, dtype)}
    hidden_ND = torch.randn(completions * tokens, width, **made).requires_grad_()
    head_VD = torch.randn(vocabulary, width, **made).mul_(0.02).requires_grad_()
    targets_N = torch.randint(vocabulary, (completions * tokens,), device=device)
    head_VD.grad = torch.zeros_like(head_VD)
    # The gradient of one pass is a tensor of its own before it is added to the head's.
    passing = torch.ones_like(head_VD)
    before = _held(device)
    del passing
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    _loss(hidden_ND, head_VD, targets_N, completions).backward()
    return _peak(device) - before


def _loss(hidden_ND: Any, head_VD: Any, targets_N: Any, completions: int) -> Any:
    """A step's loss: clipped surrogate and KL to a reference, with the entropy told."""
    import torch

    from grpo.objective import GrpoObjective, PolicyBatch, chunked_logprobs

    logprobs_N, entropy_N, _ = chunked_logprobs(hidden_ND, head_VD, targets_N)
    logprobs_BT, entropy_BT = logprobs_N.view(completions, -1), entropy_N.view(completions, -1)
    batch = PolicyBatch(
        mask_BT=torch.ones_like(logprobs_BT, dtype=torch.bool),
        weights_BT=torch.full_like(logprobs_BT, 1 / logprobs_BT.numel()),
        old_logprobs_BT=None,
        advantages_B=torch.linspace(-1, 1, completions, device=logprobs_BT.device),
        ref_logprobs_BT=logprobs_BT.detach(),
        correction_BT=None,
    )
    objective = GrpoObjective(max_completion_length=logprobs_BT.shape[1], beta=BETA)
    return objective(logprobs_BT, entropy_BT, batch)[0]


def _held(device: str) -> int:
    import torch

    return torch.cuda.memory_allocated() if device == "cuda" else _peak(device)


def _peak(device: str) -> int:
    from step.peak import gpu_peak_bytes, peak_bytes

    return gpu_peak_bytes() if device == "cuda" else peak_bytes()


if __name__ == "__main__":
    typer.run(main)
