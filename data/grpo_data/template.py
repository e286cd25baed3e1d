"""From a problem to the prompt's text and token ids, by the tokenizer's own chat template.

Few-shot examples and several turns are left out: a recipe's system and user texts say it all, and
the chat format itself belongs to the model's tokenizer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from grpo_data.problem import Problem
from grpo_data.sources import missing_column

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Only {name} is a place to fill: \boxed{} and \frac{1}{2} in a prompt are meant as they stand.
_PLACE = re.compile(r"\{\{(\w*)\}\}|\{([^\W\d]\w*)\}")


def render(
    tokenizer: "PreTrainedTokenizerBase",
    problem: Problem,
    *,
    system: str | None,
    user: str,
    prefill: str = "",
    chat: bool = True,
) -> tuple[str, tuple[int, ...]]:
    """The prompt of `problem` as text and as token ids (1 to T of them), ready for a completion.

    `user` is the user's turn with `{question}` and any `{column}` of the problem in it; `{{name}}`
    is the plain text `{name}`, and so is every other brace. With `chat` the tokenizer's template
    sets the turns and opens the assistant's; without, `user` is the whole prompt. `prefill` begins
    the completion ("<think>"). The ids hold one beginning-of-text token where the template or the
    tokenizer puts one, never two, and no end token of the tokenizer's own.

    Raises ValueError for a `{column}` the problem does not have, `chat` with a tokenizer that has
    no chat template or whose template refuses the messages, and `system` without `chat`.
    """
    messages = conversation(problem, system=system, user=user)
    if not chat:
        if system is not None:
            raise ValueError("a system text needs chat: true; otherwise put it in the user text.")
        return _raw(tokenizer, messages[-1]["content"] + prefill)
    text = templated(tokenizer, messages) + prefill
    # The template has written the special tokens out; the tokenizer would add a second BOS.
    return text, token_ids(tokenizer, text, special=False)


def conversation(problem: Problem, *, system: str | None, user: str) -> list[dict[str, str]]:
    """The turns before the assistant's, as chat messages; the texts are `render`'s.

    Raises ValueError for a `{column}` the problem does not have.
    """
    asked = {"role": "user", "content": _filled(user, problem)}
    return [asked] if system is None else [{"role": "system", "content": system}, asked]


def _filled(user: str, problem: Problem) -> str:
    values: dict[str, Any] = {**problem.columns, "question": problem.question}

    def value(place: re.Match[str]) -> str:
        literal, name = place.groups()
        if literal is not None:
            return f"{{{literal}}}"
        if name not in values:
            raise ValueError(
                f"the user text asks for {{{name}}}, and problem {problem.id!r} has "
                f"{missing_column(name, values)} For the plain text {{{name}}} double the braces."
            )
        if values[name] is None:
            raise ValueError(
                f"the user text asks for {{{name}}}, which is empty in problem {problem.id!r}."
            )
        return str(values[name])

    return _PLACE.sub(value, user)


def templated(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Mapping[str, str]], opens: bool = True
) -> str:
    """The messages as text; `opens` begins the assistant's next turn. Raises ValueError."""
    if not tokenizer.chat_template:
        raise ValueError(
            f"the tokenizer {tokenizer.name_or_path!r} has no chat template: set chat: false and "
            "write the whole prompt into the user text, or use a model that has one."
        )
    try:
        text = tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=opens, tokenize=False
        )
    except TemplateError as error:
        roles = " and ".join(message["role"] for message in messages)
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} refuses {roles}: {error}."
        ) from error
    return str(text)


def _raw(tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[str, tuple[int, ...]]:
    plain = token_ids(tokenizer, text, special=False)
    begin = token_ids(tokenizer, text, special=True)[:1]
    if begin == (tokenizer.bos_token_id,) and plain[:1] != begin:
        return text, begin + plain
    return text, plain


def token_ids(tokenizer: "PreTrainedTokenizerBase", text: str, *, special: bool) -> tuple[int, ...]:
    """The text's ids; `special` lets the tokenizer add what it puts around every text."""
    return tuple(tokenizer(text, add_special_tokens=special)["input_ids"])
