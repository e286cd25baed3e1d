"""What the adapter believes about vLLM's insides; a new version that breaks a belief fails here."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_moe
import torch

from grpo.recipe.sections import SamplerConfig
from grpo.sampler.isolation import own_process_state
from grpo.sampler.preflight import CPU_HEAD_SIZES
from grpo.sampler.vllm_adapter import (
    Engine,
    _expand_batch_to_tokens,
    _own_draft_weights,
    on_cpu,
    routing_of,
)
from grpo.sampler.vllm_arguments import engine_arguments
from grpo.train.policy import score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Sequences

pytestmark = pytest.mark.slow

CONFIG = SamplerConfig(max_model_len=64, max_num_seqs=8, kv_cache_gib=0.0625, draft_tokens=1)
THREADS = torch.set_num_threads


@pytest.fixture(scope="module")
def policy():
    return tiny_moe.model()


@pytest.fixture(scope="module")
def engine(policy, tmp_path_factory):
    engine = Engine(tiny_moe.save(policy, tmp_path_factory.mktemp("tiny")), CONFIG, "float32")
    yield engine
    engine.close()
    assert torch.set_num_threads is THREADS
    assert not torch.distributed.is_initialized()


def test_this_vllm_runs_on_the_cpu_in_this_process(engine):
    from vllm.v1.engine.core_client import InprocClient

    assert on_cpu()
    assert isinstance(engine.llm.llm_engine.engine_core, InprocClient)
    assert torch.distributed.is_initialized()


def test_the_engine_got_what_was_asked(engine):
    config = engine.llm.llm_engine.vllm_config
    assert config.model_config.dtype == torch.float32
    assert config.model_config.logprobs_mode == "processed_logprobs"
    assert config.model_config.enforce_eager
    assert not config.model_config.use_mla
    assert not config.scheduler_config.enable_chunked_prefill
    assert config.scheduler_config.max_num_seqs == 8
    assert config.cache_config.kv_cache_memory_bytes == 2**26
    assert config.speculative_config.num_speculative_tokens == 1
    assert engine.llm.get_default_sampling_params().temperature == 1.0


def test_the_list_of_head_sizes_is_vllms():
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    assert list(CPU_HEAD_SIZES) == CPUAttentionBackend.get_supported_head_sizes()


def test_every_expert_layer_has_a_kernel_to_forget(engine):
    def kernels(worker):
        runner = worker.model_runner
        layers = [*runner.get_model().modules(), *runner.drafter.model.modules()]
        methods = [getattr(layer, "quant_method", None) for layer in layers]
        return sum(getattr(m, "moe_kernel", None) is not None for m in methods)

    # Two expert layers in the policy, one in the draft.
    assert engine._call(kernels) == 3


def test_embedding_and_head_of_the_draft_are_the_policys(engine):
    def shared(worker):
        target, draft = worker.model_runner.get_model(), worker.model_runner.drafter.model
        ours = {id(w) for w in target.parameters()}
        return sorted(name for name, w in draft.named_parameters() if id(w) in ours)

    names = ["model.embed_tokens.weight", "model.layers.3.shared_head.head.weight"]
    assert engine._call(shared) == names


def test_the_drafts_weights_can_be_read_back_to_the_bit(engine, policy):
    draft = tiny_moe.draft_weights(policy)
    engine.push_draft(draft.items())
    assert engine.draft_values() == engine.expected_draft_values(draft.items())
    engine.push_draft((n, w * 1.0001) for n, w in draft.items())
    assert engine.draft_values() != engine.expected_draft_values(draft.items())
    # No weight is read as the empty tensor its kernel leaves behind.
    assert all(w.numel() for w in engine._call(_own_draft_weights))


def test_a_reload_leaves_the_layout_of_a_fresh_load(engine, policy):
    draft = tiny_moe.draft_weights(policy)
    engine.push_draft(draft.items())
    layout = engine.draft_layout()
    engine.push_draft(tiny_moe.draft_weights(policy, seed=2).items())
    assert engine.draft_layout() != layout
    engine.push_draft(draft.items())
    assert engine.draft_layout() == layout


def test_a_reload_keeps_no_hold_of_the_trainers_tensors(engine, policy):
    draft = tiny_moe.draft_weights(policy)
    engine.push_draft(draft.items())
    pushed = engine.draft_values()
    for weight in draft.values():
        weight.zero_()
    assert engine.draft_values() == pushed


def test_the_draft_counters_are_where_they_were(engine):
    counts = engine.draft_counts()
    names = {metric.name for metric in engine.llm.get_metrics()}
    assert "vllm:spec_decode_num_drafts" in names
    assert "vllm:spec_decode_num_draft_tokens" in names
    assert "vllm:spec_decode_num_accepted_tokens_per_pos" in names
    assert counts.drafts >= counts.proposed >= sum(counts.accepted) >= 0
    assert len(counts.accepted) == 1


def test_a_draft_at_rest_is_awake_again_afterwards(engine):
    def propose(worker):
        return "propose" in vars(worker.model_runner.drafter)

    scheduler = engine.llm.llm_engine.engine_core.engine_core.scheduler
    assert scheduler.dynamic_sd_lookup is None and not engine._call(propose)
    with pytest.raises(ZeroDivisionError), engine.undrafted():
        assert scheduler.dynamic_sd_lookup == [0] * 9 and engine._call(propose)
        raise ZeroDivisionError
    assert scheduler.dynamic_sd_lookup is None and not engine._call(propose)


def test_the_prefix_cache_lets_go(engine):
    engine.drop_prefix_cache()


def test_temperatures_are_spread_over_drafted_tokens():
    # Three requests of 1, 2 and 1 tokens; 0 stands for greedy and is replaced by 1.
    values, sums = torch.tensor([0.7, 1.3, 0.0]), torch.tensor([1, 3, 4], dtype=torch.int32)
    spread = _expand_batch_to_tokens(values, sums, 4, 0, 1)
    assert torch.equal(spread, torch.tensor([0.7, 1.3, 1.3, 1.0]))
    counts = _expand_batch_to_tokens(torch.tensor([5, 6, 7]), sums, 4)
    assert torch.equal(counts, torch.tensor([5, 6, 6, 7]))


def test_vllms_own_spreading_still_fills_nothing(engine):
    """When this fails, vLLM has mended it: take `_mend_draft_temperature` out."""
    from vllm.utils.cpu_triton_utils import _expand_kernel_impl

    output = torch.full((4,), -1.0)
    sums = torch.tensor([1, 3, 4], dtype=torch.int32)
    _expand_kernel_impl(output, torch.tensor([0.7, 1.3, 0.9]), sums, 0, 1)
    assert torch.equal(output, torch.full((4,), -1.0))


def test_the_mend_is_where_the_rejection_sampler_looks(engine):
    from vllm.v1.sample import rejection_sampler

    looked_up = rejection_sampler.apply_sampling_constraints.__globals__["expand_batch_to_tokens"]
    assert looked_up is _expand_batch_to_tokens


def test_vllm_is_asked_for_experts_by_arguments_it_knows():
    from vllm.engine.arg_utils import EngineArgs

    telling = CONFIG.model_copy(update={"routed_experts": True})
    asked = engine_arguments("folder", telling, "bfloat16", cpu=False)
    quiet = engine_arguments("folder", CONFIG, "bfloat16", cpu=False)
    assert {**quiet, "enable_return_routed_experts": True, "enable_prefix_caching": True} == asked
    assert asked.keys() <= {field.name for field in dataclasses.fields(EngineArgs)}


def test_vllm_tells_no_experts_on_a_cpu(policy, tmp_path):
    """When this fails, it does: take `_refuse_routed_experts` out of the preflight."""
    from vllm.engine.arg_utils import EngineArgs

    folder = tiny_moe.save(policy, tmp_path)
    args = EngineArgs(str(folder), enable_return_routed_experts=True, max_model_len=64)
    with own_process_state(), pytest.raises(ValueError, match="requires Model Runner V2"):
        args.create_engine_config()


def test_an_output_has_a_row_for_every_token_that_was_read():
    """What the scheduler of 0.32 takes out: all but the last token, from where it left off."""
    from vllm.distributed.aux_output_connector.connector import (
        AuxOutputSchedulerConnector,
        AuxRequestOutput,
    )
    from vllm.outputs import CompletionOutput

    # A prompt of 5 tokens and the first drawn: 5 were read. A draft may have run ahead by more.
    request = SimpleNamespace(request_id="a", num_tokens=6, is_finished=lambda: False)
    rows = np.arange(7 * 3 * 2, dtype=np.uint8).reshape(7, 3, 2)
    taken = AuxOutputSchedulerConnector().take_output(request, {"a": AuxRequestOutput(0, rows)})
    assert np.array_equal(taken, rows[:5])
    assert {field.name for field in dataclasses.fields(CompletionOutput)} >= {"routed_experts"}


def test_layers_without_experts_are_left_out():
    # 2 tokens, 3 layers of which the first is dense, 2 experts a token.
    rows = np.array([[[0, 0], [3, 1], [5, 4]], [[0, 0], [7, 2], [6, 0]]], dtype=np.uint8)
    routing = routing_of(SimpleNamespace(routed_experts=rows), 2, 1)
    assert routing.ids_TLK.tolist() == [[[3, 1], [5, 4]], [[7, 2], [6, 0]]]
    assert routing_of(SimpleNamespace(routed_experts=None), 2, 1) is None
    with pytest.raises(RuntimeError, match="experts of 2 tokens, and read 3"):
        routing_of(SimpleNamespace(routed_experts=rows), 3, 1)


def test_vllms_own_capture_says_what_the_trainer_chooses(engine, policy):
    """The GPU's way to the experts, on the CPU by hand: bound to this engine's routers, one prompt.

    Which row is which layer, that the numbers are the checkpoint's, and that layer 0, which is
    dense, has a row too.
    """
    from vllm import SamplingParams

    def bind(worker):
        from vllm.model_executor.layers.fused_moe import routed_experts_capturer as capturing

        capturer = capturing.RoutedExpertsCapturer(64, worker.vllm_config)
        capturing.bind_routed_experts_capturer(worker.model_runner.get_model(), capturer)
        worker.told = capturer

    engine.push(tiny_moe.checkpoint_weights(policy).items())
    engine._call(bind)
    (request,) = tiny_moe.requests(1, low=30, high=31)
    with engine.sampling():
        (output,) = engine.llm.generate(
            [{"prompt_token_ids": list(request.prompt_ids)}],
            SamplingParams(max_tokens=1, temperature=0.0),
            use_tqdm=False,
        )
    rows = engine._call(lambda worker: worker.told.snapshot_routing_data(30).numpy())
    assert (rows.shape, rows.dtype) == ((30, 3, 2), np.uint8)
    assert not rows[:, 0].any()
    routing = routing_of(SimpleNamespace(routed_experts=rows), 30, 1)
    sequences = Sequences(
        [request.prompt_ids],
        [tuple(output.outputs[0].token_ids)],
        experts=[torch.tensor(routing.ids_TLK)],
    )
    scored = ScoredLM(policy)
    score(scored, sequences, temperature=1.0, budget=100, device=torch.device("cpu"))
    differ = scored.replay.take()
    assert (differ.tokens, differ.anywhere) == (30, 0)
