"""The program in a completion: what a policy is paid for when it was asked for code.

| case                                        | program                                   |
| ------------------------------------------- | ----------------------------------------- |
| one `<answer>` block, after the thought     | looked for inside it, and only there      |
| ... with no fence in it                     | all of it                                 |
| several, nested or unclosed answer tags     | none                                      |
| answer block inside the thought             | none                                      |
| thought never closed                        | none                                      |
| blocks fenced as python, py or python3      | the last of them                          |
| none of these, but fenced without a name    | the last of them                          |
| fenced under another name (bash, cpp, ...)  | never                                     |
| fence never closed                          | none: the program was cut off             |
| no fence and no answer tags                 | none: code in passing is no answer        |

Strict, as `grpo_rewards.extract` is. Whether it is any Python is the sandbox's to find out.
"""

from grpo_rewards.tags import ANSWER, END_ANSWER, END_THINK, THINK

_MARK = "```"
_MOST_INDENT = 3
_NAMES = ("python", "py", "python3")


def program_of(text: str, prefix: str = "") -> str | None:
    """The program `text` answers with, or None; `prefix` as in `tags.parse`."""
    text = prefix + text
    if ANSWER not in text and END_ANSWER not in text:
        rest = text.rpartition(END_THINK)[2]
        return None if THINK in rest else _fenced(rest)
    block = _only_block(text)
    if block is None:
        return None
    return _fenced(block) if _MARK in block else block.strip("\n") or None


def _only_block(text: str) -> str | None:
    """The content of the answer block, if there is exactly one and it stands after the thought."""
    if text.count(ANSWER) != 1 or text.count(END_ANSWER) != 1:
        return None
    before, _, rest = text.partition(ANSWER)
    block, closed, after = rest.partition(END_ANSWER)
    is_inside = before.rfind(THINK) > before.rfind(END_THINK) or END_THINK in rest
    return block if closed and not is_inside and THINK not in after else None


def _fenced(text: str) -> str | None:
    """The last block fenced as Python, else the last without a name; None where one is open."""
    found: dict[bool, str] = {}
    fence, name, lines = 0, "", list[str]()
    for line in text.split("\n"):
        width, word = _mark(line)
        if not fence and width:
            fence, name, lines = width, word, []
        elif fence and width >= fence and not word:
            if not name or name in _NAMES:
                found[bool(name)] = "\n".join(lines)
            fence = 0
        else:
            lines.append(line)
    program = found.get(True, found.get(False))
    return program if not fence and program and program.strip() else None


def _mark(line: str) -> tuple[int, str]:
    """How many backticks a fence has and the first word after them; (0, "") for another line."""
    bare = line.strip()
    width = len(bare) - len(bare.lstrip("`"))
    indent = len(line) - len(line.lstrip())
    if width < len(_MARK) or indent > _MOST_INDENT or "`" in bare[width:]:
        return 0, ""
    return width, bare[width:].split(maxsplit=1)[0].lower() if bare[width:].strip() else ""
