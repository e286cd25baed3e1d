"""What counts as the final answer of a completion, and of a reference.

| case                                           | `strict_answer`         | `lenient_answer`    |
| ---------------------------------------------- | ----------------------- | ------------------- |
| one `<answer>` block, after the thought        | its content             | see below           |
| ... with `\\boxed{}` in it                      | the box                 | the box             |
| several, nested or unclosed answer tags        | none                    | tags are ignored    |
| answer block inside the thought                | none                    | tags are ignored    |
| no answer tags                                 | last box after thought  | last box            |
| thought never closed                           | none                    | last box            |
| boxes joined by a comma or "and"               | one list of all         | one list of all     |
| several boxes apart                            | the last                | the last            |
| no box either                                  | none                    | last number         |

Strict is what a policy is paid for, so it never guesses: a number in passing is no answer.
Lenient is for measurement only. No text is changed here; `grpo_rewards.plain` does that.
"""

import re
from collections import deque

from grpo_rewards.tags import ANSWER, END_ANSWER, END_THINK, THINK

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_JOINER = re.compile(
    r"(?:\s|\$|\\[\[\]()]|\\q?quad\b|\\[,;!])*"
    r"(?:,|;|、|和|或|\band\b|\bor\b|\\text\s*\{\s*(?:and|or)\s*\})"
    r"(?:\s|\$|\\[\[\]()]|\\q?quad\b|\\[,;!]|\\text\s*\{\s*(?:and|or)\s*\}|\band\b|\bor\b)*"
)
_NUMBER = re.compile(
    r"(?:(?<![\w)}\]])[-\u2212])?"
    r"(?:\\[dt]?frac\{\d+\}\{\d+\}|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+|(?=\.\d))(?:\.\d+)?(?:/\d+)?)"
    r"(?:\s*\\?%)?"
)
_MAX_JOINED, _MAX_JOINER_CHARS, _MAX_BOX_CHARS = 32, 60, 2000


def strict_answer(text: str, prefix: str = "") -> str | None:
    """The final answer a policy is paid for, or None; `prefix` as in `tags.parse`."""
    text = prefix + text
    if ANSWER in text or END_ANSWER in text:
        block = _only_block(text)
        if block is None:
            return None
        boxed = last_boxed(block)
        return block if boxed is None else boxed
    rest = text.rpartition(END_THINK)[2]
    return None if THINK in rest else last_boxed(rest)


def lenient_answer(text: str) -> str | None:
    """The last `\\boxed{}`, else the last number, wherever it stands."""
    boxed = last_boxed(text)
    return last_number(text) if boxed is None else boxed


def reference_answer(reference: str) -> str:
    """The answer inside a reference: a solution's last box, GSM8K's `#### 18`, else all of it."""
    boxed = last_boxed(reference)
    if boxed is not None:
        return boxed
    return reference.rpartition("####")[2].strip()


def last_number(text: str) -> str | None:
    """The last number written in `text` (thousands commas, decimals, a/b, \\frac, percent)."""
    last = deque(_NUMBER.finditer(text), 1)
    return last[0].group() if last else None


def last_boxed(text: str) -> str | None:
    """The content of the last `\\boxed{}`; boxes joined by a comma or "and" make one list."""
    found: list[str] = []
    after = None
    for start, inside in reversed([m.span() for m in deque(_BOX.finditer(text), _MAX_JOINED)]):
        end = _closing(text, inside, len(text) if after is None else after)
        if end is None or (after is not None and not _joined(text[end + 1 : after])):
            break
        found.append(text[inside:end].strip())
        after = start
    return ", ".join(reversed(found)) if found else None


def _only_block(text: str) -> str | None:
    """The content of the answer block if there is exactly one and no thought is open around it."""
    if text.count(ANSWER) != 1 or text.count(END_ANSWER) != 1:
        return None
    before, _, rest = text.partition(ANSWER)
    block, closed, _ = rest.partition(END_ANSWER)
    inside_thought = before.rfind(THINK) > before.rfind(END_THINK) or END_THINK in rest
    return block.strip() if closed and not inside_thought and THINK not in rest else None


def _joined(between: str) -> bool:
    return len(between) <= _MAX_JOINER_CHARS and _JOINER.fullmatch(between) is not None


def _closing(text: str, inside: int, stop: int) -> int | None:
    """Where the brace opened just before `inside` is closed; escaped braces are characters."""
    depth, at = 1, inside
    stop = min(stop, inside + _MAX_BOX_CHARS)
    while at < stop:
        char = text[at]
        if char == "\\":
            at += 1
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return at
        at += 1
    return None
