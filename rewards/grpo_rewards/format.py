"""The reward `format`: 1.0 for exactly the layout asked for, every part of it filled, else 0.0.

It never looks at what the answer is. A completion whose prompt ends with `<think>` is judged
together with that tag.
"""

import re
from collections.abc import Callable

from grpo_rewards import tags
from grpo_rewards.extract import last_boxed
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import Judged, Sample
from grpo_rewards.words import plain

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*(\{)?")
_AFTER_BOX = re.compile(r"(?:[\s$.。*]|\\[)\]])*")
_NO_CONTENT = re.compile(r"[{}$]|\\[,;:! ]")
_TAG = re.compile(r"[<‹〈⟨]\s*/?\s*(?:think|answer)\s*[>›〉⟩]", re.IGNORECASE)


def format(*, variant: str = "r1") -> RuleReward:
    """The layout named by `variant`; whitespace around its parts is free.

    | variant  | the completion                                                             |
    | -------- | -------------------------------------------------------------------------- |
    | `r1`     | one think block, then one answer block                                     |
    | `think`  | one think block, then text without tags                                    |
    | `boxed`  | one think block, then text without tags that ends in its only `\\boxed{}`   |
    | `answer` | one answer block                                                           |

    Nothing stands before, between or after; tags are exact, and a look-alike (`<Answer>`, full
    width) in the text after the thought is no text without tags. Raises ValueError for a variant
    that is not there.
    """
    if variant not in _LAYOUTS:
        raise ValueError(f"no format variant {variant!r}; there are {', '.join(_LAYOUTS)}")
    has_layout = _LAYOUTS[variant]

    def quick(sample: Sample) -> Judged:
        fits = has_layout(sample.text, tags.opened_by(sample.prompt))
        return Judged(1.0, "correct") if fits else Judged(0.0, "wrong")

    return RuleReward("format", quick)


def _is_r1(text: str, prefix: str) -> bool:
    return tags.parse(text, prefix) is not None


def _is_think(text: str, prefix: str) -> bool:
    parts = tags.thought_and_rest(text, prefix)
    return parts is not None and _is_untagged(parts[1])


def _is_boxed(text: str, prefix: str) -> bool:
    parts = tags.thought_and_rest(text, prefix)
    return parts is not None and _is_untagged(parts[1]) and _ends_in_only_box(parts[1])


def _is_answer(text: str, prefix: str) -> bool:
    return tags.answer_block(prefix + text) is not None


def _is_untagged(text: str) -> bool:
    return tags.is_filled(text) and _TAG.search(plain(text)) is None


def _ends_in_only_box(text: str) -> bool:
    boxes = list(_BOX.finditer(text))
    if len(boxes) != 1 or not boxes[0][1]:
        return False
    end = text.rfind("}")
    content = text[boxes[0].end() : end].strip()
    is_last = _AFTER_BOX.fullmatch(text, end + 1) is not None
    return is_last and content == last_boxed(text) and tags.is_filled(_NO_CONTENT.sub("", content))


_LAYOUTS: dict[str, Callable[[str, str], bool]] = {
    "r1": _is_r1,
    "think": _is_think,
    "boxed": _is_boxed,
    "answer": _is_answer,
}
