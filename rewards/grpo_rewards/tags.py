"""R1's layout: one `<think>` block, then one `<answer>` block, and nothing else but whitespace.

Tags are exact, lower-case strings. No repair is tried: a near miss is a miss, else the reward
would teach it.
"""

import unicodedata
from dataclasses import dataclass

THINK, END_THINK = "<think>", "</think>"
ANSWER, END_ANSWER = "<answer>", "</answer>"


@dataclass(frozen=True)
class Tagged:
    """The two blocks of a completion in the layout, stripped.

    >>> Tagged(thought="3 + 4 = 7", answer="7")
    """

    thought: str
    answer: str


def parse(text: str, prefix: str = "") -> Tagged | None:
    """The blocks of `text`, or None where it is not exactly the layout with both blocks filled.

    `prefix` is what the prompt has already written of the layout, `<think>` where the template
    opens the thought itself (see `opened_by`).
    """
    text = (prefix + text).strip()
    if any(text.count(tag) != 1 for tag in (THINK, END_THINK, ANSWER, END_ANSWER)):
        return None
    head, _, rest = text.partition(THINK)
    thought, _, rest = rest.partition(END_THINK)
    between, _, rest = rest.partition(ANSWER)
    answer, closed, tail = rest.partition(END_ANSWER)
    if head or between.strip() or tail or not closed:
        return None
    return Tagged(thought.strip(), answer.strip()) if _filled(thought, answer) else None


def opened_by(prompt: str) -> str:
    """`<think>` where the prompt ends with it, so that the completion begins inside the thought."""
    return THINK if prompt.rstrip().endswith(THINK) else ""


def thought_of(text: str, prefix: str = "") -> str:
    """The chain of thought: what stands in the first think block, or all of an untagged text."""
    text = prefix + text
    head, opened, rest = text.partition(THINK)
    return rest.partition(END_THINK)[0] if opened else head.partition(END_THINK)[0]


def _filled(*blocks: str) -> bool:
    return all(any(_visible(char) for char in block) for block in blocks)


def _visible(char: str) -> bool:
    """Whether a character shows: spaces, controls and zero-width marks (Z*, C*) do not."""
    return unicodedata.category(char)[0] not in "ZC"
