"""How often a reward model prefers what people preferred, on pairs it has not learnt from.

The judge is the reward itself, loaded from the checkpoint as it will be when it pays.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from grpo.checkpoint.atomic import atomic_write
from grpo.eval.intervals import Estimate, t95, wilson_limits
from grpo.model.load import quiet_loading
from grpo.recipe.stages import RewardModel
from grpo.workbench.pairs import shown
from grpo.workbench.workbench import Workbench
from grpo_data.preferences import Preference
from grpo_rewards.reward_model import RewardModel as Judge
from grpo_rewards.reward_model import Settings

Line = Mapping[str, Any]

OWN = ("id", "key", "chosen", "rejected")
METHOD = "Wilson at the effective number of pairs"
MOST_PARTS = 30
"""Values of a column above which accuracies by it would tell nothing."""


def examine_pairs(
    stage: RewardModel, bench: Workbench, checkpoint: Path, held_out: Sequence[Preference]
) -> None:
    """Score both sides of the `held_out` pairs, and file what they come to and every pair."""
    with quiet_loading():
        judge = Judge(
            Settings(
                path=str(checkpoint),
                revision=None,
                chat=True,
                device=str(bench.accelerator.device),
                dtype=bench.model.dtype,
                batch_size=2 * stage.microbatch,
                max_length=stage.max_length,
            )
        )
    chosen, rejected = map(judge, shown(held_out, stage.part))
    lines = [
        {**_words(one.columns), "id": one.id, "key": one.key, "chosen": a, "rejected": b}
        for one, a, b in zip(held_out, chosen, rejected, strict=True)
    ]
    about = {"checkpoint": bench.run.named(checkpoint), "parent": stage.parent, "part": stage.part}
    found = {**about, **account(lines)}
    results, pairs = bench.run.pairs(stage.name)
    atomic_write(pairs, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    atomic_write(results, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    Console(highlight=False).print(_sentence(stage.name, found), soft_wrap=True, markup=False)


def account(lines: Sequence[Line]) -> dict[str, Any]:
    """Accuracy with its 95% interval, all in all and by each column of few words (`kind`, say),
    and mean margin and scores.

    A pair is right where the chosen side scores higher; a tie is wrong. The margin is
    score(chosen) - score(rejected), a logit: 0.7 is 2 to 1 for the chosen.

    >>> account([{"key": "hi", "chosen": 1.5, "rejected": -0.5}])["margin"]
    2.0
    """
    return {
        "pairs": len(lines),
        "accuracy": _accuracy(lines),
        "margin": fmean(line["chosen"] - line["rejected"] for line in lines),
        "chosen": fmean(line["chosen"] for line in lines),
        "rejected": fmean(line["rejected"] for line in lines),
        "by": dict(_by_column(lines)),
    }


def _by_column(lines: Sequence[Line]) -> Iterator[tuple[str, dict[str, Any]]]:
    for column in dict.fromkeys(name for line in lines for name in line):
        values = {str(line[column]) for line in lines if column in line}
        if column not in OWN and 1 < len(values) <= MOST_PARTS:
            parts = {v: [line for line in lines if line.get(column) == v] for v in sorted(values)}
            yield column, {value: _accuracy(part) for value, part in parts.items()}


def _words(columns: Line) -> dict[str, str]:
    return {name: value for name, value in columns.items() if isinstance(value, str)}


def _accuracy(lines: Sequence[Line]) -> dict[str, Any]:
    right: dict[str, list[bool]] = defaultdict(list)
    for line in lines:
        right[line["key"]].append(line["chosen"] > line["rejected"])
    return asdict(share_right(list(right.values())))


def share_right(right: Sequence[Sequence[bool]]) -> Estimate:
    """The share p of n pairs that are `right`, given by prompt, and its 95% interval.

    Pairs about one of the K prompts resemble each other. With e_k the sum of (right - p) over
    prompt k, the design effect is D = K/(K - 1) sum_k e_k^2 / (n p (1 - p)), at least 1, and the
    interval is Wilson's for n/D pairs, or for K at p = 0 and 1, where nothing is known of the
    spread. One prompt bounds nothing: [0, 1].
    """
    n, prompts = sum(map(len, right)), len(right)
    p = sum(map(sum, right)) / n
    if prompts == 1:
        return Estimate(p, 0.0, 1.0, 1, n, METHOD)
    spread = sum((sum(hits) - p * len(hits)) ** 2 for hits in right) * prompts / (prompts - 1)
    effective = n / max(1.0, spread / (n * p * (1 - p))) if 0 < p < 1 else prompts
    return Estimate(p, *wilson_limits(p, effective, t95(prompts - 1)), prompts, n, METHOD)


def _sentence(name: str, found: Line) -> str:
    one = found["accuracy"]
    return (
        f"{name}: prefers the better of two in {one['value']:.1%} ({one['low']:.1%} to "
        f"{one['high']:.1%}) of {found['pairs']:,} held-out pairs, mean margin "
        f"{found['margin']:.2f}"
    )
