"""The vLLM sampler on one engine: it is the trainer's policy, before and after every sync."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from string import ascii_letters

import numpy as np
import pytest
import tiny_moe
import torch
from torch._dynamo.utils import counters

from grpo.errors import UserError
from grpo.recipe.sections import Parity, SamplerConfig, Sampling
from grpo.sampler import open_sampler, parity_gate
from grpo.types import Request

pytestmark = pytest.mark.slow

CONFIG = SamplerConfig(max_model_len=512, max_num_seqs=32, kv_cache_gib=0.02)
SAMPLING = Sampling(temperature=0.7, max_tokens=24)


def process_state():
    """What starting an engine must leave as it was."""
    torch.manual_seed(11)
    random.seed(11)
    np.random.seed(11)
    root = logging.getLogger()
    variables = {k: v for k, v in os.environ.items() if not k.startswith("VLLM_")}
    handlers = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    return variables, handlers, (root.level, list(root.handlers)), sys.excepthook


def draws():
    return torch.rand(2).tolist(), random.random(), np.random.rand()


@pytest.fixture(scope="module")
def policy():
    return tiny_moe.model()


@pytest.fixture(scope="module")
def folder(policy, tmp_path_factory):
    return tiny_moe.save(policy, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def started(folder):
    """The engine, with the process's state before and after its start and the draws that follow."""
    process_state()
    expected, before = draws(), process_state()
    sampler = open_sampler(folder, CONFIG)
    yield sampler, before, expected, draws(), process_state()
    sampler.close()


@pytest.fixture
def sampler(started, policy):
    """The engine with the policy's own weights in it."""
    yield started[0]
    started[0].sync(tiny_moe.checkpoint_weights(policy).items())


@pytest.fixture(scope="module")
def drawn(started):
    asked = tiny_moe.requests(24)
    return asked, started[0].sample(asked, SAMPLING)


def gap(policy, asked, completions):
    scored = tiny_moe.score(policy, asked, completions, SAMPLING.temperature)
    return parity_gate(completions, scored, dtype="float32", config=Parity())


def test_starting_an_engine_leaves_the_process_as_it_was(started):
    _, before, expected, drawn_after, after = started
    assert after == before
    assert drawn_after == expected


def test_log_probabilities_are_the_trainers(policy, drawn):
    report = gap(policy, *drawn)
    assert (report.mean < 1e-5, report.max < 1e-4, report.tokens > 300) == (True, True, True)


def test_from_another_thread_beside_a_model_that_trains_it_draws_the_same(sampler, drawn):
    asked, alone = drawn
    trained, ids = tiny_moe.model(seed=5), torch.arange(60).view(2, 30)

    def gradient():
        trained.zero_grad()
        trained(ids).logits.square().mean().backward()
        return trained.lm_head.weight.grad.clone()

    expected, randomness = gradient(), torch.get_rng_state()
    with ThreadPoolExecutor(1, initializer=torch.get_num_threads) as thread:
        drawing = thread.submit(sampler.sample, asked, SAMPLING)
        beside = [gradient()]
        while not drawing.done():
            beside.append(gradient())
        assert drawing.result() == alone
    assert all(found.equal(expected) for found in beside)
    assert torch.get_rng_state().equal(randomness)


def test_draws_follow_the_policy(policy, drawn):
    mean, error = tiny_moe.surprise(policy, *drawn, SAMPLING.temperature)
    assert abs(mean) < 4 * error
    assert error < 0.1


def test_a_completion_reads_as_its_tokens(sampler, drawn):
    tokenizer = tiny_moe.tokenizer()
    for completion in drawn[1]:
        ended = completion.token_ids[-1] == tiny_moe.END
        assert completion.finish_reason == ("stop" if ended else "length")
        assert len(completion.logprobs) == len(completion.token_ids) <= SAMPLING.max_tokens
        hidden = (tiny_moe.END, tiny_moe.PAD)
        visible = [t for t in completion.token_ids if t not in hidden]
        assert completion.text == tokenizer.decode(visible)
    assert {c.finish_reason for c in drawn[1]} == {"stop", "length"}


@pytest.mark.parametrize(
    "part",
    [
        "embed_tokens",
        "lm_head",
        "q_a_proj",
        "kv_b_proj",
        "layers.0.mlp",
        "mlp.experts",
        "shared_experts",
        "mlp.gate.weight",
        "e_score_correction_bias",
        "norm",
    ],
)
def test_a_sync_carries_every_kind_of_weight(sampler, part):
    trained = tiny_moe.model()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in trained.state_dict().items():
            if part in name:
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
    asked = tiny_moe.requests(6, seed=2)
    stale = sampler.sample(asked, SAMPLING)
    sampler.sync(tiny_moe.checkpoint_weights(trained).items())
    assert gap(trained, asked, sampler.sample(asked, SAMPLING)).max < 1e-4
    with pytest.raises(UserError):
        gap(trained, asked, stale)


def test_the_same_weights_give_the_same_completions_after_a_sync(sampler, policy, drawn):
    asked, completions = drawn
    sampler.sync(tiny_moe.checkpoint_weights(tiny_moe.model(1)).items())
    assert sampler.sample(asked, SAMPLING) != completions
    sampler.sync(tiny_moe.checkpoint_weights(policy).items())
    assert sampler.sample(asked, SAMPLING) == completions


