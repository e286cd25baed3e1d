"""The report: one self-contained HTML file made of what lies in a run directory.

Gathers, hands over to the template and writes. It asks nothing of the network, neither while it
is written nor while it is read; without JavaScript all but the table of completions works.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.eval.result import PLAN
from grpo.report.answers import turns
from grpo.report.completions import embedded
from grpo.report.figures import stage_figures
from grpo.report.headline import caveats, headline, steps_taken
from grpo.report.result_page import write_result_page
from grpo.report.run_directory import RunDirectory, read_run
from grpo.report.scores import number
from grpo.report.stage_makings import compute
from grpo.report.stage_page import chain_of
from grpo.report.tables import breakdowns, column_names, ends, score_rows
from grpo.report.template import plain_script, script, style, template, write_page
from grpo.report.text import duration

PAGE_BYTES = 5_500_000
LEAST_DATA_BYTES = 500_000
ANSWER_SHOWN = 2500


def write_report(run_dir: Path) -> Path:
    """Write `run_dir/report.html` from what lies there, and return its path.

    Every evaluation gets a page of its own beside its samples. Completions get what room the rest
    leaves of PAGE_BYTES, at least LEAST_DATA_BYTES. The old report stands until the new one is
    whole. Raises UserError when `run_dir` is no run directory.
    """
    run = read_run(run_dir)
    page, parts = template("report.html"), _parts(run) | {"pages": _evaluation_pages(run)}
    rest = len(page.render(parts, data=None).encode())
    data = embedded(run.rollouts, max(LEAST_DATA_BYTES, PAGE_BYTES - rest))
    return write_page(page, {**parts, "data": data}, run_dir / "report.html")


def write_page_of(folder: Path) -> Path:
    """Write the report of the run, or else of the evaluation's result, in `folder`.

    Raises UserError for a folder that is neither.
    """
    return write_result_page(folder) if (folder / PLAN).is_file() else write_report(folder)


def _evaluation_pages(run: RunDirectory) -> dict[str, str]:
    """The pages of the run's evaluations by stage, from where its report lies; of what cannot be
    read there is none."""
    written = {}
    for stage in (evaluation["stage"] for evaluation in run.evaluations):
        with suppress(UserError, OSError, ValueError, KeyError):
            page = write_result_page(run.path / "evaluations" / stage)
            written[stage] = page.relative_to(run.path).as_posix()
    return written


def _parts(run: RunDirectory) -> dict[str, Any]:
    """What the template names but completions and the pages of evaluations."""
    before, after = ends(run.evaluations)
    chain = chain_of(run)
    return {
        "run": run,
        "chain": chain,
        "headline": chain.headline if chain else headline(run),
        "caveats": chain.caveats if chain else caveats(run),
        "facts": list(_facts(run)),
        "stages": [_stage(run, name, stage) for name, stage in run.stages.items()],
        "policies": column_names(run.evaluations),
        "rows": score_rows(before, after) if before else (),
        "breakdowns": breakdowns(before, after),
        "figures": list(stage_figures(run)),
        "turns": [] if chain else turns(run.path, run.evaluations),
        "answer_shown": ANSWER_SHOWN,
        # Many stages have many charts: the first of each stand open.
        "charts_first": 3 if chain else 1000,
        "style": style(),
        "script": script("report.js"),
        "choose": plain_script("stages.js"),
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
        "compute": compute(stage),
        "status": str(stage.get("status", "")),
    }
