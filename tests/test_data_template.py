"""Prompts: what is filled in, what the chat template adds, and that no BOS comes twice."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from grpo_data.problem import Problem
from grpo_data.template import render

PROBLEM = Problem("p1", "3 {x} 4 ?", "7", "3 {x} 4 ?", {"language": "en", "hint": None})
CHAT = (
    "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SPECIAL = ("<bos>", "<end>", "<system>", "<user>", "<assistant>", "<think>")


def tokenizer(chat_template: str | None = CHAT, adds_bos: bool = True) -> PreTrainedTokenizerFast:
    """One token a character; as Llama's does, it puts a BOS before and an end after by itself."""
    letters = sorted({chr(code) for code in range(32, 127)} | {"\n"})
    backend = Tokenizer(models.WordLevel({c: i for i, c in enumerate(letters)}, unk_token=" "))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.add_special_tokens(list(SPECIAL))
    if adds_bos:
        backend.post_processor = processors.TemplateProcessing(
            single="<bos> $A <end>",
            special_tokens=[(t, backend.token_to_id(t)) for t in ("<bos>", "<end>")],
        )
    made = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<end>")
    made.chat_template = chat_template
    return made


def test_a_chat_prompt():
    text, ids = render(
        tokenizer(), PROBLEM, system="Be short.", user="{language}: {question}", prefill="<think>"
    )
    assert text == "<bos><system>Be short.<end><user>en: 3 {x} 4 ?<end><assistant><think>"
    assert "".join(tokenizer().convert_ids_to_tokens(list(ids))) == text
    assert ids.count(tokenizer().bos_token_id) == 1
    assert ids[-1] == tokenizer().convert_tokens_to_ids("<think>")


def test_no_system_message_is_not_an_empty_one():
    assert "<system>" not in render(tokenizer(), PROBLEM, system=None, user="{question}")[0]
    assert "<system><end>" in render(tokenizer(), PROBLEM, system="", user="{question}")[0]


@pytest.mark.parametrize(
    ("user", "adds_bos", "bos"),
    [("{question}", True, 1), ("<bos>{question}", True, 1), ("ok", False, 0)],
)
def test_a_raw_prompt_has_the_tokenizers_bos_once_and_no_end(user, adds_bos, bos):
    made = tokenizer(None, adds_bos)
    text, ids = render(made, PROBLEM, system=None, user=user, prefill="A", chat=False)
    assert text == user.replace("{question}", PROBLEM.question) + "A"
    assert ids.count(made.bos_token_id) == bos
    assert ids[-1] == made.convert_tokens_to_ids("A")


@pytest.mark.parametrize(
    ("user", "text"),
    [
        (r"\boxed{} {question}", r"\boxed{} 3 {x} 4 ?"),
        (r"\frac{1}{2} { question }", r"\frac{1}{2} { question }"),
        ("{{question}} {{}} {language}", "{question} {} en"),
    ],
)
def test_only_names_in_single_braces_are_filled(user, text):
    assert render(tokenizer(), PROBLEM, system=None, user=user, chat=False)[0] == text


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(ValueError, match=r"\{langage\}.*'p1'.*nearest is 'language'"):
        render(tokenizer(), PROBLEM, system=None, user="{langage}")


@pytest.mark.parametrize("name", ["answer", "id", "key"])
def test_the_answer_cannot_slip_into_the_prompt(name):
    with pytest.raises(ValueError, match="no column"):
        render(tokenizer(), PROBLEM, system=None, user="{question} {" + name + "}")


def test_an_empty_column_is_refused():
    with pytest.raises(ValueError, match=r"\{hint\}, which is empty in problem 'p1'"):
        render(tokenizer(), PROBLEM, system=None, user="{hint}")


def test_chat_without_a_template_is_refused():
    with pytest.raises(ValueError, match="no chat template: set chat: false"):
        render(tokenizer(None), PROBLEM, system=None, user="{question}")


def test_a_system_text_without_chat_is_refused():
    with pytest.raises(ValueError, match="needs chat: true"):
        render(tokenizer(), PROBLEM, system="s", user="{question}", chat=False)


def test_a_template_that_refuses_a_role_says_so():
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    with pytest.raises(ValueError, match="refuses system and user: no system"):
        render(tokenizer(strict), PROBLEM, system="s", user="{question}")