def same(completions, others):
    """Equal tokens, and log-probabilities equal but for the rounding of another batch's shape."""
    for one, other in zip(completions, others, strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_completions_do_not_depend_on_the_neighbours(sampler, drawn):
    asked, completions = drawn
    same([sampler.sample([request], SAMPLING)[0] for request in asked[:3]], completions[:3])
    same(sampler.sample(asked[::-1][:11], SAMPLING), completions[::-1][:11])


def test_another_process_draws_the_same(folder, drawn):
    _, completions = drawn
    code = (
        "import json, sys, tiny_moe; from grpo.sampler import open_sampler\n"
        "from grpo.recipe.sections import SamplerConfig, Sampling\n"
        f"sampler = open_sampler({str(folder)!r}, SamplerConfig(**{CONFIG.model_dump()!r}))\n"
        f"drawn = sampler.sample(tiny_moe.requests(24), Sampling(**{SAMPLING.model_dump()!r}))\n"
        "sampler.close(); print(json.dumps([[c.token_ids, c.logprobs] for c in drawn]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    same = [[list(c.token_ids), list(c.logprobs)] for c in completions]
    assert json.loads(other.stdout.splitlines()[-1]) == same


def test_more_prompts_than_a_batch_holds_wait_their_turn(sampler, policy):
    # 40 x 300 tokens are more than one batch's 8192, and 40 more than the 32 places.
    asked = tiny_moe.requests(40, seed=3, low=300, high=301)
    completions = sampler.sample(asked, Sampling(temperature=0.7, max_tokens=3))
    assert gap(policy, asked, completions).max < 1e-4


def test_a_group_reads_the_blocks_of_its_prompt_once(sampler):
    from vllm import SamplingParams

    llm, prompt = sampler._engine.llm, {"prompt_token_ids": [*range(8, 8 + 70)]}
    with sampler._engine.sampling():
        group = llm.generate([prompt] * 3, SamplingParams(max_tokens=2), use_tqdm=False)
    # Two blocks of 32 tokens, in the very step in which the first of the group reads them.
    assert [one.num_cached_tokens for one in group] == [0, 64, 64]


def test_completions_that_outgrow_the_cache_start_again_unchanged(sampler, policy, monkeypatch):
    from vllm.v1.core.sched.scheduler import Scheduler

    preempted, preempt = [], Scheduler._preempt_request

    def counted(self, request, *arguments, **options):
        preempted.append(request.request_id)
        return preempt(self, request, *arguments, **options)

    monkeypatch.setattr(Scheduler, "_preempt_request", counted)
    # Each takes 12 blocks of 32 tokens and after its fifth token a 13th; about 200 there are.
    asked = tiny_moe.requests(32, seed=4, low=380, high=381)
    sampling = Sampling(temperature=0.7, max_tokens=12)
    together = sampler.sample(asked, sampling)
    assert preempted
    assert gap(policy, asked, together).max < 1e-4
    same(sampler.sample(asked[-4:], sampling), together[-4:])


@pytest.mark.parametrize(("top_k", "top_p"), [(3, 1.0), (0, 0.5)])
def test_cuts_leave_a_distribution_that_sums_to_one(sampler, policy, top_k, top_p):
    asked = tiny_moe.requests(4, seed=1)
    cut = Sampling(max_tokens=6, top_k=top_k, top_p=top_p)
    for request, completion in zip(asked, sampler.sample(asked, cut), strict=True):
        logp = tiny_moe.log_probabilities(policy, request, completion, 1.0)
        for row, token, got in zip(logp, completion.token_ids, completion.logprobs, strict=True):
            probs, order = row.exp().sort(descending=True)
            kept = top_k or int((probs.cumsum(0) < top_p).sum()) + 1
            assert token in order[:kept]
            assert got == pytest.approx((row[token] - probs[:kept].sum().log()).item(), abs=1e-4)


def test_stop_texts_end_a_completion(sampler):
    # A prompt that breaks off within a character would lend vLLM's stop check its own last letters.
    whole = tuple(tiny_moe.tokenizer()(" so:")["input_ids"])
    asked = [Request(r.prompt_ids + whole, r.seed) for r in tiny_moe.requests(24)]
    completions = sampler.sample(asked, SAMPLING)
    letters = set(ascii_letters) - set("".join(tiny_moe.SPECIALS))
    stop = next(letter for c in completions for letter in c.text[1:4] if letter in letters)
    stopped = sampler.sample(asked, SAMPLING.model_copy(update={"stop": (stop,)}))
    for before, after in zip(completions, stopped, strict=True):
        assert before.token_ids[: len(after.token_ids)] == after.token_ids
        assert after.finish_reason == ("stop" if stop in after.text else before.finish_reason)
    assert any(c.text.endswith(stop) for c in stopped)


def test_sampling_neither_draws_from_the_global_generator_nor_compiles(sampler):
    # Compiling a helper costs 10-20 s at the first token, and fails where there is no C++ compiler.
    counters.clear()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    sampler.sample(tiny_moe.requests(2), SAMPLING)
    assert torch.equal(torch.rand(1), expected)
    assert not counters["stats"]


def test_a_sync_that_leaves_a_tensor_out_is_refused(sampler, policy):
    weights = tiny_moe.checkpoint_weights(policy)
    del weights["model.layers.1.mlp.experts.3.up_proj.weight"]
    with pytest.raises(ValueError, match=r"left 1 of .* out.*layers\.1\.mlp\.experts\.3\.up_proj"):
        sampler.sync(weights.items())


def test_bad_requests_are_named(sampler):
    with pytest.raises(UserError, match=r"prompt of 512 tokens.*max_model_len=512"):
        sampler.sample([Request((9,) * 512, 0)], SAMPLING)
    assert sampler.sample([], SAMPLING) == []


def test_one_engine_at_a_time(sampler, folder):
    with pytest.raises(RuntimeError, match="already running"):
        open_sampler(folder, CONFIG)


def test_dtype_and_metrics(sampler):
    assert (sampler.dtype, sampler.metrics()) == ("float32", {})
