"""What was learnt, in one sentence computed from the numbers.

The sentence claims a rise or a fall only where the interval of the difference leaves zero out,
and says when it was the form, not the reasoning, that changed.
"""

from collections.abc import Iterator

from grpo.report.run_directory import RunDirectory
from grpo.report.scores import Score, difference, interval, number, percent, points, read_score
from grpo.report.tables import Evaluation, ends, policy_name, trend

DRAWN_ALIKE = ("problems", "samples", "sampling")


def headline(run: RunDirectory) -> str:
    """One sentence (a second where lenient accuracy is known), plain text."""
    before, after = ends(run.evaluations)
    one, two = (read_score(evaluation.get("scores"), "strict") for evaluation in (before, after))
    if one is None and two is None:
        return f"{_so_far(run)}; no held-out evaluation has been written yet."
    if one is None or two is None:
        known, score = (before, one) if two is None else (after, two)
        return (
            f"Policy {policy_name(known)} has a strict pass@1 of {_with_interval(score)} on "
            f"{_asked(known)}; {_so_far(run)}, and there is no second evaluation to compare with."
        )
    change = difference(one, two)
    verb = {"up": "rose", "down": "fell"}.get(trend(change), "did not measurably change:")
    sentence = (
        f"{_lineage(run, before, after)}strict pass@1 on {_asked(after)} {verb} "
        f"from {_with_interval(one)} to {_with_interval(two, '')}, {points(change)} points."
    )
    return _capital(f"{sentence} {_lenient(before, after, trend(change))}".rstrip())


def caveats(run: RunDirectory) -> list[str]:
    """What a reader must know before believing the numbers: plain sentences, often none."""
    before, after = ends(run.evaluations)
    unlike = [key for key in DRAWN_ALIKE if after and before.get(key) != after.get(key)]
    notes = [
        f"The two evaluations differ in {key}: {before.get(key)} before, {after.get(key)} after."
        for key in unlike
    ]
    return [*notes, *unfinished(run)]


def unfinished(run: RunDirectory) -> list[str]:
    """What is missing of the run: stages that have not run to their end, files that are broken."""
    notes = [note for name in run.stages if (note := _unfinished(run, name))]
    return [*notes, *(f"Could not be read, and is left out: {what}." for what in run.unreadable)]


def steps_taken(run: RunDirectory, stage: str) -> int:
    """How many steps of `stage` are logged."""
    return len(run.metrics.get(stage, ()))


def _lenient(before: Evaluation, after: Evaluation, strict_trend: str) -> str:
    one, two = (read_score(evaluation.get("scores"), "lenient") for evaluation in (before, after))
    if one is None or two is None:
        return ""
    change = difference(one, two)
    who = "Lenient accuracy, which ignores the tags,"
    numbers = f"{percent(one)} to {percent(two)} ({points(change)} points)"
    if trend(change) == "up":
        return f"{who} rose from {numbers}: more than the form was learnt."
    if trend(change) == "down":
        return f"{who} fell from {numbers}."
    end = ": what was learnt is the form." if strict_trend == "up" else "."
    return f"{who} went from {numbers}, not a measurable change{end}"


def _lineage(run: RunDirectory, before: Evaluation, after: Evaluation) -> str:
    """`After 60 steps of zero, `: the stages between the two policies, by the manifest."""
    path = _ancestors(run, policy_name(after), policy_name(before))
    stages = [stage for stage in path if steps_taken(run, stage)]
    parts = [f"{steps_taken(run, stage):,} steps of {stage}" for stage in reversed(stages)]
    return f"After {' and '.join(parts)}, " if parts else ""


def _ancestors(run: RunDirectory, stage: str, stop: str) -> Iterator[str]:
    seen = {stop}
    while stage not in seen and stage in run.stages:
        seen.add(stage)
        yield stage
        stage = str(run.stages[stage].get("parent", ""))


def _unfinished(run: RunDirectory, stage: str) -> str:
    """What is missing of `stage`, empty when it has run as far as the recipe says."""
    done = run.stages[stage].get("status") == "done"
    planned, taken = run.planned_steps(stage), steps_taken(run, stage)
    if planned is None or not taken:
        return "" if done else f"Stage {stage} has not run yet."
    if done and taken >= planned:
        return ""
    state = "was stopped" if done else "is not finished"
    return f"Stage {stage} {state}: {taken:,} of {planned:,} steps are logged."


def _so_far(run: RunDirectory) -> str:
    logged = [f"{len(lines):,} steps of {stage}" for stage, lines in run.metrics.items()]
    return f"{' and '.join(logged)} are logged so far" if logged else "no step is logged so far"


def _with_interval(score: Score | None, name: str = "95% interval ") -> str:
    between = interval(score)
    return f"{percent(score)} ({name}{between})" if between else percent(score)


def _asked(evaluation: Evaluation) -> str:
    count = number(evaluation.get("problems"))
    return "held-out problems" if count is None else f"{count:,.0f} held-out problems"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
