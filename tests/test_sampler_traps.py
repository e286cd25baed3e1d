"""Every silent trap of sampling for RL is brought back here, and seen caught.

Each test undoes one cure and asserts that a gate, a checksum or the preflight speaks. A cure that
could be taken out without a test failing here is not known to be needed.
"""

import pytest
import tiny_moe
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from grpo.errors import UserError
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import Parity, SamplerConfig, Sampling
from grpo.sampler import ParityError, open_sampler, parity_gate, preflight, vllm_adapter
from grpo.sampler.vllm_adapter import Engine

pytestmark = pytest.mark.slow

CONFIG = SamplerConfig(max_model_len=512, max_num_seqs=32, kv_cache_gib=0.0625)
DRAFTED = CONFIG.model_copy(update={"draft_tokens": 1})
SAMPLING = Sampling(temperature=0.7, max_tokens=16)


@pytest.fixture(scope="module")
def policy():
    return tiny_moe.model()


@pytest.fixture(scope="module")
def folder(policy, tmp_path_factory):
    return tiny_moe.save(policy, tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def opened(folder):
    """Opens samplers on the checkpoint, and closes them."""
    running = []

    def start(config=CONFIG, where=folder):
        running.append(open_sampler(where, config))
        return running[-1]

    yield start
    for sampler in running:
        sampler.close()


def gate(sampler, policy, asked=None):
    asked = asked or tiny_moe.requests(8)
    completions = sampler.sample(asked, SAMPLING)
    scored = tiny_moe.score(policy, asked, completions, SAMPLING.temperature)
    return parity_gate(completions, scored, dtype=sampler.dtype, config=Parity())


def push(sampler, policy, draft=()):
    sampler.sync(tiny_moe.checkpoint_weights(policy).items(), dict(draft).items())


def test_default_rope_is_refused_and_would_be_caught(opened, monkeypatch, tmp_path):
    plain_rope = {"rope_type": "default", "rope_theta": 10000.0}
    unrotated = tiny_moe.model(rope_parameters=plain_rope)
    folder = tiny_moe.save(unrotated, tmp_path)
    with pytest.raises(UserError, match="rope_type 'default'"):
        opened(where=folder)
    monkeypatch.setattr(preflight, "_refuse_rope", lambda _values, **_: None)
    with pytest.raises(ParityError):
        gate(opened(where=folder), unrotated)


def test_experts_read_in_the_wrong_order_are_caught(opened, policy, monkeypatch):
    sampler = opened()
    push(sampler, policy)
    assert gate(sampler, policy).max < 1e-4
    monkeypatch.setattr(vllm_adapter, "_forget_packed_experts", lambda _model: None)
    push(sampler, policy)
    with pytest.raises(ParityError):
        gate(sampler, policy)


def test_a_tied_head_that_keeps_its_first_weights_is_caught(opened, monkeypatch, tmp_path):
    torch.manual_seed(0)
    dense = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tiny_moe.tokenizer()),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            tie_word_embeddings=True,
            initializer_range=0.2,
        )
    ).eval()
    dense.save_pretrained(tmp_path)
    tiny_moe.tokenizer().save_pretrained(tmp_path)
    sampler = opened(where=tmp_path)
    with torch.no_grad():
        dense.model.embed_tokens.weight.mul_(1.1)
    sampler.sync(checkpoint_tensors(dense).items())
    assert gate(sampler, dense).max < 1e-4
    monkeypatch.setattr(vllm_adapter, "_pack_tied_head", lambda _model: None)
    with torch.no_grad():
        dense.model.embed_tokens.weight.mul_(1.1)
    sampler.sync(checkpoint_tensors(dense).items())
    with pytest.raises(ParityError):
        gate(sampler, dense)


def test_stale_weights_are_caught(opened, policy):
    sampler, trained = opened(), tiny_moe.model()
    with torch.no_grad():
        for weight in trained.parameters():
            weight.mul_(1.001)
    with pytest.raises(ParityError):
        gate(sampler, trained)
    push(sampler, trained)
    assert gate(sampler, trained).max < 1e-4


def test_a_prefix_cache_that_outlives_a_sync_is_caught(opened, policy, monkeypatch):
    # Whole blocks of 32 tokens are kept: these prompts leave nine each.
    asked = tiny_moe.requests(8, low=300, high=301)
    sampler, trained = opened(), tiny_moe.model(1)
    gate(sampler, policy, asked)
    with monkeypatch.context() as undone:
        undone.setattr(Engine, "drop_prefix_cache", lambda _engine: None)
        push(sampler, trained)
    with pytest.raises(ParityError):
        gate(sampler, trained, asked)
    push(sampler, trained)
    assert gate(sampler, trained, asked).max < 1e-4


def test_log_probabilities_without_the_temperature_are_caught(opened, policy, monkeypatch):
    arguments = Engine._arguments

    def raw(self, folder, dtype):
        return {**arguments(self, folder, dtype), "logprobs_mode": "raw_logprobs"}

    monkeypatch.setattr(Engine, "_arguments", raw)
    with pytest.raises(ParityError):
        gate(opened(), policy)


def test_a_stale_draft_is_caught_where_the_parity_gate_is_blind(opened, policy, monkeypatch):
    sampler = opened(DRAFTED)
    monkeypatch.setattr(Engine, "push_draft", lambda _engine, _weights: None)
    with pytest.raises(ParityError, match="MTP draft"):
        push(sampler, policy, tiny_moe.draft_weights(policy, seed=2))
    assert gate(sampler, policy).max < 1e-4


def test_a_draft_tensor_left_out_is_refused(opened, policy):
    sampler, draft = opened(DRAFTED), tiny_moe.draft_weights(policy)
    del draft["model.layers.3.eh_proj.weight"]
    with pytest.raises(ValueError, match=r"layers\.3\.eh_proj"):
        push(sampler, policy, draft)
    with pytest.raises(ValueError, match="left"):
        push(sampler, policy)


def test_draft_experts_read_in_the_wrong_order_are_caught_at_the_start(opened, monkeypatch):
    monkeypatch.setattr(vllm_adapter, "_forget_packed_experts", lambda _model: None)
    with pytest.raises(ParityError, match="packed again by a sync"):
        opened(DRAFTED)


def test_a_draft_at_another_temperature_is_caught(opened, policy, monkeypatch):
    def filled_by_chance(values, cu_num_tokens, num_tokens, replace_from=0, replace_to=0):
        return torch.full((num_tokens,), 0.1)

    monkeypatch.setattr(vllm_adapter, "_expand_batch_to_tokens", filled_by_chance)
    with pytest.raises(ParityError):
        gate(opened(DRAFTED), policy)
