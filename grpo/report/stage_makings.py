"""What went into the stages: samples dropped and why, reward models' accuracy, compute.

Each is read leniently from what its stage left; what is not there is not shown.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.report.run_directory import RunDirectory
from grpo.report.scores import Score, decimals, interval, number, percent, read_score
from grpo.report.text import short_name

RULES = {
    "unfinished": "cut off",
    "paragraph": "an over-long paragraph",
    "code_blocks": "a block of code",
    "repeated": "repeats itself",
    "duplicate": "said already",
    "overlap": "shares ten words in a row with an evaluation",
    "surplus": "more than K of one prompt",
    "empty": "nothing said",
    "unjudged": "the judge was silent",
    "unpaired": "no sample of the prompt far enough away",
}
"""Rules of rejection sampling in words; any other is a reward that has to reach its floor."""


@dataclass(frozen=True)
class Dropped:
    """Why samples were left out: the rule, how many broke it first, their share of all, and how
    many broke it at all (empty where nobody counted).

    >>> Dropped("language below its floor", "1,204", 0.31, "1,530")
    """

    why: str
    count: str
    share: float
    alone: str


@dataclass(frozen=True)
class Sieved:
    """What a reject stage kept of what it drew.

    >>> Sieved("pick", "4,012 of 12,800 samples kept, ...", (dropped, dropped))
    """

    stage: str
    sentence: str
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True)
class Preferring:
    """How often a reward model preferred the better of two, all in all and then by kind: what,
    the share, its interval, and the share as a number for a bar.

    >>> Preferring("helpful", "sees the answer", "400", (("all", "91.2%", "88.0-93.7", 0.912),),
    ...            "1.84")
    """

    stage: str
    note: str
    pairs: str
    accuracy: tuple[tuple[str, str, str, float], ...]
    margin: str


def sieved(run: RunDirectory) -> list[Sieved]:
    """What each reject or compare stage dropped and why, the commonest reason first."""
    return [
        Sieved(name, _sentence(report), tuple(_dropped(report)))
        for name, stage in run.stages.items()
        if stage.get("kind") in ("reject", "compare")
        and (report := _read(run.path / "data" / f"{name}.report.json"))
    ]


def preferring(run: RunDirectory) -> list[Preferring]:
    """How each reward model did on pairs it has not learnt from."""
    return [
        _preferring(name, told)
        for name, stage in run.stages.items()
        if stage.get("kind") == "reward_model"
        and (told := _read(run.path / "evaluations" / name / "preferences.json"))
    ]


def compute(stage: Mapping[str, Any]) -> str:
    """What a stage computed, `3.2e15 FLOPs`; empty where it was not counted."""
    flops = number(stage.get("flops"))
    if not flops:
        return ""
    mantissa, _, exponent = f"{flops:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _sentence(report: Mapping[str, Any]) -> str:
    told = f"{_count(report, 'kept')} of {_count(report, 'samples')} samples kept"
    if "problems_kept" in report:
        told += f", of {_count(report, 'problems_kept')} of {_count(report, 'problems')} problems"
    beside = report.get("beside")
    if isinstance(beside, Mapping):
        told += f"; beside them {_count(beside, 'kept')} rows of {beside.get('source')}"
    return f"{told}; {_count(report, 'rows')} rows in all" if "rows" in report else told


def _dropped(report: Mapping[str, Any]) -> Iterator[Dropped]:
    dropped, alone = report.get("dropped", {}), report.get("alone", {})
    samples = number(report.get("samples")) or 1.0
    for rule, count in sorted(dropped.items(), key=lambda one: -one[1]):
        if count or alone.get(rule):
            broke = f"{alone[rule]:,}" if rule in alone else ""
            why = RULES.get(rule, f"{short_name(rule)} below its floor")
            yield Dropped(why, f"{count:,}", count / samples, broke)


def _preferring(name: str, told: Mapping[str, Any]) -> Preferring:
    kinds = told.get("by", {}).get("kind", {})
    scores = {"all": told.get("accuracy"), **kinds}
    part = "the answer alone" if told.get("part") == "answer" else "the whole completion"
    margin = number(told.get("margin"))
    return Preferring(
        name,
        f"sees {part}",
        _count(told, "pairs"),
        tuple(_line(kind, read_score(scores, kind)) for kind in scores),
        "" if margin is None else decimals(margin),
    )


def _line(name: str, score: Score | None) -> tuple[str, str, str, float]:
    return name, percent(score), interval(score), score.mean if score else 0.0


def _count(told: Mapping[str, Any], name: str) -> str:
    count = number(told.get(name))
    return "?" if count is None else f"{count:,.0f}"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
