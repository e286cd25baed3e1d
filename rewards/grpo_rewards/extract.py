"""What counts as the final answer of a completion, and of a reference.

`strict_answer` is what a policy is paid for, so it never guesses: a number in passing is no answer.
`lenient_answer` is for measurement: where strict finds nothing, it looks on. docs/answers.md has
the table. No text is changed here; `grpo_rewards.clean` does that.
"""

import re
from collections import deque

from grpo_rewards.phrases import after_last_phrase, announced, first_sentence, is_prose
from grpo_rewards.tags import ANSWER, END_ANSWER, END_THINK, THINK

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SPACE = r"\s|\$|\\[\[\]()]|\\q?quad\b|\\[,;!]"
_AND = r"\band\b|\bor\b|\\text\s*\{\s*(?:and|or)\s*\}"
_JOINER = re.compile(
    rf"(?:{_SPACE})*(?:[a-z]{{2,12}}\s+(?=and\b))?(?:,|;|、|和|或|{_AND})(?:{_SPACE}|{_AND})*"
)
_NUMBER = re.compile(
    r"(?:(?<![\w)}\]])[-\u2212])?"
    r"(?:\\[dt]?frac\{\d+\}\{\d+\}|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+|(?=\.\d))(?:\.\d+)?(?:/\d+)?)"
    r"(?:\s*\\?%)?"
)
_SUBJECT = re.compile(r"[\u4e00-\u9fff]{2,}\s*[-\d\\$(]")
_TAG = re.compile(r"</?(?:think|answer)>")
_FORMULA = re.compile(
    r"\$\$([^$]+)\$\$|(?<!\\)\$((?:\\\$|[^$])+)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL
)
_MAX_JOINED, _MAX_JOINER_CHARS, _MAX_BOX_CHARS, _MAX_TAIL_CHARS = 32, 60, 2000, 2000


def strict_answer(text: str, prefix: str = "") -> str | None:
    """The final answer a policy is paid for, or None; `prefix` as in `tags.parse`."""
    text = prefix + text
    if ANSWER in text or END_ANSWER in text:
        block = _only_block(text)
        if block is None:
            return None
        boxed = last_boxed(block)
        return announced(block) if boxed is None else boxed
    rest = text.rpartition(END_THINK)[2]
    return None if THINK in rest else last_boxed(rest)


def lenient_answer(text: str, prefix: str = "") -> str | None:
    """The strict answer; else the last box, the last announced answer, the last formula or number,
    wherever it stands."""
    found = strict_answer(text, prefix)
    if found is not None and not is_prose(found):
        return found
    text = text if found is None else found
    boxed = last_boxed(text)
    if boxed is not None:
        return boxed
    rest = after_last_phrase(text)
    stated = _stated(first_sentence(rest)) if rest else None
    return _stated(text) if stated is None else stated


def reference_answer(reference: str) -> str:
    """The answer inside a reference: a solution's last box, GSM8K's `#### 18`, else all of it."""
    boxed = last_boxed(reference)
    if boxed is not None:
        return boxed
    return reference.rpartition("####")[2].strip()


def last_number(text: str) -> str | None:
    """The last number written in `text` (thousands commas, decimals, a/b, \\frac, percent)."""
    last = _last(_NUMBER, text)
    return last.group() if last else None


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


def _stated(text: str) -> str | None:
    """The text itself where it is short and no prose, else its last formula or number."""
    text = text.strip()
    tail = text[-_MAX_TAIL_CHARS:]
    formula, number = _last(_FORMULA, tail), _last(_NUMBER, text)
    is_bare = any(char.isdigit() or char == "\\" for char in text) or text.isalpha()
    most = 1 if formula or _TAG.search(text) or _SUBJECT.match(text) else 3
    if tail == text and is_bare and not is_prose(_FORMULA.sub("", text), most):
        return text
    if formula and (number is None or formula.end() + len(text) - len(tail) >= number.end()):
        inside = next(filter(None, formula.groups()))
        return inside.strip() if not is_prose(inside, 2) else number and number.group()
    return number.group() if number else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = deque(pattern.finditer(text), 1)
    return last[0] if last else None
