"""Speculative decoding with the MTP layer, really run: same policy, fewer steps, no stale draft."""

import pytest
import tiny_moe
import torch

from grpo.recipe.sections import Parity, SamplerConfig, Sampling
from grpo.sampler import open_sampler, parity_gate

pytestmark = pytest.mark.slow

CONFIG = SamplerConfig(max_model_len=256, max_num_seqs=32, kv_cache_gib=0.0625, draft_tokens=1)
SAMPLING = Sampling(temperature=0.7, max_tokens=24)
EH_PROJ = f"model.layers.{tiny_moe.LAYERS}.eh_proj.weight"
FAVOURITE = 42


def one_track_policy():
    """Channel 0 is large and positive for every token, and the head makes it token 42."""
    policy = tiny_moe.model()
    with torch.no_grad():
        policy.model.embed_tokens.weight[:, 0] = 60.0
        policy.model.norm.weight[0] = 1.0
        policy.lm_head.weight[:, 0] = 0.0
        policy.lm_head.weight[FAVOURITE, 0] = 1.1
    return policy


def draft_of(policy, sign):
    """A draft that hands channel 0 on: with sign 1 it proposes token 42, with -1 never."""
    draft = tiny_moe.draft_weights(policy)
    draft[EH_PROJ].zero_()
    draft[EH_PROJ][0, 0] = 60.0 * sign
    return draft


@pytest.fixture(scope="module")
def policy():
    return one_track_policy()


@pytest.fixture(scope="module")
def sampler(policy, tmp_path_factory):
    folder = tiny_moe.save(policy, tmp_path_factory.mktemp("tiny"))
    sampler = open_sampler(tiny_moe.add_draft(folder, draft_of(policy, -1)), CONFIG)
    yield sampler
    sampler.close()


def push(sampler, policy, draft):
    sampler.sync(tiny_moe.checkpoint_weights(policy).items(), draft.items())


def test_a_synced_draft_proposes_what_the_policy_takes(sampler, policy):
    asked = tiny_moe.requests(16)
    before = sampler.sample(asked, SAMPLING)
    assert sampler.metrics()["sampler/draft_acceptance"] < 0.05
    push(sampler, policy, draft_of(policy, 1))
    after = sampler.sample(asked, SAMPLING)
    assert sampler.metrics()["sampler/draft_acceptance"] > 0.5
    assert sampler.metrics() == {}
    for completions in (before, after):
        scored = tiny_moe.score(policy, asked, completions, SAMPLING.temperature)
        assert parity_gate(completions, scored, dtype="float32", config=Parity()).max < 1e-4


def test_drafted_tokens_follow_the_policy(sampler, policy):
    push(sampler, policy, draft_of(policy, 1))
    asked = tiny_moe.requests(64, seed=6)
    completions = sampler.sample(asked, SAMPLING)
    assert sampler.metrics()["sampler/draft_acceptance"] > 0.5
    mean, error = tiny_moe.surprise(policy, asked, completions, SAMPLING.temperature)
    assert abs(mean) < 4 * error
    assert {t for c in completions for t in c.token_ids} > {FAVOURITE}


def test_drafted_completions_repeat(sampler, policy):
    push(sampler, policy, draft_of(policy, 1))
    asked = tiny_moe.requests(16)
    completions = sampler.sample(asked, SAMPLING)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert sampler.sample(asked, SAMPLING) == completions
    assert torch.equal(torch.rand(1), expected)
    assert sampler.sample(asked[4:5], SAMPLING)[0].token_ids == completions[4].token_ids
    push(sampler, policy, draft_of(policy, 1))
    assert sampler.sample(asked, SAMPLING) == completions


def test_a_drafted_policy_is_carried_over_by_a_sync(sampler):
    trained = tiny_moe.model(2)
    push(sampler, trained, tiny_moe.draft_weights(trained, seed=4))
    asked = tiny_moe.requests(16)
    completions = sampler.sample(asked, SAMPLING)
    scored = tiny_moe.score(trained, asked, completions, SAMPLING.temperature)
    assert parity_gate(completions, scored, dtype="float32", config=Parity()).max < 1e-4
