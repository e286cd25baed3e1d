"""The golden run: ten steps on committed rollouts come to the numbers that were recorded.

A refactor reproduces them. A change that moves them says why, and records new ones with
`python tests/golden/record.py`.
"""

import json
from pathlib import Path

import pytest
from golden import record

pytestmark = pytest.mark.slow

# Ten times and more what one and two threads, three instruction sets (SSE4, AVX2, AVX-512), eager
# and grouped experts, and both attentions differed by: 1e-7, 3e-6, 1e-8 and 2e-7.
TOLERANCE = {"loss": 2e-6, "grad_norm": 5e-5, "kl": 1e-6, "entropy": 5e-6}


@pytest.mark.parametrize("shared", ["true", "false"])
def test_ten_steps_come_to_the_recorded_numbers(tmp_path: Path, shared: str) -> None:
    expected = json.loads(record.NUMBERS.read_text())
    steps = record.replay(
        record.recipe(f"stages.zero.share_prompts={shared}"), record.rollouts(), tmp_path
    )
    assert len(steps) == len(expected) == record.STEPS
    for name, tolerance in TOLERANCE.items():
        ours, theirs = ([step[name] for step in run] for run in (steps, expected))
        assert ours == pytest.approx(theirs, rel=0, abs=tolerance), name
