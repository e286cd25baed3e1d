"""Speculative decoding with the MTP layer, really run: same policy, fewer steps, no stale draft."""

from collections import Counter

import pytest
import tiny_moe
import torch

from grpo.recipe.sections import Parity, SamplerConfig, Sampling
from grpo.sampler import ACCEPTANCE, open_sampler, parity_gate
from grpo.types import Request

pytestmark = pytest.mark.slow

CONFIG = SamplerConfig(max_model_len=256, max_num_seqs=256, kv_cache_gib=0.25, draft_tokens=1)
SAMPLING = Sampling(temperature=0.7, max_tokens=24)
EH_PROJ = f"model.layers.{tiny_moe.LAYERS}.eh_proj.weight"
FAVOURITE = 42
# The chance that the test of equal distributions fails where they are equal, and its size.
ALPHA, N = 1e-3, 4096


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
    assert sampler.metrics()[ACCEPTANCE] < 0.05
    push(sampler, policy, draft_of(policy, 1))
    after = sampler.sample(asked, SAMPLING)
    assert sampler.metrics()[ACCEPTANCE] > 0.5
    assert sampler.metrics() == {}
    for completions in (before, after):
        scored = tiny_moe.score(policy, asked, completions, SAMPLING.temperature)
        assert parity_gate(completions, scored, dtype="float32", config=Parity()).max < 1e-4


def test_drafted_tokens_follow_the_policy(sampler, policy):
    push(sampler, policy, draft_of(policy, 1))
    asked = tiny_moe.requests(64, seed=6)
    completions = sampler.sample(asked, SAMPLING)
    assert sampler.metrics()[ACCEPTANCE] > 0.5
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


def pairs(sampler, first_seed):
    """The second and third tokens of N completions of one prompt: what a draft has a part in."""
    asked = [Request((7, 8, 9, 10), first_seed + number) for number in range(N)]
    drawn = sampler.sample(asked, SAMPLING.model_copy(update={"max_tokens": 4}))
    return [one.token_ids[1:3] for one in drawn]


def p_equal(one, other):
    """The chi-square test that both samples are of one distribution; pairs seen fewer than ten
    times in both together are one kind."""
    counts = [Counter(sample) for sample in (one, other)]
    common = [pair for pair, n in (counts[0] + counts[1]).items() if n >= 10]
    table = torch.tensor([[count[pair] for pair in common] for count in counts])
    table = torch.cat([table, N - table.sum(1, keepdim=True)], dim=1).double()
    expected = table.sum(0) / 2
    statistic = ((table - expected).square() / expected.clamp(min=1e-9)).sum()
    degrees = (expected > 0).sum().double() - 1
    return float(torch.special.gammaincc(degrees / 2, statistic / 2))


def test_chi_square_by_hand():
    # 2,048 and 2,148 of 4,096: 2 x 50^2 / 2098 + 2 x 50^2 / 1998 = 4.886, one degree: p = 0.0271.
    samples = [[(1, 1)] * n + [(2, 2)] * (N - n) for n in (2048, 2148)]
    assert p_equal(*samples) == pytest.approx(0.0271, abs=1e-4)


def test_what_is_drawn_with_a_draft_has_the_distribution_without(sampler, policy, monkeypatch):
    from vllm.v1.sample import rejection_sampler

    push(sampler, policy, draft_of(policy, 1))
    sampler.metrics()
    drafted = pairs(sampler, 0)
    assert 0.3 < sampler.metrics()[ACCEPTANCE] < 0.9
    with sampler.undrafted():
        alone = pairs(sampler, N)
    assert sampler.metrics() == {}
    assert p_equal(drafted, alone) > ALPHA

    def warmer(values, sums, tokens, **_):
        return torch.full((tokens,), 0.8, dtype=values.dtype)

    # The test is no formality: drafted tokens at another temperature, 0.8, are found out.
    monkeypatch.setattr(rejection_sampler, "expand_batch_to_tokens", warmer)
    assert p_equal(pairs(sampler, 2 * N), alone) < ALPHA / 1000


def test_a_draft_rests_and_wakes(sampler, policy):
    push(sampler, policy, draft_of(policy, 1))
    asked = tiny_moe.requests(16)
    sampler.metrics()
    with sampler.undrafted():
        alone = sampler.sample(asked, SAMPLING)
        assert sampler.sample(asked, SAMPLING) == alone
    assert sampler.metrics() == {}
    scored = tiny_moe.score(policy, asked, alone, SAMPLING.temperature)
    assert parity_gate(alone, scored, dtype="float32", config=Parity()).max < 1e-4
    before = sampler.sample(asked, SAMPLING)
    assert sampler.metrics()[ACCEPTANCE] > 0.5
    assert {one.token_ids for one in before} != {one.token_ids for one in alone}
