"""`grpo scale`: what more samples would have been worth, on the stored samples of a result."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from grpo.checkpoint.atomic import atomic_write
from grpo.eval.grading import grader
from grpo.eval.result import read_result
from grpo.eval.scaled import document, scaled
from grpo.report.scaling_picture import draw_scaled
from grpo.report.scaling_table import show_scaled
from grpo.versions import versions

FORMAT = 1
DOCUMENT, PICTURE = "scaling.json", "scaling.svg"


def scale_result(
    folder: Path,
    *,
    by: Sequence[str] = (),
    steps: str = "last",
    verdict: str | None = None,
    out: Path | None = None,
) -> Path:
    """Print the curves of the result in `folder`, and write scaling.json and scaling.svg into
    `out`, else beside the samples; the folder they went to.

    `by` are the scores to choose by (see `grading.grader`). Raises UserError for what is no
    finished result, and what graders raise.
    """
    result, console = read_result(folder), Console(highlight=False)
    graders = [grader(one, steps) for one in by]
    found = scaled(result, graders, verdict)
    for one in found:
        show_scaled(one, console)
    there = out or folder
    there.mkdir(parents=True, exist_ok=True)
    about = {
        "format": FORMAT,
        "result": str(folder),
        "checkpoint": dict(result.results["checkpoint"]),
        "by": list(by),
        **document(found, graders),
        "versions": versions(),
    }
    atomic_write(there / DOCUMENT, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    draw_scaled(found, there / PICTURE)
    console.print(Text("Interval: 95%, at the last n; pointwise. No score for what has no answer."))
    console.print(Text(f"Curves: {there / DOCUMENT} and {PICTURE}"), soft_wrap=True)
    return there
