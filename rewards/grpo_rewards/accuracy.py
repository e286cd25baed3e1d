"""The rewards `accuracy` and `accuracy_lenient`: 1.0 where the final answer equals the reference.

They differ only in where they look for the answer (`grpo_rewards.extract`); both compare by
`grpo_rewards.equal`. The reference is the column `answer`, or TRL's `solution`. A row whose
reference is missing or unreadable is skipped: nobody could have been right.
"""

from collections.abc import Callable, Mapping
from typing import Any

from grpo_rewards import tags
from grpo_rewards.equal import Comparison, compare_quickly, compare_symbolically
from grpo_rewards.errors import RewardError
from grpo_rewards.extract import lenient_answer, reference_answer, strict_answer
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import SKIPPED, UNPARSEABLE, Judged, Sample

_JUDGED = {
    Comparison.EQUAL: Judged(1.0, "correct"),
    Comparison.DIFFERENT: Judged(0.0, "wrong"),
    Comparison.BAD_ANSWER: UNPARSEABLE,
    Comparison.BAD_GOLD: SKIPPED,
}
_REFERENCE_COLUMNS = ("answer", "solution")


def accuracy() -> RuleReward:
    """The final answer, strictly: in the answer block, or boxed."""
    return _rule("accuracy", strict_answer)


def accuracy_lenient() -> RuleReward:
    """The last answer of the text, wherever it stands."""
    return _rule("accuracy_lenient", lenient_answer)


def reference(columns: Mapping[str, Any]) -> str | None:
    """The reference answer of a row, or None where its column holds none.

    Raises RewardError where the row has no column a reference could stand in.
    """
    value = columns[reference_column(columns)]
    return None if value is None else reference_answer(str(value))


def reference_column(columns: Mapping[str, Any], reward: str = "accuracy") -> str:
    """The column the reference stands in. Raises RewardError where there is none."""
    name = next((name for name in _REFERENCE_COLUMNS if name in columns), None)
    if name is None:
        raise RewardError(
            f"{reward} needs the reference in a column `answer` or `solution`, but the row has "
            f"{sorted(columns) or 'no columns'}; name the column in the recipe's data section"
        )
    return name


def prepare() -> None:
    """Import sympy and warm it up, for a worker that will compare."""
    from grpo_rewards import symbolic  # sympy: wanted only where `full` will run

    symbolic.warm_up()


def _rule(name: str, find: Callable[[str, str], str | None]) -> RuleReward:
    def quick(sample: Sample) -> Judged | None:
        gold, answer = reference(sample.columns), _found(sample)
        if gold is None:
            return SKIPPED
        found = compare_quickly(gold, answer)
        return None if found is None else _JUDGED[found]

    def full(sample: Sample) -> Judged:
        return _JUDGED[compare_symbolically(reference(sample.columns) or "", _found(sample))]

    def _found(sample: Sample) -> str:
        return find(sample.text, tags.opened_by(sample.prompt)) or ""

    return RuleReward(name, quick, full, prepare)
