"""What a result's page says in words: who answered, how well, and how it was asked.

Warnings are passed on as whoever scored wrote them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from grpo.eval.result import Result
from grpo.eval.row import Row
from grpo.eval.task import Marking
from grpo.report.draft_rows import draft_of, draft_sentence
from grpo.report.scores import (
    NONE,
    Score,
    amount,
    amount_interval,
    is_share,
    number,
    read_score,
)
from grpo.report.text import duration, short_name

NAMED = 3
"""Benchmarks that the headline names one by one."""


def name_of(result: Result) -> str:
    """What answered, in a few words: a model's name, or `run / stage / checkpoint`."""
    checkpoint = result.results["checkpoint"]
    if "path" not in checkpoint:
        return str(checkpoint.get("model", NONE))
    words = PurePath(checkpoint["path"]).parts[-4:]
    if "checkpoints" not in words:
        return words[-1] if words else str(checkpoint["path"])
    return " / ".join(word for word in words if word != "checkpoints")


def headline(result: Result) -> str:
    """One sentence: every benchmark's score with its interval, or from the worst to the best."""
    found = result.benchmarks
    scores = {name: read_score(one, "avg") for name, one in found.items()}
    if len(found) <= NAMED:
        each = [_scored(name, found[name], score) for name, score in scores.items()]
        return f"Right answers: {listed(each)}."
    known = {n: score for n, score in scores.items() if score and is_share(found[n])}
    worst, best = (pick(known, key=lambda name: known[name].mean) for pick in (min, max))
    if known[worst].mean == known[best].mean:
        return f"Right answers: {amount(known[best], True)} on each of {len(found)} benchmarks."
    return (
        f"Right answers: from {_score(known[worst])} on {worst} to {_score(known[best])} on "
        f"{best}, over {len(found)} benchmarks."
    )


def caveats(result: Result) -> list[str]:
    """What may have bent a score, benchmark by benchmark."""
    return [f"{name}: {t}." for name, found in result.benchmarks.items() for t in found["warnings"]]


def notes(result: Result) -> list[str]:
    """What is to be known of the benchmarks themselves."""
    return [f"{n}: {t}." for n, found in result.benchmarks.items() for t in found.get("notes", ())]


def facts(result: Result) -> Iterator[tuple[str, str]]:
    """(name, value) of what places the result."""
    results, found = result.results, result.benchmarks.values()
    yield "questions", f"{sum(one['questions'] for one in found):,}"
    yield "samples", f"{len(result.rows):,}"
    if (seconds := number(results.get("seconds"))) is not None:
        yield "time", duration(seconds)
    if (speed := number(results.get("tokens_per_second"))) is not None:
        yield "tokens a second", f"{speed:,.0f}"
    if sentence := draft_sentence(draft_of(results)):
        yield "MTP draft", sentence
    if "deviations" in results:
        count = len(results["deviations"])
        yield "protocol", f"R1's but for {count} thing{'s' * (count > 1)}" if count else "R1's"
    if source := results.get("rejudged_from"):
        yield "judged again, from", str(source)


def knobs(result: Result) -> list[tuple[str, str]]:
    """(name, value) of all that must be the same to get the same samples."""
    plan = result.plan
    found = {**plan["checkpoint"], **plan["sampling"], "seed": plan["seed"]}
    engine = {**result.results.get("engine", {}), **result.results["knobs"].get("judging", {})}
    found |= {name: value for name, value in engine.items() if name != "draft"}
    return [(name.replace("_", " "), _plain(value)) for name, value in found.items()]


def versions(result: Result) -> list[tuple[str, str]]:
    """(package, version)."""
    return [(name, str(value)) for name, value in result.results.get("versions", {}).items()]


def prompts(result: Result) -> list[tuple[str, list[tuple[str, str]]]]:
    """(benchmarks, (role, text) pairs) of each way in which questions were put."""
    ways: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, task in result.plan["tasks"].items():
        ways.setdefault(tuple(_put(task["prompt"])), []).append(name)
    return [(", ".join(names), list(way)) for way, names in ways.items()]


def blamed(row: Row, marking: Marking, verdict: str | None = None) -> str:
    """Which of a verdict's rewards found the sample not correct, where it has several: "format"."""
    names = marking.verdicts.get(verdict or marking.score, ())
    failed = [short_name(name) for name in names if row.found().get(name) != "correct"]
    return ", ".join(failed) if len(names) > 1 else ""


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])


def _put(prompt: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if prompt.get("system") is not None:
        yield "system", prompt["system"]
    yield "user", prompt["user"]
    if prompt.get("prefill"):
        yield "the answer begins with", prompt["prefill"]
    if not prompt.get("chat", True):
        yield "chat template", "none"


def _scored(name: str, found: Mapping[str, Any], score: Score | None) -> str:
    """`31.2% (95% interval ...) on gsm8k`; of what has no right answer, the mean of a reward."""
    reward = found["verdict"] if found["verdict"] in found.get("rewards", {}) else None
    mean = f"a mean {short_name(reward)} of " if reward else ""
    return f"{mean}{_score(score, is_share(found))} on {name}"


def _score(score: Score | None, share: bool = True) -> str:
    between, text = amount_interval(score, share), amount(score, share)
    return f"{text} (95% interval {between})" if between else text


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NONE
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
