"""What an evaluation says while it runs: how many samples are judged, right and cut off."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from grpo.eval.examine import Tell
from grpo.eval.row import Row
from grpo.progress import Progress


@contextmanager
def telling(called: str, there: int, total: int) -> Iterator[Tell]:
    """A bar, or lines, of that name: inside, what to call with the samples that were judged.
    `there` of the `total` were judged before."""
    judged = right = cut = 0

    def tell(rows: Sequence[Row]) -> None:
        nonlocal judged, right, cut
        for row in rows:
            judged, right, cut = judged + 1, right + row.correct, cut + row.is_truncated
            bar.advance({"right": right / judged, "cut off": cut / judged})

    with Progress(called, min(there, total), total) as bar:
        yield tell
