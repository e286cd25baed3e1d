"""The plain sampler: the right distribution, log-probabilities and ends, whatever the batch."""

from string import ascii_letters

import pytest
import small_policies
import tiny_moe
import torch
from transformers import GenerationConfig

from grpo.errors import UserError
from grpo.recipe.sections import Parity, SamplerConfig, Sampling
from grpo.sampler import open_sampler, parity_gate
from grpo.sampler.plain import PlainSampler
from grpo.train.policy import score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Sequences
from grpo.types import Request

SAMPLING = Sampling(temperature=0.7, max_tokens=16)


@pytest.fixture(scope="module")
def policy():
    return tiny_moe.model()


@pytest.fixture(scope="module")
def sampler(policy):
    return PlainSampler(policy, tiny_moe.tokenizer(), max_model_len=128)


@pytest.fixture(scope="module")
def drawn(sampler):
    asked = tiny_moe.requests(12)
    return asked, sampler.sample(asked, SAMPLING)


def test_log_probabilities_are_the_trainers(policy, drawn):
    asked, completions = drawn
    scored = tiny_moe.score(policy, asked, completions, 0.7)
    assert parity_gate(completions, scored, dtype="float32", config=Parity()).max < 1e-4


def test_tokens_do_not_depend_on_the_neighbours(policy, drawn):
    asked, completions = drawn
    narrow = PlainSampler(policy, tiny_moe.tokenizer(), batch=5, max_model_len=128)
    again = narrow.sample(asked[::-1], SAMPLING)[::-1]
    alone = narrow.sample(asked[3:4], SAMPLING)
    assert [c.token_ids for c in again] == [c.token_ids for c in completions]
    assert alone[0].token_ids == completions[3].token_ids


def test_the_seed_alone_makes_the_difference(sampler, drawn):
    asked, completions = drawn
    other = sampler.sample([Request(asked[0].prompt_ids, asked[1].seed)], SAMPLING)
    assert other[0].token_ids != completions[0].token_ids


@pytest.mark.slow
def test_draws_follow_the_policy(policy, sampler):
    prompt = tiny_moe.requests(1)[0].prompt_ids
    asked = [Request(prompt, seed) for seed in range(256)]
    completions = sampler.sample(asked, Sampling(temperature=1.3, max_tokens=4))
    mean, error = tiny_moe.surprise(policy, asked, completions, 1.3)
    assert abs(mean) < 4 * error
    assert error < 0.05


@pytest.mark.parametrize(("top_k", "top_p"), [(3, 1.0), (0, 0.5)])
def test_cuts_leave_a_distribution_that_sums_to_one(policy, sampler, top_k, top_p):
    asked = tiny_moe.requests(4, seed=1)
    cut = Sampling(max_tokens=6, top_k=top_k, top_p=top_p)
    for request, completion in zip(asked, sampler.sample(asked, cut), strict=True):
        logp = tiny_moe.log_probabilities(policy, request, completion, 1.0)
        for row, token, got in zip(logp, completion.token_ids, completion.logprobs, strict=True):
            probs, order = row.exp().sort(descending=True)
            # A nucleus is the shortest head of the sorted tokens that holds top_p.
            kept = top_k or int((probs.cumsum(0) < top_p).sum()) + 1
            assert token in order[:kept]
            assert got == pytest.approx((row[token] - probs[:kept].sum().log()).item(), abs=1e-4)


def test_a_completion_ends_at_its_end_token_and_holds_it(policy):
    # Only the end token has a positive logit: it comes at once, and pad is the end token too.
    tokenizer = tiny_moe.tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    ending = tiny_moe.model()
    with torch.no_grad():
        ending.lm_head.weight.zero_()
    ending.lm_head.register_forward_hook(lambda _m, _i, out: out.index_fill(-1, END, 50.0))
    completion = PlainSampler(ending, tokenizer).sample(tiny_moe.requests(1), SAMPLING)[0]
    assert completion.token_ids == (tiny_moe.END,)
    assert (completion.text, completion.finish_reason) == ("", "stop")


END = torch.tensor([tiny_moe.END])


def test_lengths(sampler):
    long, short = Request((9,) * 124, 0), Request((9,) * 5, 1)
    completions = sampler.sample([long, short], SAMPLING)
    # 128 - 124 tokens are left to the first.
    assert len(completions[0].token_ids) == 4 < len(completions[1].token_ids) <= 16
    assert completions[0].finish_reason == "length"
    with pytest.raises(UserError, match="leaves no room"):
        sampler.sample([Request((9,) * 128, 0)], SAMPLING)


