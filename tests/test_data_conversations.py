"""Conversations: the shapes a row may have, sentences for those it may not, and the split."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from grpo_data.conversations import Conversation, load_conversations, split_by_loss

USER = {"role": "user", "content": "3 + 4?"}
SYSTEM = {"role": "system", "content": "Be short."}
SAID = {"role": "assistant", "content": "It is 7."}


def written(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("row", "prompt", "key"),
    [
        ({"prompt": "3 +  4?", "completion": "It is 7."}, "3 +  4?", "3 + 4?"),
        ({"prompt": [USER], "completion": "It is 7."}, (USER,), "3 + 4?"),
        ({"prompt": "3 + 4?", "completion": [SAID]}, "3 + 4?", "3 + 4?"),
        ({"messages": [SYSTEM, USER, SAID]}, (SYSTEM, USER), "be short. 3 + 4?"),
        ({"messages": [USER, SAID], "prompt": None}, (USER,), "3 + 4?"),
        ({"prompt": "3 + 4?", "completion": "It is 7.", "key": "3+4"}, "3 + 4?", "3+4"),
    ],
)
def test_every_shape_of_row(tmp_path: Path, row: dict[str, Any], prompt: Any, key: str) -> None:
    file = written(tmp_path / "c.jsonl", {**row, "reward": 1.5, "kept": "right"})
    (got,) = load_conversations(file)
    assert got == Conversation("0", prompt, "It is 7.", key, {"reward": 1.5, "kept": "right"})


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "messages": [USER, SAID], "step": 3},
        {"id": "b", "messages": [SYSTEM, USER, SAID], "step": 4},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "c.parquet")
    lines = written(tmp_path / "c.jsonl", *rows)
    assert load_conversations(str(tmp_path / "c.parquet")) == load_conversations(lines)
    assert [one.id for one in load_conversations(lines, limit=1)] == ["a"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "?"}, "no 'completion'; a conversation has 'prompt' and 'completion', or"),
        ({"question": "?", "answer": "7"}, r"no 'prompt'.*\(columns: 'question', 'answer'\)"),
        ({"prompt": "?", "completion": " "}, "column 'completion' is empty"),
        ({"prompt": 7, "completion": "7"}, "column 'prompt' is no list of messages but a int"),
        ({"prompt": [], "completion": "7"}, "column 'prompt' is no list of messages but a list"),
        ({"prompt": ["hi"], "completion": "7"}, r"message 0 \(from 0\) of 'prompt' is not"),
        (
            {"prompt": [USER, {"role": "user"}], "completion": "7"},
            r"message 1 \(from 0\) of 'prompt' is not",
        ),
        ({"prompt": "?", "completion": [SAID, SAID]}, "holds 2 messages; one is learnt"),
        ({"prompt": "?", "completion": [USER]}, "the last message of 'completion' is the user's"),
        ({"messages": [USER]}, "'messages' holds one message"),
        ({"messages": [USER, SAID, USER]}, "the last message of 'messages' is the user's"),
        ({"messages": [USER, {**SAID, "content": ""}]}, r"message 1 \(from 0\) of 'messages' is"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: dict[str, Any], sentence: str) -> None:
    file = written(tmp_path / "c.jsonl", {"prompt": "3 + 4?", "completion": "7"}, row)
    with pytest.raises(ValueError, match=rf"c\.jsonl:2: .*{sentence}") as caught:
        load_conversations(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "knobs", "sentence"),
    [
        ("tiny:cold_strat", {}, "no generator 'tiny:cold_strat'; the nearest is 'tiny:cold_start'"),
        ("tiny:cold_start", {"config": {"mix": 1}}, "its config does not fit: .*'mix'"),
        ("tiny:cold_start", {"config": {"mixed": 1.5}}, "mixed is a share in .*got 1.5"),
        ("tiny:cold_start", {"config": {"held_out": "x"}}, "held_out is a share in .*got 'x'"),
        ("c.jsonl", {"config": {"mixed": 1}}, "is read, not generated"),
        ("empty.jsonl", {}, "empty.jsonl holds no conversations"),
    ],
)
def test_a_source_that_cannot_be_had_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, knobs: Any, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match=sentence):
        load_conversations(source, **knobs)


def test_answers_to_one_prompt_stay_on_one_side() -> None:
    both = [Conversation(f"{n}-{turn}", "?", "!", str(n)) for n in range(1000) for turn in range(3)]
    train, held_out = split_by_loss(both, 0.2)
    sides = [{one.key for one in side} for side in (train, held_out)]
    assert not sides[0] & sides[1]
    # 1,000 keys: a fifth, give or take three times sqrt(0.2 x 0.8 x 1000) = 13.
    assert 160 < len(sides[1]) < 240
    assert split_by_loss(both, 0.0) == (both, [])
