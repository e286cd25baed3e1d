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


def reference(columns: Mapping[str, Any]) -> str | None:
    """The reference answer of a row, or None where its column holds none.

    Raises RewardError where the row has no column a reference could stand in.
    """
    name = next((name for name in _REFERENCE_COLUMNS if name in columns), None)
    if name is None:
        raise RewardError(
            f"accuracy needs the reference in a column `answer` or `solution`, but the row has "
            f"{sorted(columns) or 'no columns'}; name the column in the recipe's data section"
        )
    return None if columns[name] is None else reference_answer(str(columns[name]))


def _strict(sample: Sample) -> str | None:
    return strict_answer(sample.text, tags.opened_by(sample.prompt))


def _lenient(sample: Sample) -> str | None:
    return lenient_answer(sample.text)


def _rule(name: str, find: Callable[[Sample], str | None]) -> RuleReward:
    def quick(sample: Sample) -> Judged | None:
        gold, answer = reference(sample.columns), find(sample)
        if gold is None:
            return SKIPPED
        found = compare_quickly(gold, "" if answer is None else answer)
        return None if found is None else _JUDGED[found]

    def full(sample: Sample) -> Judged:
        gold, answer = reference(sample.columns), find(sample)
        return _JUDGED[compare_symbolically(gold or "", answer or "")]

    return RuleReward(name, quick, full, _prepare)


def _prepare() -> None:
    from grpo_rewards import symbolic  # sympy: wanted only where `full` will run

    symbolic.warm_up()


accuracy = _rule("accuracy", _strict)
accuracy_lenient = _rule("accuracy_lenient", _lenient)
