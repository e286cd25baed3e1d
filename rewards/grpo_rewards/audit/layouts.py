"""How a completion may be laid out, and which layout and shape a reward understands.

A reward is not asked for its layout, it is tried: the one in which it tells good from bad is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Message = Mapping[str, str]


@dataclass(frozen=True)
class Layout:
    """The marks around a thought and around an answer; an empty mark is none.

    `name` is for the reader. A layout may have no place for a thought at all.

    >>> TAGS.write("3 + 4 = 7", "7")
    '<think>3 + 4 = 7</think>\\n<answer>7</answer>'
    """

    name: str
    open_thought: str
    close_thought: str
    open_answer: str
    close_answer: str
    shows_thought: bool = True

    def write(self, thought: str, answer: str) -> str:
        """A whole completion."""
        return self.thought(thought) + self.answer(answer)

    def thought(self, thought: str) -> str:
        """The first part of a completion."""
        return f"{self.open_thought}{thought}{self.close_thought}" if self.shows_thought else ""

    def answer(self, answer: str) -> str:
        """The last part of a completion."""
        return f"{self.open_answer}{answer}{self.close_answer}"

    @property
    def has_thought_block(self) -> bool:
        """Whether the thought stands in a block of its own."""
        return bool(self.open_thought)

    @property
    def has_answer_block(self) -> bool:
        """Whether the answer has a beginning and an end: tags, a box, a fence."""
        return bool(self.close_answer)

    @property
    def has_answer_tags(self) -> bool:
        """Whether the answer stands in a block of tags."""
        return self.open_answer.startswith("<")


_THOUGHT = ("<think>", "</think>\n")
TAGS = Layout("<think>..</think> <answer>..</answer>", *_THOUGHT, "<answer>", "</answer>")
LINES = Layout(
    "both blocks, each tag on its line", "<think>\n", "\n</think>\n", "<answer>\n", "\n</answer>"
)
ANSWER = Layout("text and <answer>..</answer>", "", "\n", "<answer>", "</answer>")
ANSWER_ALONE = Layout("<answer>..</answer>", "", "", "<answer>", "</answer>", shows_thought=False)
THINK = Layout("<think>..</think> and text", *_THOUGHT, "", "")
BOXED = Layout(r"<think>..</think> \boxed{..}", *_THOUGHT, r"\boxed{", "}")
HASHES = Layout("text and #### ..", "", "\n", "#### ", "")
BARE = Layout("text alone", "", "\n", "The answer is ", "")
FENCED = Layout("<think>..</think> ```python", *_THOUGHT, "```python\n", "\n```")
FENCED_TAGS = Layout(
    "<think>..</think> <answer>```python", *_THOUGHT, "<answer>\n```python\n", "\n```\n</answer>"
)


@dataclass(frozen=True)
class Speaker:
    """How completions are put to a reward: in a layout, as a string or as TRL's chat messages.

    >>> Speaker(TAGS, as_chat=True).completion("<think>...")
    [{'role': 'assistant', 'content': '<think>...'}]
    """

    layout: Layout
    as_chat: bool = False

    def prompt(self, text: str) -> str | Sequence[Message]:
        """The question as the reward wants it."""
        return [{"role": "user", "content": text}] if self.as_chat else text

    def completion(self, text: str) -> str | Sequence[Message]:
        """The completion as the reward wants it."""
        return [{"role": "assistant", "content": text}] if self.as_chat else text
