"""A run with shared prompts: the gate passes, and the curve is that of prompts read each time."""

from pathlib import Path

import pytest
import tiny_run

pytestmark = pytest.mark.slow

SHARED = (*tiny_run.PLAIN, "stages.zero.share_prompts=true")
CLOSE = ("loss", "kl", "entropy", "grad_norm", "reward", "parity/mean")


def test_the_first_steps_are_those_of_a_run_without(tmp_path: Path) -> None:
    apart = tiny_run.run(tmp_path / "apart", *tiny_run.PLAIN)
    shared = tiny_run.run(tmp_path / "shared", *SHARED)
    assert (apart.code, shared.code) == (0, 0), shared.err
    ours, theirs = (tiny_run.metrics(tmp_path / name)[0] for name in ("shared", "apart"))
    for name in CLOSE:
        # Adam's first step is as long as the rate whatever the gradient, noise included.
        assert ours[name] == pytest.approx(theirs[name], rel=0.02, abs=2e-5), name
