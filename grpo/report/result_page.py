"""The page of a result: one self-contained HTML file made of what lies in its folder.

Scores and what may have bent them come first, wrong answers can be browsed, and the protocol
stands at the end. Without JavaScript all but the table of samples works.
"""

from pathlib import Path
from typing import Any

from grpo.eval.result import Result, read_result
from grpo.report import result_words as words
from grpo.report.result_curves import curves
from grpo.report.result_samples import shown_samples
from grpo.report.result_tables import heads, lines, parts, watched
from grpo.report.template import script, style, template, write_page

SAMPLES_BYTES = 5_000_000


def write_result_page(folder: Path) -> Path:
    """Write `folder/report.html` from the result there, and return its path.

    Raises UserError for what is no finished result.
    """
    return write_page(template("result.html"), _parts(read_result(folder)), folder / "report.html")


def _parts(result: Result) -> dict[str, Any]:
    return {
        "name": words.name_of(result),
        "headline": words.headline(result),
        "facts": list(words.facts(result)),
        "caveats": words.caveats(result),
        "notes": words.notes(result),
        "deviations": result.results.get("deviations"),
        "heads": heads(result),
        "lines": lines(result),
        "parts": parts(result),
        "watched": watched(result),
        "figures": list(curves(result)),
        "benchmarks": result.benchmarks,
        "tasks": result.plan["tasks"],
        "prompts": words.prompts(result),
        "knobs": words.knobs(result),
        "versions": words.versions(result),
        "data": shown_samples(result, SAMPLES_BYTES),
        "style": style(),
        "script": script("result.js"),
    }
