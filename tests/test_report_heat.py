"""The heat map of expert load: its numbers by hand, its shapes and size, and what it leaves out."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grpo.report import write_report
from grpo.report.heat import Heat, draw_heat, heat_of
from grpo.report.run_directory import read_run
from tests.synthetic_run import Shape, build_run


def line(step: int, *load: list[int], **more: Any) -> dict[str, Any]:
    return {"stage": "zero", "step": step, "layers": [1, 2], "load": list(load), **more}


def test_loads_by_hand() -> None:
    # 20 steps: a tenth is two. The first two have (3, 1) + (5, 7) and (4, 0) + (4, 0).
    lines = [line(0, [3, 1], [4, 0]), line(1, [5, 7], [4, 0])]
    lines += [line(step, [2, 2], [1, 3]) for step in range(2, 20)]
    heat = heat_of(lines)
    assert heat is not None
    assert heat.steps == ("steps 1–2", "steps 19–20") and heat.layers == ("1", "2")
    # Means 8 and 4 in the first two steps, 4 and 4 in the last.
    assert heat.ratio_WLE.tolist() == [[[1.0, 1.0], [2.0, 0.0]], [[1.0, 1.0], [0.5, 1.5]]]


def test_one_step_is_one_picture() -> None:
    heat = heat_of([line(6, [1, 3], [2, 2])])
    assert heat is not None and heat.steps == ("step 7",)


def test_shapes_by_hand() -> None:
    # 2.0 is half way from the mean to three times it: shade 5 of 10. Two neighbours are one shape.
    ratios = np.array([[[2.0, 2.0, 0.0, 0.0], [1.0, 1.0, 0.04, 5.0]]])
    svg = draw_heat(Heat(("step 1",), ("1", "2"), ratios))
    shapes = re.findall(r'fill="var\((--c\d)\)" fill-opacity="([\d.]+)" d="([^"]+)"', svg)
    assert sorted(shapes) == [
        ("--c1", "0.9", "M2 1h1v1h-1z"),  # hardly anything, yet not dead
        ("--c1", "1", "M2 0h2v1h-2z"),
        ("--c2", "0.5", "M0 0h2v1h-2z"),
        ("--c2", "1", "M3 1h1v1h-1z"),
    ]


@pytest.mark.parametrize("load", [None, "no", [], [[]], [[1], [1, 2]], [["x"]], [1, 2], {}])
def test_what_cannot_be_read_is_left_out(load: Any) -> None:
    broken = {"stage": "zero", "step": 0, "load": load}
    assert heat_of([broken]) is None
    heat = heat_of([broken, line(1, [1, 3], [2, 2], layers=["<b>", 2])])
    assert heat is not None and heat.layers == ("0", "1") and len(heat.ratio_WLE) == 1


def test_a_model_of_v3_s_size_stays_small() -> None:
    loads = np.random.default_rng(0).poisson(40.0, (2, 58, 256))
    heat = heat_of([line(step, *load.tolist()) for step, load in enumerate(loads)])
    assert heat is not None and len(draw_heat(heat)) < 600_000


@pytest.mark.slow
def test_the_report_shows_it_with_the_ends_of_the_scale(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", Shape())
    lines = [line(step, [10, 30], [0, 40]) for step in range(12)]
    text = "".join(json.dumps(one) + "\n" for one in lines)
    (run / "load.jsonl").write_text(text + '{"stage": "ze')
    assert [one["step"] for one in read_run(run).load["zero"]] == list(range(12))
    page = write_report(run).read_text()
    (figure,) = re.findall(r"<figure>(?:(?!</figure>).)*Load of experts.*?</figure>", page, re.S)
    assert "<b>2.00x</b>" in figure and "<b>0.00x</b>" in figure and "step 12" in figure
    assert "1 of 13 lines of load.jsonl" in page
