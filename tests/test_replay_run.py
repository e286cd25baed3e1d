"""Router replay in real runs: the choice is kept over a kill, and narrows the gap in bfloat16."""

import json
from pathlib import Path

import pytest
import tiny_moe
import tiny_run
import torch
from tiny_run import PLAIN
from torch import Tensor

from grpo.errors import UserError
from grpo.model.load import load_model
from grpo.recipe.load import load_recipe
from grpo.recipe.sections import Model, SamplerConfig, Sampling
from grpo.rollout.record import read_rollout
from grpo.sampler import open_sampler
from grpo.train.policy import score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Sequences
from grpo.types import Completion
from grpo.workbench.base import check_base

BASE = Path(__file__).parents[1] / "data" / "models" / "tiny-base"
REPLAY = (*PLAIN, "stages.zero.router_replay=true", "stages.zero.steps=2")


def base_config(folder: Path, **changes: object) -> Path:
    """A folder whose config.json is the shipped base's with `changes`, and nothing else."""
    folder.mkdir()
    values = {**json.loads((BASE / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def refused(recipe: Path, *words: str) -> str:
    with pytest.raises(UserError) as error:
        check_base(load_recipe(str(recipe), words))
    return str(error.value)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(tiny_run.RECIPE)
    return file


def test_a_dense_model_has_nothing_to_replay(recipe: Path) -> None:
    said = refused(recipe, "model.path=tiny-student", "stages.zero.router_replay=true")
    assert said.startswith("stage 'zero' asks for router_replay, and the model in ")
    assert "(llama) has no routed experts of DeepSeek-V3's kind" in said


def test_a_sampler_told_to_be_silent_does_not_go_with_it(recipe: Path) -> None:
    words = ("stages.zero.router_replay=true", "sampler.routed_experts=false")
    with pytest.raises(UserError, match=r"stages\.zero\.router_replay.*routed_experts is false"):
        load_recipe(str(recipe), words)


@pytest.mark.slow
def test_vllm_on_a_cpu_cannot_be_followed(tmp_path: Path) -> None:
    done = tiny_run.run(tmp_path / "run", "stages.zero.router_replay=true")
    assert done.code == 2
    (line,) = done.errors
    assert line.startswith("error: vLLM says which experts it chose on a GPU alone")
    assert "sampler.engine=plain" in line
    assert not (tmp_path / "run" / "rollouts").exists()


@pytest.mark.slow
def test_a_base_that_vllm_would_bend_stops_before_anything_trains(
    recipe: Path, tmp_path: Path
) -> None:
    rope = {"rope_type": "default", "rope_theta": 10000.0}
    folder = base_config(tmp_path / "base", rope_parameters=rope)
    assert "rope_type 'default'" in refused(recipe, f"model.path={folder}")
    folder = base_config(tmp_path / "other", topk_method=None)
    assert "topk_method=None" in refused(recipe, f"model.path={folder}")
    check_base(load_recipe(str(recipe), (f"model.path={folder}", "sampler.engine=plain")))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run.whole(tmp_path_factory.mktemp("replay") / "run", *REPLAY)


@pytest.mark.slow
def test_rollouts_keep_the_choice_and_the_metric_is_logged(straight: Path) -> None:
    for file in sorted((straight / "rollouts" / "zero").glob("*.parquet")):
        for group in read_rollout(file).groups:
            for one in group.completions:
                read = len(group.prompt_ids) + len(one.token_ids) - 1
                assert one.routing is not None
                assert one.routing.ids_TLK.shape == (read, 3, 2)
    for line in tiny_run.metrics(straight)[:2]:
        # In float32 two forwards of the same weights all but always agree.
        assert 0 <= line["sampling/routing_difference"] < 0.01
        assert line["sampling/sampling_logp_difference/mean"] < 1e-4
        assert {f"sampling/routing_difference/layer_{n}" for n in (1, 2, 3)} <= line.keys()


@pytest.mark.slow
def test_a_killed_replay_goes_on_to_the_same_bits(straight: Path, tmp_path: Path) -> None:
    done = tiny_run.run(tmp_path / "run", *REPLAY, fault="updating:1:KILL")
    assert done.code != 0
    tiny_run.whole(tmp_path / "run", *REPLAY)
    tiny_run.assert_same_end(tmp_path / "run", straight, 2)


def gaps(scored: ScoredLM, sequences: Sequences, drawn: list[Completion]) -> Tensor:
    """|log-prob of the sampler - of the trainer| of every drawn token."""
    logprobs_BT = score(scored, sequences, temperature=1.0, budget=4096, device=torch.device("cpu"))
    rows = zip(logprobs_BT, drawn, strict=True)
    return torch.cat([(row[: len(c.logprobs)] - torch.tensor(c.logprobs)).abs() for row, c in rows])


@pytest.mark.slow
def test_replay_narrows_the_gap_in_bfloat16(tmp_path: Path) -> None:
    """Large random weights: where a router falls the other way, all that follows is another."""
    folder = tiny_moe.save(tiny_moe.model(), tmp_path)
    sampler = open_sampler(folder, SamplerConfig(engine="plain", dtype="bfloat16"))
    asked = tiny_moe.requests(24)
    drawn = sampler.sample(asked, Sampling(max_tokens=32))
    sequences = Sequences(
        [one.prompt_ids for one in asked],
        [one.token_ids for one in drawn],
        experts=[torch.tensor(one.routing.ids_TLK) for one in drawn if one.routing],
    )
    scored = ScoredLM(load_model(Model(path=str(folder), dtype="bfloat16"), folder).eval())
    before = gaps(scored, sequences, drawn)
    assert scored.replay.take().anywhere > 0
    scored.replay.follows = True
    after = gaps(scored, sequences, drawn)
    assert after.mean() < before.mean()
    # The mean is the rounding of all tokens, the largest a token that went through other experts.
    assert after.max() < before.max() / 2
