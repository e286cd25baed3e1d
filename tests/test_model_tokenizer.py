"""The tiny base's tokenizer: digits apart, tags whole, any text there and back, a chat template."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from grpo.learning.corpus import document_texts, encode
from grpo.model.tokenizer import END, PAD, ROLES, TAGS, train_tokenizer
from grpo_data.problem import Problem
from grpo_data.template import render
from grpo_data.world.corpus import Document, documents

SIZE = 500
TEXTS = (
    "Mia has 12 apples.",
    "小美有12个苹果。她又买了3个，现在有几个？",
    "naïve café — “quotes”, 1/2 ≤ ½",
    "👩‍🚀 goes to 🌙!",
    "  two  blanks,\ttabs\nand lines\n\n",
    "<think>3+4=7</think><answer>7</answer>",
    "a<b>c </ think>",
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer(document_texts(documents(0, 500, 0.1)), SIZE)


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    found: list[int] = tokenizer(text)["input_ids"]
    return found


def test_it_has_as_many_tokens_as_it_was_asked_for(tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(tokenizer) == SIZE
    assert sorted(tokenizer.get_vocab().values()) == list(range(SIZE))


@pytest.mark.parametrize("text", ["3749", "1024-999=25", "有128个", "x10y"])
def test_digits_stand_apart(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    pieces = tokenizer.tokenize(text)
    assert [p for p in pieces if any(map(str.isdecimal, p))] == [c for c in text if c.isdecimal()]


def test_no_token_holds_a_digit_and_more(tokenizer: PreTrainedTokenizerBase) -> None:
    assert not [t for t in tokenizer.get_vocab() if len(t) > 1 and any(map(str.isdecimal, t))]


def test_words_are_learnt(tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(ids(tokenizer, "So the answer is")) < len("So the answer is") / 2
    assert len(ids(tokenizer, "所以答案是")) < len("所以答案是".encode()) * 0.6


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_one_token_and_stays_in_the_text(
    tokenizer: PreTrainedTokenizerBase, tag: str
) -> None:
    for text in (tag, f"7{tag}8", f"so{tag} so", f"。{tag}。"):
        assert ids(tokenizer, text).count(tokenizer.convert_tokens_to_ids(tag)) == 1
        assert tokenizer.decode(ids(tokenizer, text), skip_special_tokens=True) == text


@pytest.mark.parametrize("name", [PAD, END, *ROLES])
def test_roles_and_ends_are_special_tokens(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    (only,) = ids(tokenizer, name)
    assert only in tokenizer.all_special_ids
    assert tokenizer.decode([only], skip_special_tokens=False) == name
    assert tokenizer.decode([only], skip_special_tokens=True) == ""


def test_end_ends_and_pad_pads(tokenizer: PreTrainedTokenizerBase) -> None:
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END, PAD)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_goes_there_and_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text)) == text


def test_the_template_sets_roles_and_ends(tokenizer: PreTrainedTokenizerBase) -> None:
    turns = [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "3+4?"},
        {"role": "assistant", "content": "7"},
    ]
    written = "<|system|>Think.<|end|><|user|>3+4?<|end|><|assistant|>7<|end|>"
    assert tokenizer.apply_chat_template(turns, tokenize=False) == written
    opened = tokenizer.apply_chat_template(turns[:2], tokenize=False, add_generation_prompt=True)
    assert opened == "<|system|>Think.<|end|><|user|>3+4?<|end|><|assistant|>"


def test_a_prompt_is_what_a_document_begins_with(tokenizer: PreTrainedTokenizerBase) -> None:
    # Pretraining and sampling must spell an exchange alike.
    problem = Problem("0", "多少是3+4？", "7", "k")
    text, prompt = render(tokenizer, problem, system=None, user="{question}")
    assert text == "<|user|>多少是3+4？<|end|><|assistant|>"
    (written,) = encode(tokenizer, [Document("多少是3+4？", "<answer>7</answer>")])
    assert tuple(written[: len(prompt)]) == prompt
    assert tokenizer.decode(written[len(prompt) :]) == "<answer>7</answer><|end|>"


def test_plain_text_has_no_roles_and_one_end(tokenizer: PreTrainedTokenizerBase) -> None:
    (written,) = encode(tokenizer, [Document("", "3+4=7 9-2=7")])
    assert tokenizer.decode(written) == "3+4=7 9-2=7<|end|>"
    assert written[-1] == tokenizer.eos_token_id


def test_it_loads_as_it_was_saved(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in (*TEXTS, "".join(ROLES) + END):
        assert ids(loaded, text) == ids(tokenizer, text)
        assert loaded.decode(ids(loaded, text), skip_special_tokens=True) == tokenizer.decode(
            ids(tokenizer, text), skip_special_tokens=True
        )
    assert loaded.chat_template == tokenizer.chat_template
    assert (loaded.eos_token, loaded.pad_token) == (END, PAD)


def test_the_same_texts_make_the_same_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    again = train_tokenizer(document_texts(documents(0, 500, 0.1)), SIZE)
    assert again.get_vocab() == tokenizer.get_vocab()
