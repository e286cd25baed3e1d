"""A reward of no meaning that hardly any two completions share."""

import zlib
from collections.abc import Sequence
from typing import Any

from grpo_rewards import completion_text


def spread(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """A number in [0, 1] that hangs on the completion's text alone."""
    texts = map(completion_text, completions)
    return [zlib.crc32(text.encode()) / (2**32 - 1) for text in texts]
