"""TRL's side: GRPOTrainer with transformers' generate, held at a gate before each step.

vLLM in TRL's process fails on a CPU at its first weight sync, so this is its best working setting
there; `knobs` are GRPOConfig's.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from step.ours import peak_bytes
from step.spec import REWARDS, Spec, Step, reward_functions

PARTS = {
    "_generate": "sampling",
    "_calculate_rewards": "rewards",
    "_get_per_token_logps_and_entropies": "logprobs",
}


def serve(pipe: Connection, spec: Spec, problems: Path) -> None:
    """Train; before each step wait for a word on `pipe`, after it send a Step."""
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    if spec.threads:
        torch.set_num_threads(spec.threads)
    seconds: dict[str, float] = defaultdict(float)
    rows = load_dataset("json", data_files=str(problems), split="train")
    rows = rows.map(lambda row: {"prompt": [{"role": "user", "content": row["question"]}]})

    class Gate(TrainerCallback):  # type: ignore[misc]
        began = 0.0

        def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
            pipe.recv()
            seconds.clear()
            self.began = time.perf_counter()

        def on_step_end(self, _args: Any, _state: Any, _control: Any, **_kwargs: Any) -> None:
            took = time.perf_counter() - self.began
            parts = {**seconds, "update": took - sum(seconds.values())}
            metrics = trainer._metrics["train"]
            tokens = metrics["completions/mean_length"][-1] * spec.prompts * spec.group
            pipe.send(Step(took, parts, tokens, peak_bytes(), metrics["reward"][-1]))

    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(
                spec.model, dtype=getattr(torch, spec.dtype), experts_implementation="eager"
            ),
            processing_class=AutoTokenizer.from_pretrained(spec.model),
            reward_funcs=reward_functions(),
            args=GRPOConfig(**_config(spec, folder)),
            train_dataset=rows,
            callbacks=[Gate()],
        )
        for method, part in PARTS.items():
            setattr(trainer, method, _timed(getattr(trainer, method), part, seconds))
        trainer.train()


def _timed(
    function: Callable[..., Any], part: str, seconds: dict[str, float]
) -> Callable[..., Any]:
    """`function`, its wall-clock seconds added to `part`; what the loss itself asks is update."""

    def timed(*args: Any, **kwargs: Any) -> Any:
        import torch

        start = time.perf_counter()
        result = function(*args, **kwargs)
        if part != "logprobs" or not torch.is_grad_enabled():
            seconds[part] += time.perf_counter() - start
        return result

    return timed


def _config(spec: Spec, folder: str) -> dict[str, Any]:
    import torch

    settings: dict[str, Any] = {
        "output_dir": folder,
        "per_device_train_batch_size": spec.prompts * spec.group,
        "num_generations": spec.group,
        "max_completion_length": spec.max_tokens,
        "max_steps": spec.steps,
        "learning_rate": spec.lr,
        "lr_scheduler_type": "constant",
        "beta": spec.beta,
        "loss_type": "grpo",
        "reward_weights": list(REWARDS.values()),
        "shuffle_dataset": False,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": not torch.cuda.is_available(),
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }
    return settings | {name: _plain(value) for name, value in spec.knobs.items()}


def _plain(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)
