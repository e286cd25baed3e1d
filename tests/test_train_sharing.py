"""Prompts that completions share: every number as if each had its prompt to itself."""

import pytest
import torch
from small_policies import CPU, MODELS, llama, policy
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel

from grpo.errors import UserError
from grpo.model.sharing import share_prompts
from grpo.objective import ObjectiveBatch, SftObjective
from grpo.train.families import families, in_a_row
from grpo.train.policy import score
from grpo.train.sequences import Sequences, order_of
from grpo.train.update import update

PROMPTS = [(5, 6, 7), (8,), (5, 6, 7), (9, 10), (8,), (5, 6, 7), (11, 12, 13, 14, 15)]
COMPLETIONS = [(20, 21), (22,), (23,), (24, 25, 26, 27), (28, 29, 30), (31, 32, 33), (34,)]
APART = Sequences(PROMPTS, COMPLETIONS)
SHARED = Sequences(PROMPTS, COMPLETIONS, shared=True)
BUDGETS = (6, 12, 1000)


def test_a_shared_row_by_hand() -> None:
    inputs = SHARED.inputs([[5, 0], [1]], CPU)
    assert inputs.ids_RS.tolist() == [[5, 6, 7, 31, 32, 33, 20, 21, 8, 22]]
    assert inputs.positions_RS is not None and inputs.pieces_BM is not None
    assert inputs.positions_RS.tolist() == [[0, 1, 2, 3, 4, 5, 3, 4, 0, 1]]
    assert inputs.pieces_BM.tolist() == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 6, 7, 0], [8, 9, 0, 0, 0, 0]]
    assert inputs.before_B.tolist() == [2, 2, 8]
    assert inputs.first_B.tolist() == [3, 6, 9]
    assert inputs.targets_BT.tolist() == [[31, 32, 33], [20, 21, 0], [22, 0, 0]]
    assert inputs.lengths == (6, 5, 2)


def test_families_go_together_and_none_is_lost() -> None:
    lengths = SHARED.lengths
    assert families(PROMPTS, lengths, 1000) == [[[3], [5, 0, 2], [6], [4, 1]]]
    for budget in BUDGETS:
        groups = families(PROMPTS, lengths, budget)
        assert sorted(i for group in groups for i in order_of(group)) == list(range(7))
        for group in groups:
            assert all(len({PROMPTS[i] for i in family}) == 1 for family in group)
            tokens = len(in_a_row(group, PROMPTS, COMPLETIONS).ids)
            assert tokens <= budget or len(order_of(group)) == 1


def test_a_long_family_goes_on_with_its_prompt_once_more() -> None:
    assert families([(1, 2, 3)] * 3, [5, 5, 5], 8) == [[[0, 1]], [[2]]]


def test_attention_is_never_laid_out_beyond_twice_the_budget() -> None:
    prompts, lengths = [(1,)] * 40, [100] + [2] * 39
    for group in families(prompts, lengths, 200):
        numbers = order_of(group)
        assert len(numbers) * max(lengths[i] for i in numbers) <= 400


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", MODELS)
def test_log_probabilities_are_those_of_sequences_apart(name: str, budget: int) -> None:
    apart = policy(MODELS[name]()).module
    shared = policy(share_prompts(MODELS[name]())).module
    told = {"temperature": 0.7, "budget": budget, "device": CPU}
    expected = score(apart, APART, **told)
    torch.testing.assert_close(score(shared, SHARED, **told), expected, atol=2e-6, rtol=1e-5)
    # The same model reads sequences apart as it ever did.
    assert torch.equal(score(shared, APART, **told), expected)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_sequences_apart(name: str, checkpointing: bool) -> None:
    def gradient(model: PreTrainedModel, rows: Sequences) -> dict[str, torch.Tensor]:
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        held, objective = policy(model), SftObjective()
        found: dict[str, torch.Tensor] = {}
        held.optimizer.optimizer.register_step_pre_hook(
            lambda *_: found.update(
                {n: p.grad.clone() for n, p in held.module.named_parameters() if p.grad is not None}
            )
        )
        mask_BT = rows.mask_BT
        weights_BT = objective.weights(mask_BT, total_sequences=7, total_tokens=15)
        update(
            held, rows, ObjectiveBatch(mask_BT, weights_BT), objective,
            temperature=1.0, budget=12, max_grad_norm=1e9,
        )  # fmt: skip
        return found

    apart = gradient(MODELS[name](), APART)
    shared = gradient(share_prompts(MODELS[name]()), SHARED)
    assert apart.keys() == shared.keys() and any(g.abs().max() > 1e-3 for g in apart.values())
    for weight, expected in apart.items():
        torch.testing.assert_close(shared[weight], expected, atol=2e-6, rtol=1e-4)


def test_without_the_table_the_shared_row_would_be_another_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = share_prompts(llama())
    inputs = SHARED.inputs([[5, 0, 2]], CPU)
    right = policy(model).module(inputs, temperature=1.0).logprobs_BT
    monkeypatch.setattr("grpo.train.scored.table_of", lambda _: None)
    wrong = policy(model).module(inputs, temperature=1.0).logprobs_BT
    assert (right - wrong).abs().max() > 1e-2


def sliding() -> PreTrainedModel:
    return MistralForCausalLM(
        MistralConfig(
            vocab_size=262, hidden_size=32, intermediate_size=48, num_hidden_layers=1,
            num_attention_heads=4, num_key_value_heads=2, sliding_window=4,
        )
    )  # fmt: skip


def test_a_model_that_looks_back_a_window_only_is_refused() -> None:
    with pytest.raises(UserError, match="share_prompts is for layers that attend to all tokens"):
        share_prompts(sliding())
