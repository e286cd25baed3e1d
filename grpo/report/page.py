"""The report: one self-contained HTML file made of what lies in a run directory.

Gathers, hands over to the template and writes. It asks nothing of the network, neither while it
is written nor while it is read; without JavaScript all but the table of completions works.
"""

import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from grpo.report.answers import turns, verdict
from grpo.report.completions import embedded
from grpo.report.figures import stage_figures
from grpo.report.headline import caveats, headline, steps_taken
from grpo.report.run_directory import RunDirectory, read_run
from grpo.report.scores import number
from grpo.report.tables import breakdowns, column_names, ends, score_rows
from grpo.report.text import marked, shortened

PAGE_BYTES = 5_500_000
LEAST_DATA_BYTES = 500_000
ANSWER_SHOWN = 2500


def write_report(run_dir: Path) -> Path:
    """Write `run_dir/report.html` from what lies there, and return its path.

    Completions get what room the rest leaves of PAGE_BYTES, at least LEAST_DATA_BYTES. The old
    report stands until the new one is whole. Raises UserError when `run_dir` is no run directory.
    """
    run = read_run(run_dir)
    template = _template()
    parts = _parts(run)
    rest = len(template.render(parts, data=None).encode())
    data = embedded(run.rollouts, max(LEAST_DATA_BYTES, PAGE_BYTES - rest))
    path = run_dir / "report.html"
    partial = run_dir / "report.html.partial"
    partial.write_text(template.render(parts, data=data), encoding="utf-8")
    os.replace(partial, path)
    return path


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"marked": marked, "shortened": shortened, "verdict": verdict}
    return environment.from_string(_asset("report.html"))


def _asset(name: str) -> str:
    return (files("grpo.report") / "assets" / name).read_text(encoding="utf-8")


def _parts(run: RunDirectory) -> dict[str, Any]:
    """Everything the template names but the completions."""
    before, after = ends(run.evaluations)
    return {
        "run": run,
        "headline": headline(run),
        "caveats": caveats(run),
        "facts": list(_facts(run)),
        "stages": [_stage(run, name, stage) for name, stage in run.stages.items()],
        "policies": column_names(run.evaluations),
        "rows": score_rows(before, after) if before else (),
        "breakdowns": breakdowns(run.path, before, after),
        "figures": list(stage_figures(run)),
        "turns": turns(run.path, run.evaluations),
        "answer_shown": ANSWER_SHOWN,
        "style": Markup(_asset("report.css")),
        "script": Markup(_asset("report.js")),
    }


def _facts(run: RunDirectory) -> Iterator[tuple[str, str]]:
    """(name, value) of what places the run: when, how long, which seed, which versions."""
    if created := run.manifest.get("created"):
        yield "started", str(created).replace("T", " ")[:16]
    seconds = [number(stage.get("seconds")) for stage in run.stages.values()]
    if known := [value for value in seconds if value is not None]:
        yield "time", duration(sum(known))
    if (seed := run.manifest.get("seed", run.recipe.get("seed"))) is not None:
        yield "seed", str(seed)
    versions = run.manifest.get("versions")
    if isinstance(versions, Mapping):
        yield from ((str(name), str(version)) for name, version in versions.items())


def _stage(run: RunDirectory, name: str, stage: Mapping[str, Any]) -> dict[str, str]:
    seconds, steps = number(stage.get("seconds")), steps_taken(run, name)
    return {
        "name": name,
        "kind": str(stage.get("kind", "")),
        "parent": str(stage.get("parent") or ""),
        "steps": f"{steps:,}" if steps else "",
        "time": "" if seconds is None else duration(seconds),
        "status": str(stage.get("status", "")),
    }


def duration(seconds: float) -> str:
    """`8 min 06 s`; hours from an hour on.

    >>> duration(486)
    '8 min 06 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
