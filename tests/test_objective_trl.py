"""One batch, one tiny Llama, two implementations: TRL's GRPOTrainer and ours, value and gradient.

What makes the two comparable: one micro-batch is the whole update batch (no gradient accumulation,
one step a generation), so TRL's `num_items_in_batch` is this batch's completion tokens and its
normalisers equal our weights; beta, `max_completion_length` and the temperature are set on both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from grpo.objective import (
    GrpoObjective,
    PolicyBatch,
    chunked_logprobs,
    group_advantages,
    mean_stats,
)

pytestmark = pytest.mark.slow
trl = pytest.importorskip("trl")

BETA, TEMPERATURE, MAX_COMPLETION_LENGTH = 0.2, 0.7, 16
CLIP_LOW, CLIP_HIGH = 0.2, 0.28
B, PROMPT, T, VOCABULARY = 8, 5, 7, 50


def tiny_tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1, **{f"w{i}": i for i in range(2, VOCABULARY)}}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<pad>")),
        pad_token="<pad>",
        eos_token="<eos>",
    )


def tiny_llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            initializer_range=0.3,  # wide, so that logits differ enough to matter
            pad_token_id=0,
            eos_token_id=1,
        )
    )


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from accelerate.state import AcceleratorState
    from datasets import Dataset

    folder: Path = tmp_path_factory.mktemp("trl")
    yield trl.GRPOTrainer(
        model=tiny_llama(),
        processing_class=tiny_tokenizer(),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        train_dataset=Dataset.from_list([{"prompt": "w2 w3"}] * B),
        args=trl.GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=B,
            num_generations=4,
            gradient_accumulation_steps=1,
            steps_per_generation=1,
            max_completion_length=MAX_COMPLETION_LENGTH,
            temperature=TEMPERATURE,
            epsilon=CLIP_LOW,
            epsilon_high=CLIP_HIGH,
            # With a beta TRL would load the reference from a hub id; its log-probs come in with
            # the batch, so the loss alone is told of it, below.
            beta=0.0,
            gradient_checkpointing=False,
            report_to="none",
            use_cpu=True,
            bf16=False,
        ),
    )
    # The trainer leaves accelerate's process-wide state behind; the next test wants its own.
    AcceleratorState._reset_state(reset_partial_state=True)


@dataclass(frozen=True)
class Sample:
    """Left-padded prompts, right-padded completions, and what a rollout knows of them."""

    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    mask_BT: Tensor
    old_logprobs_BT: Tensor
    ref_logprobs_BT: Tensor
    advantages_B: Tensor


@pytest.fixture(scope="module")
def sample(trainer: Any) -> Sample:
    torch.manual_seed(1)
    prompt_ids = torch.randint(2, VOCABULARY, (B, PROMPT))
    completion_ids = torch.randint(2, VOCABULARY, (B, T))
    prompt_mask = (torch.arange(PROMPT) >= torch.tensor([0, 0, 0, 0, 2, 2, 2, 2])[:, None]).long()
    mask = (torch.arange(T) < torch.tensor([7, 1, 4, 5, 7, 3, 2, 6])[:, None]).long()
    rewards = torch.tensor([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 1.0, 0.3]])
    blank = torch.zeros(B, T)
    ids = Sample(prompt_ids, prompt_mask, completion_ids, mask, blank, blank, rewards.flatten())
    with torch.no_grad():
        logprobs, _ = score(trainer.model, ids)
    return Sample(
        prompt_ids,
        prompt_mask,
        completion_ids,
        mask,
        old_logprobs_BT=logprobs + torch.randn(B, T) / 3,  # ratios of about 0.5 to 2
        ref_logprobs_BT=logprobs + torch.randn(B, T) / 3,
        advantages_B=group_advantages(rewards, scale="std").flatten(),
    )


def score(model: Any, sample: Sample) -> tuple[Tensor, Tensor]:
    """Log-probs and entropies of the completion, by our own chunked head."""
    body = model.model(
        input_ids=torch.cat([sample.prompt_ids, sample.completion_ids], dim=1),
        attention_mask=torch.cat([sample.prompt_mask, sample.mask_BT], dim=1),
    )
    hidden = body.last_hidden_state[:, PROMPT - 1 : -1]
    logprobs, entropy, _ = chunked_logprobs(
        hidden.flatten(0, 1),
        model.lm_head.weight,
        sample.completion_ids.flatten(),
        temperature=TEMPERATURE,
        chunk=10,
        entropy_grad=True,
    )
    return logprobs.view(B, T), entropy.view(B, T)


Result = tuple[Tensor, dict[str, Tensor], dict[str, float]]


def gradients(model: Any, loss: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


def theirs(trainer: Any, sample: Sample, **settings: Any) -> Result:
    arguments = {"use_bias_correction_kl", "delta"}
    for name, value in settings.items():
        setattr(trainer.args if name in arguments else trainer, name, value)
    trainer.current_gradient_accumulation_steps = 1  # set by the training loop otherwise
    trainer._metrics["train"].clear()
    model = trainer.model.train()
    loss = trainer._compute_loss(
        model,
        {
            "prompt_ids": sample.prompt_ids,
            "prompt_mask": sample.prompt_mask,
            "completion_ids": sample.completion_ids,
            "completion_mask": sample.mask_BT,
            "old_per_token_logps": sample.old_logprobs_BT,
            "ref_per_token_logps": sample.ref_logprobs_BT,
            "advantages": sample.advantages_B,
            "num_items_in_batch": sample.mask_BT.sum(),
        },
    )
    metrics = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    return loss.detach(), gradients(model, loss), metrics


def ours(trainer: Any, sample: Sample, objective: GrpoObjective) -> Result:
    batch = PolicyBatch(
        mask_BT=sample.mask_BT,
        weights_BT=objective.weights(
            sample.mask_BT, total_sequences=B, total_tokens=int(sample.mask_BT.sum())
        ),
        old_logprobs_BT=sample.old_logprobs_BT,
        advantages_B=sample.advantages_B,
        ref_logprobs_BT=sample.ref_logprobs_BT,
    )
    loss, stats = objective(*score(trainer.model, sample), batch)
    return loss.detach(), gradients(trainer.model, loss), mean_stats(stats)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # ours, TRL's
    "grpo": ({}, {"loss_type": "grpo"}),
    "dr_grpo": ({"loss": "dr_grpo"}, {"loss_type": "dr_grpo"}),
    "dapo": ({"loss": "dapo"}, {"loss_type": "dapo"}),
    "gspo": (
        {"loss": "gspo"},
        {"loss_type": "grpo", "importance_sampling_level": "sequence"},
    ),
    # TRL's cap is epsilon_high itself, ours 1 + clip_high
    "cispo": ({"loss": "cispo"}, {"loss_type": "cispo", "epsilon_high": 1 + CLIP_HIGH}),
    "dual clip": ({"dual": 1.4}, {"loss_type": "grpo", "delta": 1.4}),
    "entropy bonus": (
        {"loss": "dapo", "entropy_coef": 0.05},
        {"loss_type": "dapo", "entropy_coef": 0.05, "_entropy_bonus_enabled": True},
    ),
}

DEFAULTS = {
    "beta": BETA,
    "importance_sampling_level": "token",
    "epsilon_high": CLIP_HIGH,
    "delta": None,
    "entropy_coef": 0.0,
    "_entropy_bonus_enabled": False,
}


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_loss_gradient_and_metrics_agree(
    trainer: Any, sample: Sample, case: str, bias_correction: bool
) -> None:
    knobs, settings = CASES[case]
    objective = GrpoObjective(
        max_completion_length=MAX_COMPLETION_LENGTH,
        clip_low=CLIP_LOW,
        clip_high=CLIP_HIGH,
        beta=BETA,
        kl_bias_correction=bias_correction,
        **knobs,
    )
    loss, gradient, stats = ours(trainer, sample, objective)
    want_loss, want_gradient, metrics = theirs(
        trainer, sample, **{**DEFAULTS, **settings, "use_bias_correction_kl": bias_correction}
    )
    torch.testing.assert_close(loss, want_loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient, want_gradient, rtol=1e-5, atol=1e-5)
    if case == "cispo":
        metrics["clip_ratio/high_mean"] = metrics.pop("cispo_clip_ratio")
    shared = stats.keys() & metrics.keys()
    assert {"kl", "entropy", "clip_ratio/high_mean"} <= shared
    assert {name: stats[name] for name in shared} == pytest.approx(
        {name: metrics[name] for name in shared}, abs=1e-5
    )


def test_the_batch_reaches_every_branch(trainer: Any, sample: Sample) -> None:
    """Agreement shows something only if tokens are clipped on both sides and the KL pulls."""
    knobs: dict[str, Any] = {
        "max_completion_length": MAX_COMPLETION_LENGTH,
        "clip_high": CLIP_HIGH,
    }
    loss, _, stats = ours(trainer, sample, GrpoObjective(beta=BETA, **knobs))
    assert stats["clip_ratio/low_mean"] > 0.05
    assert stats["clip_ratio/high_mean"] > 0.05
    assert stats["clip_ratio/region_mean"] < 0.9
    variants = [
        GrpoObjective(beta=0.0, **knobs),
        GrpoObjective(beta=BETA, kl_bias_correction=True, **knobs),
        GrpoObjective(beta=BETA, dual=1.4, **knobs),
        GrpoObjective(beta=BETA, entropy_coef=0.05, **knobs),
        *(GrpoObjective(beta=BETA, loss=loss, **knobs) for loss in ("dapo", "dr_grpo", "gspo")),
    ]
    for variant in variants:
        assert abs(ours(trainer, sample, variant)[0] - loss) > 1e-3, variant
