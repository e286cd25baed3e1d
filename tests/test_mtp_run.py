"""A run whose engine drafts with an MTP layer that RL trains along: metrics, results, tables."""

import json
from pathlib import Path

import pytest
import tiny_run

pytestmark = pytest.mark.slow

DRAFTED = (
    "sampler.draft_tokens=1", "stages.zero.steps=2", "stages.zero.mtp_weight=0.1",
    "stages.zero.mtp_detach=false", "stages.after.problems=24",
)  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tiny_run.Done]:
    folder = tmp_path_factory.mktemp("drafted") / "run"
    done = tiny_run.run(folder, *DRAFTED)
    assert done.code == 0, done.err
    return folder, done


def test_every_rollout_tells_its_acceptance(done: tuple[Path, tiny_run.Done]) -> None:
    lines = tiny_run.metrics(done[0])
    assert len(lines) == 2
    for line in lines:
        assert 0.4 < line["sampler/draft_acceptance"] < 1.0
        assert line["mtp_loss"] > 0 and line["parity/max"] < 5e-3


def test_every_evaluation_tells_what_the_draft_was_worth(
    done: tuple[Path, tiny_run.Done],
) -> None:
    folder, ended = done
    results = json.loads((folder / "evaluations/after/results.json").read_text())
    draft = results["engine"]["draft"]
    assert draft["questions"] == 24 and 0.4 < draft["acceptance"] < 1.0
    assert draft["tokens_per_second"] > 0 and draft["tokens_per_second_without"] > 0
    words = ended.out.split()
    assert f"{draft['acceptance']:.1%}" in words
    for label in ("draft accepted", "tokens/s with the draft", "tokens/s without"):
        assert label in ended.out
        assert label in (folder / "report.html").read_text()
