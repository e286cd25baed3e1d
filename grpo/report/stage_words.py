"""What a chain of stages came to, in sentences computed from its numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grpo.eval.result import GENERAL
from grpo.report import headline as single
from grpo.report.run_directory import RunDirectory
from grpo.report.scores import Score, amount, amount_interval, read_score
from grpo.report.stage_rows import Policy
from grpo.report.tables import Evaluation
from grpo.report.text import short_name

R1_ROAD = ("sft", "rl", "sft", "rl")
R1_SCORES = (
    ("R1-Zero", "RL alone", "77.9", "95.9", "46.6"),
    ("R1 Dev1", "cold start", "59.0", "94.2", "71.7"),
    ("R1 Dev2", "reasoning RL", "74.0", "95.9", "72.0"),
    ("R1 Dev3", "rejection sampling and SFT", "78.1", "95.4", "78.1"),
    ("R1", "RL for all scenarios", "79.8", "97.3", "83.3"),
)
"""DeepSeek's own, as published: model, stage, AIME 2024, MATH-500, IF-Eval."""


def headline(run: RunDirectory, policies: Sequence[Policy]) -> str:
    """From the first strict score to the last, and what became of general prompts."""
    strict = [one for one in run.evaluations if "strict" in one.get("scores", {})]
    sentence = single.headline(replace(run, evaluations=strict))
    return " ".join([sentence, *_general(policies)])


def caveats(run: RunDirectory) -> list[str]:
    """What a reader must know before believing the numbers: plain sentences, often none."""
    return [*_asked_unlike(run.evaluations), *single.unfinished(run), *_failures(run.evaluations)]


def is_r1_road(run: RunDirectory) -> bool:
    """Whether the stages that tune are R1's: cold start, RL, SFT again, RL again."""
    kinds = [stage.get("kind") for stage in run.stages.values()]
    return tuple(kind for kind in kinds if kind in R1_ROAD) == R1_ROAD


def _general(policies: Sequence[Policy]) -> Iterator[str]:
    """The first reward on general prompts that is a share, from its first mean to its last."""
    found = [(policy, policy.found[GENERAL]) for policy in policies if GENERAL in policy.found]
    if len(found) < 2:
        return
    (first, before), (last, after) = found[0], found[-1]
    for name, told in after.get("rewards", {}).items():
        old, new = (read_score(one["rewards"].get(name), "mean") for one in (before, after))
        if told.get("share") and not name.startswith("language") and old and new:
            yield (
                f"On general prompts {short_name(name)} went from {_told(old)} for {first.label} "
                f"to {_told(new)} for {last.label}."
            )
            return


def _told(score: Score) -> str:
    return f"{amount(score, True)} ({amount_interval(score, True)})"


def _asked_unlike(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """In what the evaluations were not drawn alike."""
    samplings = {str(one.get("sampling")) for one in evaluations}
    if len(samplings) > 1:
        yield f"The evaluations were not all drawn alike: {'; '.join(sorted(samplings))}."


def _failures(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Rewards that failed on samples: their means are of the others."""
    for one in evaluations:
        benchmarks: Mapping[str, Any] = one.get("benchmarks", {})
        for name, found in benchmarks.items():
            for reward, told in found.get("rewards", {}).items():
                if told.get("failed"):
                    yield f"{one['stage']}: {reward} failed on {told['failed']:.1%} of {name}."
