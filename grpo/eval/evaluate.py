"""One evaluation: draw, judge three ways, estimate.

Strict: R1's layout and the right answer in it. Lenient: the last number of the text is right,
tags or none. Format: the layout alone. Other benchmarks and other estimators are not here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from grpo.eval.estimators import Estimate, share
from grpo.rollout.collect import Collector
from grpo.types import Group, Judgement
from grpo_data.problem import Problem

JUDGES = {"accuracy": 1.0, "format": 1.0, "accuracy_lenient": 1.0}


def right(judgement: Judgement, name: str) -> bool:
    """Whether the reward `name` was paid in full."""
    return (judgement.parts.get(name) or 0.0) >= 1.0


VERDICTS: dict[str, Callable[[Judgement], bool]] = {
    "strict": lambda j: right(j, "accuracy") and right(j, "format"),
    "lenient": lambda j: right(j, "accuracy_lenient"),
    "format": lambda j: right(j, "format"),
}


@dataclass(frozen=True)
class Evaluation:
    """The groups and what they come to.

    >>> Evaluation(groups, {"strict": Estimate(0.124, 0.105, 0.146, 1000), ...}, {"chain": ...})
    """

    groups: tuple[Group, ...]
    scores: dict[str, Estimate]
    by_kind: dict[str, dict[str, Estimate]]

    def results(self) -> dict[str, Any]:
        """Everything but the samples, as plain JSON."""
        completions = [c for group in self.groups for c in group.completions]
        return {
            "problems": len(self.groups),
            "samples": len(self.groups[0].completions),
            "scores": {name: _plain(score) for name, score in self.scores.items()},
            "mean_length": fmean(len(c.token_ids) for c in completions),
            "truncated": fmean(c.finish_reason == "length" for c in completions),
            "by_kind": {
                kind: {name: _plain(score) for name, score in scores.items()}
                for kind, scores in self.by_kind.items()
            },
        }

    def rows(self) -> list[dict[str, Any]]:
        """Every sample with its verdicts, one row each."""
        return [
            {
                "problem_id": group.problem.id,
                "kind": str(group.problem.columns.get("kind", "")),
                "language": str(group.problem.columns.get("language", "")),
                "question": group.problem.question,
                "answer": group.problem.answer,
                "completion": completion.text,
                **{name: verdict(judgement) for name, verdict in VERDICTS.items()},
                "finish_reason": completion.finish_reason,
            }
            for group in self.groups
            for completion, judgement in zip(group.completions, group.judgements, strict=True)
        ]


def evaluate(collector: Collector, problems: Sequence[Problem], step: int = 0) -> Evaluation:
    """Score `problems`; the collector's scorer must judge by JUDGES, its group size is k."""
    groups = collector.collect(problems, step)
    kinds = sorted({str(p.columns["kind"]) for p in problems if p.columns.get("kind")})
    by_kind = {
        kind: scores([group for group in groups if group.problem.columns.get("kind") == kind])
        for kind in kinds
    }
    return Evaluation(groups, scores(groups), by_kind)


def _plain(score: Estimate) -> dict[str, float | None]:
    """The score in JSON's words, where a share of nothing is null."""
    return {k: v if math.isfinite(v) else None for k, v in asdict(score).items()}


def scores(groups: Sequence[Group]) -> dict[str, Estimate]:
    """Strict, lenient and format shares, and accuracy among the well-formed."""
    hits = {
        name: [[verdict(j) for j in group.judgements] for group in groups]
        for name, verdict in VERDICTS.items()
    }
    estimates = {name: share(table) for name, table in hits.items()}
    return estimates | {"accuracy_given_format": share(hits["strict"], among=hits["format"])}
