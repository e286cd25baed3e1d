"""A chat template cut into what stands around each message, found by rendering it.

A Jinja template is a program; this covers those that only set constant texts around the turns, and
says of others that it cannot. What such a program leaves out of earlier turns (thoughts) stays in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase as Tokenizer

Message = Mapping[str, str]
Around = tuple[str, str]

_ROLES = {"s": "system", "u": "user", "a": "assistant"}
_CONTENTS = ("Ada Wong", "Bo Lind", "Cy Marsh", "Di Novak", "Ed Quist", "Flo Hart")
"""What the turns of a conversation say: texts that stand in no template."""


class UnknownTurns(ValueError):
    """The template is no row of constant texts; the sentence says why."""


@dataclass(frozen=True)
class Turns:
    """The texts before and after each role's content, and those at both ends.

    `begin` opens a conversation with a system text, `begin_bare` one without, where some templates
    put in a system text of their own. `opening` begins the answer, `stop` is the token that ends
    it. `system` of None: the template takes no system text.

    >>> Turns(begin="", begin_bare="", system=("<|system|>", "<|end|>"),
    ...       user=("<|user|>", "<|end|>"), assistant=("<|assistant|>", "<|end|>"),
    ...       opening="<|assistant|>", stop="<|end|>")
    """

    begin: str
    begin_bare: str
    system: Around | None
    user: Around
    assistant: Around
    opening: str
    stop: str

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation with the answer opened, as the template writes it."""
        has_system = messages[0]["role"] == "system"
        text = self.begin if has_system else self.begin_bare
        for message in messages:
            before, after = getattr(self, message["role"])
            text += before + message["content"] + after
        return text + self.opening


def turns_of(tokenizer: Tokenizer) -> Turns | None:
    """The turns of the tokenizer's chat template; None where it has none.

    Raises UnknownTurns for a template that is more than constant texts around messages.
    """
    if not chat_template(tokenizer):
        return None
    try:
        turns = _cut(_Template(tokenizer))
    except TemplateError as error:
        raise UnknownTurns(f"the chat template refuses a plain conversation ({error})") from error
    for messages in _conversations(with_system=turns.system is not None):
        if turns.render(messages) != _Template(tokenizer).text(messages):
            raise UnknownTurns("the chat template does more than set texts around the turns")
    return turns


def chat_template(tokenizer: Tokenizer) -> str | None:
    """The template of plain chats, where a tokenizer may have others for tools besides."""
    held = tokenizer.chat_template
    return held.get("default") if isinstance(held, dict) else held


class _Template:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def text(self, messages: Sequence[Message], *, opened: bool = True) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=opened
            )
        )

    def around(self, roles: str, *, opened: bool = True) -> list[str]:
        """What stands before, between and after the contents of turns "s", "u" and "a"."""
        messages = _conversation(roles)
        rest, pieces = self.text(messages, opened=opened), []
        for message in messages:
            piece, found, rest = rest.partition(message["content"])
            if not found:
                raise UnknownTurns(f"the chat template leaves a {message['role']} turn out")
            pieces.append(piece)
        return [*pieces, rest]

    def takes_system(self) -> bool:
        try:
            self.around("su")
        except (TemplateError, UnknownTurns):
            return False
        return True


def _cut(template: _Template) -> Turns:
    start, to_assistant, to_user, end = template.around("uau")
    *_, after_user = template.around("u", opened=False)
    *_, after_assistant = template.around("ua", opened=False)
    before_user = _without_start(to_user, after_assistant)
    begin_bare = _without_end(start, before_user)
    begin, system = begin_bare, None
    if template.takes_system():
        first, second, _ = template.around("su", opened=False)
        begin = _bos(template.tokenizer, first, before_user)
        system = first.removeprefix(begin), _without_end(second, before_user)
    return Turns(
        begin=begin,
        begin_bare=begin_bare,
        system=system,
        user=(before_user, after_user),
        assistant=(_without_start(to_assistant, after_user), after_assistant),
        opening=_without_start(end, after_user),
        stop=_stop(template.tokenizer, after_assistant),
    )


def _bos(tokenizer: Tokenizer, start: str, before_user: str) -> str:
    """The begin token at the start of a conversation; none where it is what opens every turn."""
    bos = str(tokenizer.bos_token or "")
    opens_turns = before_user.startswith(bos)
    return bos if start.startswith(bos) and not opens_turns else ""


def _stop(tokenizer: Tokenizer, after_assistant: str) -> str:
    """The first special token after an answer; where there is none, the end of text."""
    tokens = [str(t) for t in tokenizer.added_tokens_decoder.values() if t.special]
    found = [(after_assistant.find(token), token) for token in tokens if token in after_assistant]
    return min(found)[1] if found else str(tokenizer.eos_token)


def _without_start(text: str, start: str) -> str:
    if not text.startswith(start):
        raise UnknownTurns(f"the chat template has {text!r} where {start!r} was to begin it")
    return text[len(start) :]


def _without_end(text: str, end: str) -> str:
    if not text.endswith(end):
        raise UnknownTurns(f"the chat template has {text!r} where {end!r} was to end it")
    return text[: len(text) - len(end)]


def _conversation(roles: str) -> list[dict[str, str]]:
    return [
        {"role": _ROLES[role], "content": content}
        for role, content in zip(roles, _CONTENTS, strict=False)
    ]


def _conversations(*, with_system: bool) -> list[list[dict[str, str]]]:
    starts = ("", "s") if with_system else ("",)
    return [_conversation(start + rest) for start in starts for rest in ("u", "uau", "uauau")]
