"""The sampler's pure parts: seeds, the parity gate, checksums, ends and texts. No engine here."""

import math
import os
import subprocess
import sys

import pytest
import tiny_moe
import torch

from grpo.errors import UserError
from grpo.recipe.sections import Parity, Sampling
from grpo.sampler import ACCEPTANCE, ParityError, draft_gate, parity_gate, request_seed
from grpo.sampler.checksum import layout_checksum, value_checksum
from grpo.sampler.drafting import DraftCounts
from grpo.sampler.tokens import checkpoint_eos, end_tokens, room, texts
from grpo.types import Completion, Request


def completion(*logprobs):
    return Completion("", tuple(range(len(logprobs))), tuple(logprobs), "length")


def gate(pairs, dtype="float32", **bounds):
    """`pairs`: one (sampler, trainer) pair of log-prob lists a completion."""
    completions = [completion(*ours) for ours, _ in pairs]
    return parity_gate(completions, [t for _, t in pairs], dtype=dtype, config=Parity(**bounds))


def elsewhere(code):
    """What the code prints in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_seeds_differ_in_every_coordinate():
    seeds = {
        request_seed(run, step, problem, sample, purpose)
        for run in range(3)
        for step in range(10)
        for problem in ("a", "b", "1", "11")
        for sample in range(16)
        for purpose in ("rollout", "eval")
    }
    assert len(seeds) == 3 * 10 * 4 * 16 * 2
    assert all(0 <= s < 2**63 for s in seeds)


def test_a_seed_is_a_number_for_ever():
    # A resumed run of an older version must draw the same noise, in any process.
    code = "from grpo.sampler.seeds import request_seed as r; print(r(7, 12, 'mawps-77', 3))"
    assert request_seed(7, 12, "mawps-77", 3) == int(elsewhere(code)) == 5137793679631368947


def test_seed_does_not_confuse_neighbouring_fields():
    assert request_seed(1, 12, "x", 3) != request_seed(11, 2, "x", 3)
    assert request_seed(0, 0, "x', 1", 0) != request_seed(0, 0, "x", 1)


def test_gate_reports_mean_max_and_tokens():
    # gaps 1e-5, 3e-5, 2e-5: mean 2e-5
    report = gate([([-1.0, -2.0], [-1.00001, -1.99997]), ([-3.0], [-3.00002])])
    assert report.mean == pytest.approx(2e-5, rel=1e-3)
    assert report.max == pytest.approx(3e-5, rel=1e-3)
    assert (report.tokens, report.set_aside) == (3, 0)


def test_gate_stops_on_the_mean_and_names_numbers_and_causes():
    with pytest.raises(ParityError, match=r"2 tokens.*0\.002 nats.*bound 0\.0001.*stale"):
        gate([([-1.0, -1.0], [-1.002, -1.002])])


def test_gate_stops_on_one_token():
    # mean 0.01/200 = 5e-5 is within the bound, the one gap of 0.01 is not
    with pytest.raises(ParityError, match=r"0\.01 at most"):
        gate([([-1.0] * 200, [-1.01] + [-1.0] * 199)])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_gate_stops_on_what_is_no_number_even_in_a_completion_set_aside(bad):
    with pytest.raises(ParityError, match="not a number"):
        gate([([-1.0], [bad])] + [([-1.0], [-1.0])] * 7)


def test_one_undecided_router_does_not_stop_a_run():
    right, flipped = ([-1.0] * 50, [-1.0] * 50), ([-1.0] * 50, [-1.8] + [-1.0] * 49)
    report = gate([flipped] + [right] * 7)
    assert (report.max, report.set_aside, report.tokens) == (0.0, 2, 300)
    with pytest.raises(ParityError):
        gate([flipped] * 3 + [right] * 5)


def test_bounds_come_from_the_dtype_unless_the_recipe_names_them():
    pairs = [([-1.0] * 10, [-1.05] * 10)]
    assert gate(pairs, "bfloat16").mean == pytest.approx(0.05)
    with pytest.raises(ParityError):
        gate(pairs, "float16")
    assert gate(pairs, mean_bound=0.1, max_bound=0.1).tokens == 10
    with pytest.raises(ParityError):
        gate(pairs, "bfloat16", max_bound=0.04)


def test_gate_refuses_to_compare_nothing_or_unlike_things():
    with pytest.raises(ValueError, match="no tokens"):
        gate([])
    with pytest.raises(ValueError):
        gate([([-1.0, -1.0], [-1.0])])


def test_draft_gate():
    draft_gate(5, 5)
    with pytest.raises(ParityError, match="MTP draft"):
        draft_gate(5, 6)
    assert issubclass(ParityError, UserError)


def test_value_checksum_sees_values_and_not_their_place():
    weight = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    padded = torch.zeros(10, 8)
    padded[:6] = weight
    same = value_checksum([weight], torch.float32)
    assert same == value_checksum([weight.T.contiguous()], torch.float32)
    assert same == value_checksum([padded], torch.float32)
    assert same == value_checksum(weight.unbind(0), torch.float32)
    weight[3, 3] += 1e-6
    assert same != value_checksum([weight], torch.float32)


def test_value_checksum_rounds_both_sides_alike():
    weight = torch.randn(64, generator=torch.Generator().manual_seed(0))
    held = value_checksum([weight.bfloat16()], torch.bfloat16)
    assert held == value_checksum([weight], torch.bfloat16)
    assert value_checksum([torch.tensor([-0.0, 1.0])], torch.float32) == value_checksum(
        [torch.tensor([1.0])], torch.float32
    )


def test_layout_checksum_sees_the_place():
    weight = torch.arange(6.0).view(2, 3)
    assert layout_checksum([weight]) == layout_checksum([weight.clone()])
    assert layout_checksum([weight]) != layout_checksum([weight.T])


def test_ends_are_the_tokenizers_and_the_generation_configs(tmp_path):
    tokenizer = tiny_moe.tokenizer()
    assert end_tokens(tokenizer, None) == {tiny_moe.END}
    assert end_tokens(tokenizer, 9) == {tiny_moe.END, 9}
    assert end_tokens(tokenizer, [9, tiny_moe.END]) == {tiny_moe.END, 9}
    (tmp_path / "config.json").write_text('{"eos_token_id": 3}')
    assert checkpoint_eos(tmp_path) == 3
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [3, 4]}')
    assert checkpoint_eos(tmp_path) == [3, 4]


def test_texts_keep_think_and_drop_end_and_pad():
    tokenizer = tiny_moe.tokenizer()
    ids = tokenizer("<think> 3+4 </think>你好")["input_ids"]
    read = texts(tokenizer, [[*ids, tiny_moe.PAD, tiny_moe.END]], {tiny_moe.END})
    assert read == ["<think> 3+4 </think>你好"]


def test_room_is_what_the_prompt_leaves():
    sampling = Sampling(max_tokens=40)
    assert room(Request((5,) * 10, 0), sampling, 64) == 40
    assert room(Request((5,) * 60, 0), sampling, 64) == 4
    with pytest.raises(UserError, match=r"prompt of 64 tokens.*max_model_len=64"):
        room(Request((5,) * 64, 0), sampling, 64)
    with pytest.raises(ValueError, match="empty prompt"):
        room(Request((), 0), sampling, 64)


def test_importing_the_package_loads_no_engine():
    code = "import grpo.sampler, sys; print([m for m in ('torch', 'vllm') if m in sys.modules])"
    assert elsewhere(code) == "[]"


def test_draft_counts_by_hand():
    # 50 drafts of two tokens: the first place taken 40 times, the second 25.
    before, now = DraftCounts(10, 20, (9, 6)), DraftCounts(60, 120, (49, 31))
    assert now.since(before) == DraftCounts(50, 100, (40, 25))
    assert now.since(before).metrics() == {
        ACCEPTANCE: 0.65, f"{ACCEPTANCE}/1": 0.8, f"{ACCEPTANCE}/2": 0.5,
    }  # fmt: skip
    assert DraftCounts(4, 4, (3,)).since(DraftCounts()).metrics() == {ACCEPTANCE: 0.75}
    assert now.since(now).metrics() == {}
