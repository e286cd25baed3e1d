"""The exact step checker as a reward for steps: `grpo_data.world.process:steps` in a recipe.

A step is a sentence with an equation in it. What argues without arithmetic has no steps, and the
conclusion is none: whether the answer is right is another reward's business.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from grpo_data.world.checker import EQUATION, check_steps

Scored = list[tuple[int, float]]

_END = re.compile(r"[.。]|(?=<|\n)|\Z")


def steps(
    completions: Sequence[str | Sequence[Mapping[str, Any]]],
    steps: Sequence[Sequence[str] | None],
    **columns: Any,
) -> list[Scored | None]:
    """(end, 1.0 or 0.0) of each step of the completions; None for a problem without `steps`."""
    pairs = zip(map(_text, completions), steps, strict=True)
    return [None if asked is None else scored(text, asked) for text, asked in pairs]


def scored(text: str, asked: Sequence[str]) -> Scored:
    """1 for a sentence whose equations are true and asked for where they stand, else 0.

    `asked` are the problem's right steps. A sentence that only says again what was right before is
    no step: were it paid, a policy would learn to repeat itself.

    >>> scored("First, 7+5=12. Then 12*2=25. Wait, 12*2=24.", ["7+5=12", "12*2=24"])
    [(14, 1.0), (28, 0.0), (43, 1.0)]
    """
    left = Counter(asked)
    found: dict[int, float] = {}
    for match, step in zip(EQUATION.finditer(text), check_steps(text, asked), strict=True):
        right = step.true and step.expected
        if right and not left[step.text]:
            continue
        left[step.text] -= right
        end = _END.search(text, match.end())
        assert end is not None, "the end of the text is an end"
        found[end.end()] = min(found.get(end.end(), 1.0), float(right))
    return sorted(found.items())


def _text(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """What was said, of TRL's two shapes of completion."""
    if isinstance(completion, str):
        return completion
    return "\n".join(str(turn["content"]) for turn in completion)
