"""Transcripts: the prompt as it is sampled from, the completion with the token that ends it."""

from typing import Any

import pytest
from test_data_template import CHAT, tokenizer
from transformers import PreTrainedTokenizerFast

from grpo_data.conversations import Conversation
from grpo_data.problem import Problem
from grpo_data.template import render
from grpo_data.transcript import transcribe

TURNS = ({"role": "system", "content": "s"}, {"role": "user", "content": "q"})
STRIPS = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'].split('</t>')[-1] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
OPENS = CHAT.replace("<assistant>{% endif", "<assistant><think>{% endif")


def said(prompt: Any = "3 + 4?", completion: str = "7", **columns: str) -> Conversation:
    return Conversation("c1", prompt, completion, "k", columns)


def texts(
    made: PreTrainedTokenizerFast,
    one: Conversation,
    system: str | None = None,
    user: str = "{question}",
    chat: bool = True,
) -> tuple[str, str]:
    prompt, completion = transcribe(made, one, system=system, user=user, chat=chat)
    return tuple("".join(made.convert_ids_to_tokens(list(ids))) for ids in (prompt, completion))


def test_the_template_s_end_token_belongs_to_the_completion() -> None:
    assert texts(tokenizer(), said()) == ("<bos><user>3 + 4?<end><assistant>", "7<end>")


def test_what_the_template_writes_behind_the_end_token_is_left_out() -> None:
    made = tokenizer(CHAT.replace("<end>{% endfor %}", "<end>\n{% endfor %}"))
    assert texts(made, said()) == ("<bos><user>3 + 4?<end>\n<assistant>", "7<end>")


def test_an_end_of_turn_that_ends_nothing_gives_way_to_the_end_token() -> None:
    made = tokenizer(CHAT.replace("<end>", "|turn|"))
    assert texts(made, said()) == ("<bos><user>3 + 4?|turn|<assistant>", "7<end>")


def test_a_text_is_asked_as_a_problem_is() -> None:
    made, words = tokenizer(), {"system": "Be short.", "user": "{language}: {question}"}
    prompt, _ = transcribe(made, said(language="en"), **words)
    problem = Problem("p", "3 + 4?", "7", "k", {"language": "en"})
    assert prompt == render(made, problem, **words)[1]


def test_messages_stand_as_they_are() -> None:
    asked = texts(tokenizer(), said(TURNS), system="another", user="{language}")[0]
    assert asked == "<bos><system>s<end><user>q<end><assistant>"


def test_without_chat_the_end_token_still_ends_it() -> None:
    assert texts(tokenizer(None), said(), chat=False) == ("<bos>3 + 4?", "7<end>")


@pytest.mark.parametrize(
    ("template", "one", "chat", "sentence"),
    [
        (None, said(), True, "no chat template: set chat: false"),
        (CHAT, said(TURNS), False, "the prompt of conversation 'c1' is messages: it needs chat"),
        (CHAT, said(completion="7<end>8"), True, "'c1' holds the end token '<end>' itself"),
        (STRIPS, said(completion="<t>hm</t>7"), True, "does not keep the answer.*'c1' as it is"),
        (OPENS, said(), True, "does not keep the answer of conversation 'c1'"),
    ],
)
def test_what_cannot_be_learnt_is_named(
    template: str | None, one: Conversation, chat: bool, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        texts(tokenizer(template), one, chat=chat)


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    made = tokenizer()
    made.eos_token = None
    with pytest.raises(ValueError, match="'c1' has no end token to end with"):
        texts(made, said())
