"""Rewards for steps on disk, in metrics, through a kill and in a run."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny_moe
import tiny_run
from accelerate import Accelerator
from process_groups import BY_STEPS, DEAD, DRAWN, LIVE, MINE, group

from grpo.recipe.sections import Prompt, Sampling
from grpo.rollout.collect import Collector
from grpo.rollout.record import read_rollout, write_rollout
from grpo.rollout.rewards import step_scores
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import rollout_metrics
from grpo.sampler.plain import PlainSampler
from grpo.timing import Stopwatch
from grpo.types import Group, Judgement, Rollout
from grpo_data.world import problems
from grpo_data.world.process import scored
from grpo_rewards import Scorer


def test_steps_are_on_disk_to_the_last_bit(tmp_path: Path) -> None:
    awkward = group((1.0, ((0, 0.1 + 0.2), (5, -5e-324))), (0.0, ()))
    sums = tuple(
        Judgement(0.25, j.parts, {MINE: "correct"}, {"said": 1}, j.steps)
        for j in awkward.judgements
    )
    whole = Group(awkward.problem, "?", (5, 6), awkward.completions, sums)
    rollout = Rollout(3, (whole,))
    write_rollout(tmp_path / "r.parquet", rollout, [[0.0, 0.0]])
    assert read_rollout(tmp_path / "r.parquet") == rollout


def test_a_rollout_without_steps_is_written_as_before(tmp_path: Path) -> None:
    plain = tuple(Judgement(1.0, {"f": 1.0}, {"f": "correct"}) for _ in DRAWN)
    rollout = Rollout(3, (Group(LIVE.problem, "?", (5,), LIVE.completions, plain),))
    write_rollout(tmp_path / "r.parquet", rollout, [[0.0, 0.0]])
    assert "steps" not in pq.read_schema(tmp_path / "r.parquet").names
    assert read_rollout(tmp_path / "r.parquet") == rollout


def test_steps_have_metrics() -> None:
    shown = [LIVE, BY_STEPS, DEAD, group((1.0, ((0, 1.0),)), (1.0, None))]
    found = rollout_metrics(Rollout(0, tuple(shown)))
    # Steps: 3 + 2 + 2 + 1 in 8 completions, their scores 2 + 1 + 2 + 1; the last two groups dead.
    assert found[f"process/{MINE}/steps"] == 8 / 8
    assert found[f"process/{MINE}/mean"] == 6 / 8
    assert found[f"process/{MINE}/frac_zero_std"] == 2 / 4


THIRDS = """
def steps(completions, **columns):
    return [[(end, end % 2) for end in range(1, len(text) + 1)] for text in completions]
"""


def test_a_rollout_is_learnt_from_alike_before_and_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(THIRDS)
    name, tokenizer = f"{tmp_path}/mine.py:steps", tiny_moe.tokenizer()
    with Scorer({name: 1.0}, workers=1) as scorer:
        collector = Collector(
            PlainSampler(tiny_moe.model(), tokenizer), scorer, tokenizer, Prompt(chat=False),
            Sampling(max_tokens=6), group_size=2, seed=11, purpose="zero", watch=Stopwatch(),
        )  # fmt: skip
        shelf = RolloutShelf(tmp_path / "zero", collector, Accelerator(cpu=True), "std")
        drawn = collector.collect(problems("chain", size=2), 0)
        (taken, again) = (shelf.take(0, lambda: problems("chain", size=2)) for _ in range(2))
    assert taken == again and taken.groups == drawn
    scores_PGK, last_PGK = step_scores(taken, name)
    assert scores_PGK.isfinite().any()
    for p, one in enumerate(taken.groups):
        for g, completion in enumerate(one.completions):
            known = last_PGK[p, g][~scores_PGK[p, g].isnan()].tolist()
            assert len(known) == len(completion.text)
            assert all(place < len(completion.token_ids) for place in known)


@pytest.mark.slow
def test_a_real_run_learns_from_the_world_s_steps(tmp_path: Path) -> None:
    name = "grpo_data.world.process:steps"
    words = (
        *tiny_run.PLAIN,
        f"rewards={{accuracy: 1.0, format: 0.5, {name}: {{weight: 0.25}}}}",
        f"stages.zero.objective.process={name}",
        "stages.zero.steps=1",
    )
    folder = tiny_run.whole(tmp_path / "run", *words)
    line = tiny_run.metrics(folder)[0]
    assert line[f"process/{name}/steps"] > 0.5
    assert 0 < line[f"process/{name}/mean"] < 1
    assert line["num_updates"] == 2
    (rollout,) = map(read_rollout, sorted((folder / "rollouts" / "zero").glob("*.parquet")))
    told = [
        (scored(completion.text, one.problem.columns["steps"]), judgement.steps[name])
        for one in rollout.groups
        for completion, judgement in zip(one.completions, one.judgements, strict=True)
    ]
    assert all([s for _, s in ours] == [s for _, s in theirs] for ours, theirs in told)
