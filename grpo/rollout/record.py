"""A rollout as a Parquet file: one row a completion, readable with `datasets`, exact on return.

What is read back equals what was written, number for number: a resumed run learns from the file
what the run before it would have learnt. Only a problem's columns that JSON does not know (a date)
come back as text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grpo.checkpoint.atomic import atomic_write
from grpo.types import Completion, Group, Judgement, Refilled, Rollout, Routing, Steps
from grpo_data.problem import Problem

# Log-probabilities are float64: the shortest type that gives back what a sampler handed us.
SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("group", pa.int64()),
        ("sample", pa.int64()),
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("key", pa.string()),
        ("columns", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("reward", pa.float64()),
        ("advantage", pa.float64()),
        ("parts", pa.string()),
        ("outcomes", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_ids", pa.list_(pa.int64())),
        ("token_ids", pa.list_(pa.int64())),
        ("logprobs", pa.list_(pa.float64())),
    ]
)


_EXTRA, _STEPS, _ROUTING, _LEARNT = "extra", "steps", "routing", "learnt"
_METRICS, _SHAPE, _PLACES = b"grpo.metrics", b"grpo.routing", b"grpo.places"


def write_rollout(path: Path, rollout: Rollout, advantages: Sequence[Sequence[float]]) -> None:
    """Write `rollout` whole or not at all; `advantages` are [groups, G], for the reader's eye.

    Beside the columns of SCHEMA each reward has a `reward/NAME` and an `outcome/NAME` column, and
    what rewards noted stands in `extra/NAME` columns (and, exactly, as JSON in `extra`). Where a
    reward scored steps, they are JSON in `steps`; the experts that a sampler chose are bytes in
    `routing`, whose shape is in the schema's metadata. Of a refilled rollout `learnt` says which
    step learns from a row.
    """
    rows = list(_rows(rollout, advantages))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    judgements = [judgement for group in rollout.groups for judgement in group.judgements]
    for name in dict.fromkeys(name for judgement in judgements for name in judgement.parts):
        parts = [judgement.parts.get(name) for judgement in judgements]
        outcomes = [judgement.outcomes.get(name) for judgement in judgements]
        table = table.append_column(f"reward/{name}", pa.array(parts, pa.float64()))
        table = table.append_column(f"outcome/{name}", pa.array(outcomes, pa.string()))
    for name, column in _extra_columns([judgement.extra for judgement in judgements]):
        table = table.append_column(name, column)
    if any(judgement.steps for judgement in judgements):
        steps = [json.dumps(dict(judgement.steps)) for judgement in judgements]
        table = table.append_column(_STEPS, pa.array(steps, pa.string()))
    for name, column in _further(rollout):
        table = table.append_column(name, column)
    table = table.replace_schema_metadata(_notes(rollout))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    atomic_write(path, sink.getvalue().to_pybytes())


def read_rollout(path: Path) -> Rollout:
    """The rollout that was written at `path`."""
    there = set(pq.read_schema(path).names)
    more = sorted({_EXTRA, _STEPS, _ROUTING, _LEARNT} & there)
    table = pq.read_table(path, columns=[*SCHEMA.names, *more])
    groups = [
        list(members) for _, members in groupby(table.to_pylist(), key=lambda row: row["group"])
    ]
    notes = {key: json.loads(value) for key, value in (table.schema.metadata or {}).items()}
    shape = notes.get(_SHAPE, ())
    refilled = None
    if _PLACES in notes:
        refilled = Refilled(tuple(rows[0][_LEARNT] for rows in groups), notes[_PLACES])
    return Rollout(
        groups[0][0]["step"],
        tuple(_group(members, shape) for members in groups),
        notes.get(_METRICS, {}),
        refilled,
    )


def _further(rollout: Rollout) -> Iterator[tuple[str, pa.Array]]:
    """The columns that only some rollouts have."""
    routings = [completion.routing for group in rollout.groups for completion in group.completions]
    if any(routings):
        yield _ROUTING, pa.array([one and one.ids for one in routings], pa.binary())
    if rollout.refilled:
        learnt = zip(rollout.refilled.learnt, rollout.groups, strict=True)
        steps = [step for step, group in learnt for _ in group.completions]
        yield _LEARNT, pa.array(steps, pa.int64())


def _notes(rollout: Rollout) -> dict[bytes, str]:
    """What is said of the rollout as a whole, as JSON."""
    notes = {_METRICS: json.dumps(dict(rollout.metrics))}
    routings = [completion.routing for group in rollout.groups for completion in group.completions]
    if shapes := {_shape(routing) for routing in routings if routing}:
        (notes[_SHAPE],) = map(json.dumps, shapes)
    if rollout.refilled:
        notes[_PLACES] = json.dumps(dict(rollout.refilled.places))
    return notes


def _shape(routing: Routing) -> tuple[int, int, int]:
    return routing.layers, routing.chosen, routing.width


def _extra_columns(notes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, pa.Array]]:
    """The notes once as they are, once in a column a name; none where nobody took any."""
    names = dict.fromkeys(name for one in notes for name in one)
    if names:
        yield _EXTRA, pa.array([json.dumps(dict(one)) for one in notes], pa.string())
    for name in names:
        values = [one.get(name) for one in notes]
        try:
            column = pa.array(values)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError):
            column = pa.array([json.dumps(value) for value in values], pa.string())
        yield f"{_EXTRA}/{name}", column


def _rows(rollout: Rollout, advantages: Sequence[Sequence[float]]) -> Iterator[dict[str, Any]]:
    for number, (group, scores) in enumerate(zip(rollout.groups, advantages, strict=True)):
        problem = group.problem
        members = zip(group.completions, group.judgements, scores, strict=True)
        for sample, (completion, judgement, advantage) in enumerate(members):
            yield {
                "step": rollout.step,
                "group": number,
                "sample": sample,
                "problem_id": problem.id,
                "question": problem.question,
                "answer": problem.answer,
                "key": problem.key,
                "columns": json.dumps(dict(problem.columns), ensure_ascii=False, default=str),
                "prompt": group.prompt,
                "completion": completion.text,
                "reward": judgement.reward,
                "advantage": advantage,
                "parts": json.dumps(dict(judgement.parts)),
                "outcomes": json.dumps(dict(judgement.outcomes)),
                "finish_reason": completion.finish_reason,
                "prompt_ids": group.prompt_ids,
                "token_ids": completion.token_ids,
                "logprobs": completion.logprobs,
            }


def _group(rows: Sequence[dict[str, Any]], shape: Sequence[int]) -> Group:
    first = rows[0]
    problem = Problem(
        first["problem_id"],
        first["question"],
        first["answer"],
        first["key"],
        json.loads(first["columns"]),
    )
    completions = tuple(_completion(row, shape) for row in rows)
    judgements = tuple(
        Judgement(
            row["reward"],
            json.loads(row["parts"]),
            json.loads(row["outcomes"]),
            json.loads(row.get(_EXTRA, "{}")),
            _steps(row.get(_STEPS, "{}")),
        )
        for row in rows
    )
    return Group(problem, first["prompt"], tuple(first["prompt_ids"]), completions, judgements)


def _completion(row: dict[str, Any], shape: Sequence[int]) -> Completion:
    ids = row.get(_ROUTING)
    return Completion(
        row["completion"],
        tuple(row["token_ids"]),
        tuple(row["logprobs"]),
        row["finish_reason"],
        None if ids is None else Routing(ids, *shape),
    )


def _steps(plain: str) -> dict[str, Steps]:
    """Steps out of JSON's lists."""
    return {
        name: tuple((place, score) for place, score in some)
        for name, some in json.loads(plain).items()
    }
