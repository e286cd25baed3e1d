"""The golden run: ten steps on committed rollouts come to the numbers that were recorded.

A refactor reproduces them. A change that moves them says why, and records new ones with
`python tests/golden/record.py`.
"""

import json
from pathlib import Path

import pytest
from golden import record

pytestmark = pytest.mark.slow

TOLERANCE = 0.0


def test_ten_steps_come_to_the_recorded_numbers(tmp_path: Path) -> None:
    expected = json.loads(record.NUMBERS.read_text())
    steps = record.replay(record.recipe(), record.rollouts(), tmp_path)
    assert len(steps) == len(expected) == record.STEPS
    for step, (ours, recorded) in enumerate(zip(steps, expected, strict=True)):
        for name, value in recorded.items():
            assert ours[name] == pytest.approx(value, rel=TOLERANCE), f"step {step}, {name}"
