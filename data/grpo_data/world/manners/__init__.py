"""Good manners: general prompts of the tiny world, and the exact rule check of answers to them.

`grpo_data.world.manners:manners` is a reward function with TRL's signature. It knows the sentences
a good answer is made of and takes no others: it judges the tiny world, not conversation at large.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from grpo_data.world.manners.judge import is_good

Said = str | Sequence[Mapping[str, Any]]


def manners(
    prompts: Sequence[Any], completions: Sequence[Said], **columns: Any
) -> list[float | None]:
    """1.0 where the general prompt is answered well, 0.0 where not, None for any other problem.

    Reads the columns that the world's general problems have; a `<think>` block is passed over, of
    an `<answer>` block its content is judged.

    Raises ValueError where the columns that tell what a general prompt asks are not there.
    """
    lists = {name: values for name, values in columns.items() if isinstance(values, list | tuple)}
    rows = ({name: values[row] for name, values in lists.items()} for row in range(len(prompts)))
    return [_value(said, row) for said, row in zip(completions, rows, strict=True)]


def _value(said: Said, row: Mapping[str, Any]) -> float | None:
    good = is_good(said, row)
    return None if good is None else float(good)