def test_stop_texts_end_a_completion(sampler, drawn):
    asked, completions = drawn
    letters = set(ascii_letters) - set("".join(tiny_moe.SPECIALS))
    stop = next(letter for c in completions for letter in c.text[1:4] if letter in letters)
    stopped = sampler.sample(asked, Sampling(temperature=0.7, max_tokens=16, stop=(stop,)))
    for before, after in zip(completions, stopped, strict=True):
        assert before.token_ids[: len(after.token_ids)] == after.token_ids
        assert after.finish_reason == ("stop" if stop in after.text else before.finish_reason)
    assert any(c.text.endswith(stop) for c in stopped)


def test_the_checkpoints_generation_defaults_bend_nothing(policy, sampler, drawn):
    asked, completions = drawn
    before = policy.generation_config
    policy.generation_config = GenerationConfig(repetition_penalty=5.0, top_k=2, eos_token_id=[1])
    policy.train()
    try:
        assert sampler.sample(asked, SAMPLING) == completions
        assert policy.training
        assert policy.generation_config.repetition_penalty == 5.0
    finally:
        policy.generation_config = before
        policy.eval()


def test_the_global_generator_is_left_alone(sampler):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    sampler.sample(tiny_moe.requests(2), SAMPLING)
    assert torch.equal(torch.rand(1), expected)


def test_own_copy_takes_weights_by_checkpoint_names(tmp_path):
    folder = tiny_moe.save(tiny_moe.model(0), tmp_path)
    config = SamplerConfig(engine="plain", max_model_len=128)
    sampler = open_sampler(folder, config)
    trained, asked = tiny_moe.model(1), tiny_moe.requests(4)
    sampler.sync(tiny_moe.checkpoint_weights(trained).items())
    completions = sampler.sample(asked, SAMPLING)
    scored = tiny_moe.score(trained, asked, completions, 0.7)
    assert parity_gate(completions, scored, dtype=sampler.dtype, config=config.parity).max < 1e-4
    sampler.close()


def test_a_followed_model_needs_no_sync(policy):
    config = SamplerConfig(engine="plain")
    sampler = open_sampler("nowhere", config, model=policy, tokenizer=tiny_moe.tokenizer())
    sampler.sync(iter(()))
    assert sampler.dtype == "float32"
    assert sampler.metrics() == {}
    with pytest.raises(UserError, match="does not exist"):
        open_sampler("nowhere", config)


def test_the_experts_it_names_are_those_the_trainer_chooses(policy, drawn):
    asked, completions = drawn
    for request, completion in zip(asked, completions, strict=True):
        read = len(request.prompt_ids) + len(completion.token_ids) - 1
        # Two of the three layers have experts, a token takes two of eight.
        assert completion.routing.ids_TLK.shape == (read, 2, 2)
        assert (completion.routing.width, int(completion.routing.ids_TLK.max()) < 8) == (1, True)
    sequences = Sequences(
        [request.prompt_ids for request in asked],
        [completion.token_ids for completion in completions],
        experts=[torch.tensor(completion.routing.ids_TLK) for completion in completions],
    )
    scored = ScoredLM(policy)
    score(scored, sequences, temperature=0.7, budget=300, device=torch.device("cpu"))
    differ = scored.replay.take()
    assert differ.tokens == sum(len(completion.routing.ids_TLK) for completion in completions)
    assert (differ.layers_L.tolist(), int(differ.anywhere)) == ([0, 0], 0)


def test_experts_are_named_alike_whatever_the_batch(policy, drawn):
    asked, completions = drawn
    narrow = PlainSampler(policy, tiny_moe.tokenizer(), batch=5, max_model_len=128)
    again = narrow.sample(asked[::-1], SAMPLING)[::-1]
    same = [a.routing == b.routing for a, b in zip(again, completions, strict=True)]
    assert all(same)


def test_experts_are_not_named_where_there_are_none_or_nobody_asks(policy):
    quiet = PlainSampler(policy, tiny_moe.tokenizer(), max_model_len=128, routing=False)
    assert quiet.sample(tiny_moe.requests(1), SAMPLING)[0].routing is None
    dense = PlainSampler(small_policies.llama(), tiny_moe.tokenizer(), max_model_len=128)
    assert dense.sample(tiny_moe.requests(1), SAMPLING)[0].routing is None
    hooks = [len(part._forward_hooks) for part in policy.modules()]
    PlainSampler(policy, tiny_moe.tokenizer()).sample(tiny_moe.requests(1), SAMPLING)
    assert [len(part._forward_hooks) for part in policy.modules()] == hooks


def test_more_experts_than_a_byte_holds_are_told_apart():
    many = tiny_moe.model(n_routed_experts=512, n_group=4, moe_intermediate_size=2)
    (completion,) = PlainSampler(many, tiny_moe.tokenizer()).sample(tiny_moe.requests(1), SAMPLING)
    assert completion.routing.width == 2
    assert completion.routing.ids_TLK.max() > 255
