"""A rollout on disk: what is read back is what was written, bit for bit, and anybody reads it."""

import datetime
import json
import math
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from grpo.rollout.record import SCHEMA, read_rollout, write_rollout
from grpo.types import Completion, Group, Judgement, Refilled, Rollout, Routing
from grpo_data.problem import Problem

# Numbers that a shorter type or a decimal text would not give back.
AWKWARD = (0.1 + 0.2, -1 / 3, -5e-324, -1.7976931348623157e308, -0.0, -math.pi)


def completion(text: str, logprobs: tuple[float, ...], end: str = "stop") -> Completion:
    return Completion(text, tuple(range(7, 7 + len(logprobs))), logprobs, end)


def rollout() -> Rollout:
    chinese = Problem(
        "p-1",
        "小美有12个🍎。\n她又买了3个，现在有几个？",
        "15",
        "12+3",
        {"kind": "story", "language": "zh", "steps": ["12+3=15"], "level": 2, "hard": None},
    )
    english = Problem("p-2", "3 + 4?", "7", "3+4")
    skipped = Judgement(None, {"accuracy": None, "format": None}, {"accuracy": "skipped"})
    return Rollout(
        12,
        (
            Group(
                chinese,
                "<|user|>小美<|end|><|assistant|>",
                (3, 99, 2**31 + 5),
                (
                    completion("<think>12+3=15</think><answer>15</answer>", AWKWARD),
                    completion("十五 \u2028 \x00 \ud7ff 👩‍🚀", (-1e-7,), "length"),
                ),
                (
                    Judgement(
                        1 / 3 + 1, {"accuracy": 1.0, "format": 1 / 3}, {"accuracy": "correct"}
                    ),
                    Judgement(0.1, {"accuracy": None, "format": 0.1}, {"accuracy": "timeout"}),
                ),
            ),
            Group(
                english,
                "<|user|>3 + 4?<|end|><|assistant|>",
                (3,),
                (completion("", (-0.5,)), completion('"7",\r\n', (-0.25, -2.0))),
                (Judgement(0.0, {"accuracy": 0.0, "format": 0.0}, {}), skipped),
            ),
        ),
    )


