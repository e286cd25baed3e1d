"""A reward of one's own in a real run: its knobs, notes and failures, and the run goes on."""

from pathlib import Path

import pytest
import tiny_run
import yaml

pytestmark = pytest.mark.slow

REWARDS = """
def brevity(completions, completion_ids, trainer_state, log_metric, log_extra, target, **columns):
    if any(len(ids) % 3 == 0 for ids in completion_ids):
        raise ValueError("three")
    log_metric("brevity/step", trainer_state.global_step)
    log_extra("said", [completion[0]["content"] for completion in completions])
    return [min(1.0, target / len(ids)) for ids in completion_ids]

def never(completions, **columns):
    raise ValueError("never")
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(REWARDS)
    return tmp_path / "mine.py"


def test_a_reward_s_notes_and_failures_are_in_the_run_s_folder(mine: Path, tmp_path: Path) -> None:
    name, folder = f"{mine}:brevity", tmp_path / "run"
    rewards = {"format": {"weight": 0.5, "variant": "think"}, name: {"weight": 0.1, "target": 9}}
    words = (*tiny_run.PLAIN, f"rewards={rewards}")
    assert tiny_run.run(folder, *words, "--max-steps", "1").code == 0
    tiny_run.whole(folder, *words)  # goes on: the recipe it finds is the same
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["rewards"] == rewards
    lines = [line for line in tiny_run.metrics(folder) if line.get("stage") == "zero"]
    assert len(lines) == 3
    for step, (line, rows) in enumerate(
        zip(lines, tiny_run.rollouts(folder).values(), strict=True)
    ):
        assert line["brevity/step"] == step
        failed = [len(row["token_ids"]) % 3 == 0 for row in rows]
        assert any(failed) and line[f"outcomes/{name}/error"] == sum(failed) / len(rows)
        for row, is_failed in zip(rows, failed, strict=True):
            assert row[f"outcome/{name}"] == ("error" if is_failed else "correct")
            assert row["extra/said"] == (None if is_failed else row["completion"])
            part = None if is_failed else min(1.0, 9 / len(row["token_ids"]))
            assert row[f"reward/{name}"] == part
            assert row["reward"] == pytest.approx(0.5 * row["reward/format"] + 0.1 * (part or 0.0))


def test_a_reward_that_never_succeeds_stops_the_run_with_its_line(
    mine: Path, tmp_path: Path
) -> None:
    done = tiny_run.run(tmp_path / "run", *tiny_run.PLAIN, f"rewards={{'{mine}:never': 1.0}}")
    assert done.code == 2
    line = REWARDS.splitlines().index('    raise ValueError("never")') + 1
    assert (
        f"failed on all 16 completions, {mine}:never: {mine}:{line}: ValueError: never" in done.err
    )


def test_a_misspelt_knob_in_a_package_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    rewards = "{json.dumps: {weight: 1.0, indentt: 2}}"
    done = tiny_run.run(tmp_path / "run", *tiny_run.PLAIN, f"rewards={rewards}")
    assert done.code == 2
    assert "reward 'json.dumps': unknown knob 'indentt': did you mean 'indent'?" in done.err
    assert not (tmp_path / "run" / "rollouts").exists()
