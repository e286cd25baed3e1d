"""Checkpoints vLLM would fail on obscurely, or sample from in silence and wrongly, are refused."""

import json

import pytest
import tiny_moe

from grpo.errors import UserError
from grpo.recipe.sections import SamplerConfig
from grpo.sampler import open_sampler
from grpo.sampler.preflight import model_dtype, read_config, refuse, refuse_depth

PLAIN = SamplerConfig(max_model_len=512)


def values(**changes):
    return {**tiny_moe.config().to_dict(), **changes}


def test_a_deepseek_v3_as_published_passes():
    refuse(values(), PLAIN, cpu=True)
    refuse(values(rope_parameters=None, rope_scaling=tiny_moe.YARN), PLAIN, cpu=True)
    refuse(values(), SamplerConfig(max_model_len=512, draft_tokens=1), cpu=True)


@pytest.mark.parametrize("method", [None, "greedy"])
def test_the_routers_bias_needs_its_method_named(method):
    with pytest.raises(UserError, match='"topk_method": "noaux_tc"'):
        refuse(values(topk_method=method), PLAIN, cpu=False)


@pytest.mark.parametrize(
    "rope", [None, {}, {"rope_type": "default", "rope_theta": 1e4}, {"type": "default"}]
)
def test_default_rope_is_refused_on_a_cpu_alone(rope):
    with pytest.raises(UserError, match=r"rope_type 'default'.*yarn"):
        refuse(values(rope_parameters=rope), PLAIN, cpu=True)
    refuse(values(rope_parameters=rope), PLAIN, cpu=False)


@pytest.mark.parametrize("cpu", [True, False])
def test_rope_that_vllm_would_take_for_yarn_is_refused(cpu):
    linear = {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}
    with pytest.raises(UserError, match=r"rope_type 'linear'.*rope_type yarn"):
        refuse(values(rope_parameters=linear), PLAIN, cpu=cpu)
    with pytest.raises(UserError, match=r"rope_interleave false.*plain"):
        refuse(values(rope_interleave=False), PLAIN, cpu=cpu)


def test_experts_are_told_on_a_gpu_alone():
    telling = SamplerConfig(max_model_len=512, routed_experts=True)
    with pytest.raises(UserError, match=r"on a GPU alone.*sampler\.engine=plain"):
        refuse(values(), telling, cpu=True)
    refuse(values(), telling, cpu=False)
    # Of a dense model nobody asks, as of a student beside the mixture of experts.
    llama = {"model_type": "llama", "hidden_size": 576, "num_attention_heads": 9}
    refuse(llama, telling, cpu=True)


@pytest.mark.parametrize("task", ["SequenceClassification", "TokenClassification"])
def test_a_reward_model_is_asked_nothing(task, tmp_path):
    written = {"model_type": "llama", "architectures": [f"LlamaFor{task}"]}
    with pytest.raises(UserError, match=f"is a LlamaFor{task}, which scores answers"):
        refuse(written, PLAIN, cpu=False)
    (tmp_path / "config.json").write_text(json.dumps(written))
    with pytest.raises(UserError, match=f"is a LlamaFor{task}, which scores answers"):
        open_sampler(tmp_path, SamplerConfig(engine="plain"))


def test_default_rope_of_other_models_is_fine():
    llama = {"model_type": "llama", "hidden_size": 576, "num_attention_heads": 9}
    refuse(llama, PLAIN, cpu=True)


def test_head_sizes_the_cpu_kernel_lacks_are_refused():
    with pytest.raises(UserError, match=r"qk_nope_head_dim \+ qk_rope_head_dim = 24"):
        refuse(values(qk_nope_head_dim=16), PLAIN, cpu=True)
    with pytest.raises(UserError, match="head_dim = 40"):
        refuse({"model_type": "llama", "head_dim": 40}, PLAIN, cpu=True)
    with pytest.raises(UserError, match="hidden_size / num_attention_heads = 48"):
        llama = {"model_type": "llama", "hidden_size": 96, "num_attention_heads": 2}
        refuse(llama, PLAIN, cpu=True)
    refuse(values(qk_nope_head_dim=16), PLAIN, cpu=False)


def test_a_draft_needs_an_mtp_layer_and_one_gpu():
    with pytest.raises(UserError, match=r"draft_tokens=1.*no MTP layer"):
        refuse(
            values(num_nextn_predict_layers=0),
            SamplerConfig(max_model_len=512, draft_tokens=1),
            cpu=True,
        )
    for tokens in (1, 2, 4):
        deep = values(num_nextn_predict_layers=2)
        refuse(deep, SamplerConfig(max_model_len=512, draft_tokens=tokens), cpu=True)
    with pytest.raises(UserError, match=r"draft_tokens=3: vLLM takes at most 2.*a multiple"):
        refuse(deep, SamplerConfig(max_model_len=512, draft_tokens=3), cpu=True)
    with pytest.raises(UserError, match="tensor_parallel_size=2"):
        refuse(
            values(),
            SamplerConfig(max_model_len=512, draft_tokens=1, tensor_parallel_size=2),
            cpu=False,
        )


def test_weights_saved_without_their_mtp_layer_are_no_draft():
    refuse_depth(2, SamplerConfig(draft_tokens=1))
    with pytest.raises(UserError, match=r"draft_tokens=1.*saved without.*draft_tokens=0"):
        refuse_depth(0, SamplerConfig(draft_tokens=1))


def test_config_is_read_or_missed(tmp_path):
    with pytest.raises(UserError, match=r"config\.json does not exist"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text('{"torch_dtype": "torch.bfloat16"}')
    assert model_dtype(read_config(tmp_path)) == "bfloat16"
    assert model_dtype({"dtype": "float16"}) == "float16"
    assert model_dtype({}) == "float32"


def test_more_tokens_than_the_model_has_positions_are_refused():
    small = {"model_type": "llama", "max_position_embeddings": 512}
    refuse(small, SamplerConfig(max_model_len=512), cpu=False)
    with pytest.raises(UserError, match="lower it to 512"):
        refuse(small, SamplerConfig(max_model_len=513), cpu=False)
    scaled = {**small, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}
    refuse(scaled, SamplerConfig(max_model_len=513), cpu=False)