ADVANTAGES = [[0.7, -0.7], [0.0, 0.0]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_rollout(tmp_path / "zero" / "step-000012.parquet", rollout(), ADVANTAGES)
    return tmp_path / "zero" / "step-000012.parquet"


def bits(numbers: tuple[float, ...]) -> bytes:
    return struct.pack(f"{len(numbers)}d", *numbers)


def test_it_comes_back_as_it_went(file: Path) -> None:
    assert read_rollout(file) == rollout()


def test_who_learns_from_it_comes_back_and_is_a_column(tmp_path: Path) -> None:
    drawn = replace(rollout(), refilled=Refilled((None, 13), {"general": 7, "": 41}))
    write_rollout(tmp_path / "r.parquet", drawn, ADVANTAGES)
    assert read_rollout(tmp_path / "r.parquet") == drawn
    assert pq.read_table(tmp_path / "r.parquet")["learnt"].to_pylist() == [None, None, 13, 13]


def test_it_comes_back_to_the_last_bit(file: Path) -> None:
    # -0.0 == 0.0, so equality is not all.
    for ours, theirs in zip(rollout().groups, read_rollout(file).groups, strict=True):
        for one, other in zip(ours.completions, theirs.completions, strict=True):
            assert bits(one.logprobs) == bits(other.logprobs)


def test_it_comes_back_in_kind(file: Path) -> None:
    group = read_rollout(file).groups[0]
    assert isinstance(group.prompt_ids, tuple)
    assert all(isinstance(c.token_ids, tuple) for c in group.completions)
    assert group.problem.columns["steps"] == ["12+3=15"]
    assert group.problem.columns["hard"] is None


def test_numbers_that_are_none_come_back_as_such(tmp_path: Path) -> None:
    broken = completion("?", (math.nan, -math.inf))
    problem = Problem("p", "?", "1", "k")
    judgement = Judgement(None, {"format": None}, {"format": "error"})
    group = Group(problem, "?", (1,), (broken, broken), (judgement, judgement))
    write_rollout(tmp_path / "r.parquet", Rollout(0, (group,)), [[0.0, 0.0]])
    (back,) = read_rollout(tmp_path / "r.parquet").groups
    nan, infinite = back.completions[0].logprobs
    assert math.isnan(nan) and infinite == -math.inf
    assert back.judgements == (judgement, judgement)


def test_what_json_does_not_know_comes_back_as_text(tmp_path: Path) -> None:
    problem = Problem("p", "?", "1", "k", {"on": datetime.date(2026, 11, 22)})
    judgement = Judgement(1.0, {"format": 1.0}, {"format": "correct"})
    group = Group(problem, "?", (1,), (completion("", (-1.0,)),), (judgement,))
    write_rollout(tmp_path / "r.parquet", Rollout(0, (group,)), [[0.0]])
    (back,) = read_rollout(tmp_path / "r.parquet").groups
    assert back.problem.columns == {"on": "2026-11-22"}


def test_each_reward_has_columns_of_its_own(file: Path) -> None:
    table = pq.read_table(file)
    assert table.column_names[: len(SCHEMA)] == SCHEMA.names
    assert table["reward/accuracy"].to_pylist() == [1.0, None, 0.0, None]
    assert table["reward/format"].to_pylist() == [1 / 3, 0.1, 0.0, None]
    assert table["outcome/accuracy"].to_pylist() == ["correct", "timeout", None, "skipped"]
    assert table["advantage"].to_pylist() == [0.7, -0.7, 0.0, 0.0]
    assert table["sample"].to_pylist() == [0, 1, 0, 1]


def test_datasets_reads_it(file: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    found = load_dataset(
        "parquet", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(found) == 4
    assert found[0]["completion"] == "<think>12+3=15</think><answer>15</answer>"
    assert found[0]["question"].startswith("小美有12个🍎")
    assert found[0]["logprobs"] == list(AWKWARD)
    assert [row["reward"] for row in found] == [1 / 3 + 1, 0.1, 0.0, None]


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(file: Path) -> None:
    write_rollout(file, Rollout(13, rollout().groups[:1]), ADVANTAGES[:1])
    assert (read_rollout(file).step, len(read_rollout(file).groups)) == (13, 1)
    assert os.listdir(file.parent) == [file.name]


def test_notes_and_metrics_come_back_and_have_columns(tmp_path: Path) -> None:
    notes = [
        {"words": 12, "parsed": "[7]", "mixed": 1, "odd": "\ud800", "steps": [1, 2]},
        {"words": math.inf, "mixed": "one", "odd": None, "steps": []},
    ]
    judgements = tuple(Judgement(1.0, {"f": 1.0}, {"f": "correct"}, one) for one in notes)
    group = Group(
        Problem("p", "?", "1", "k"), "?", (1,), (completion("", (-1.0,)),) * 2, judgements
    )
    rollout = Rollout(3, (group,), {"f/words": 0.1 + 0.2})
    write_rollout(tmp_path / "r.parquet", rollout, [[0.0, 0.0]])
    assert read_rollout(tmp_path / "r.parquet") == rollout
    table = pq.read_table(tmp_path / "r.parquet")
    assert table["extra/words"].to_pylist() == [12.0, math.inf]
    assert table["extra/parsed"].to_pylist() == ["[7]", None]
    assert table["extra/mixed"].to_pylist() == ["1", '"one"']  # of no one type: as JSON
    assert table["extra/steps"].to_pylist() == [[1, 2], []]


def test_where_nobody_took_notes_there_is_no_column_for_them(file: Path) -> None:
    assert not any("extra" in name for name in pq.read_table(file).column_names)
    assert read_rollout(file).metrics == {}


def routed(ids: np.ndarray | None) -> Rollout:
    """A rollout of two completions, the first of which says where its tokens went."""
    told = replace(completion("7", (-0.5,)), routing=None if ids is None else Routing.of(ids))
    group = Group(
        Problem("p", "?", "7", "k"),
        "?",
        (1, 2),
        (told, completion("8", (-1.0,))),
        (Judgement(1.0, {"f": 1.0}, {}),) * 2,
    )
    return Rollout(0, (group,))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_experts_come_back(tmp_path: Path, dtype: type[np.unsignedinteger]) -> None:
    # Two tokens, three layers, two experts a token.
    ids_TLK = np.array([[[0, 7], [255, 1], [3, 2]], [[1, 0], [9, 8], [5, 6]]], dtype=dtype)
    if dtype is np.uint16:
        ids_TLK[0, 0, 0] = 384
    write_rollout(tmp_path / "r.parquet", routed(ids_TLK), [[0.0, 0.0]])
    back = read_rollout(tmp_path / "r.parquet")
    assert back == routed(ids_TLK)
    first, second = back.groups[0].completions
    assert first.routing is not None and second.routing is None
    assert np.array_equal(first.routing.ids_TLK, ids_TLK)
    # Anybody reads it: bytes, and their shape beside them.
    file = pq.read_table(tmp_path / "r.parquet")
    layers, chosen, width = json.loads(file.schema.metadata[b"grpo.routing"])
    flat = np.frombuffer(file["routing"][0].as_py(), f"<u{width}")
    assert np.array_equal(flat.reshape(-1, layers, chosen), ids_TLK)


def test_a_rollout_from_before_there_was_routing_is_read(tmp_path: Path) -> None:
    write_rollout(tmp_path / "r.parquet", routed(None), [[0.0, 0.0]])
    assert "routing" not in pq.read_table(tmp_path / "r.parquet").column_names
    assert read_rollout(tmp_path / "r.parquet") == routed(None)
    golden = read_rollout(Path(__file__).parent / "golden" / "step-000000.parquet")
    assert all(c.routing is None for group in golden.groups for c in group.completions)
