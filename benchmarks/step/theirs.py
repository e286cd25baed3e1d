"""TRL's side: GRPOTrainer, held at a gate before each step.

On a CPU it samples with transformers' generate: vLLM in TRL's process fails there at its first
weight sync, and transformers' continuous batching gives a DeepSeek-V3 no tokens. On a GPU it has
vLLM, but not for a mixture of experts, whose fused tensors it hands to vLLM under names that vLLM
does not know. `knobs` are GRPOConfig's; with `model.` before them, from_pretrained's.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grpo.memory import keep_freed_memory
from step.peak import gpu_peak_bytes, peak_bytes, settle
from step.ranks import start_others
from step.spec import Spec, Step, reward_functions, their_problems

PARTS = {
    "_generate": "sampling",
    "_calculate_rewards": "rewards",
    "_get_per_token_logps_and_entropies": "logprobs",
}


def serve(pipe: Connection | None, spec: Spec, folder: Path) -> None:
    """Train; before each step wait for a word on `pipe`, after it send a Step. Without one, train
    along with the process that has it."""
    if pipe is not None:
        start_others(serve, spec, folder)
    if spec.keep_memory:
        keep_freed_memory()
    import torch

    if spec.threads:
        torch.set_num_threads(spec.threads)
    with tempfile.TemporaryDirectory() as place:
        trainer, clock = _trainer(spec, folder, place), Clock()
        for method, part in PARTS.items():
            setattr(trainer, method, clock.timed(getattr(trainer, method), part))
        if trainer.use_vllm:
            engine = trainer.vllm_generation
            engine.sync_weights = clock.timed(engine.sync_weights, "sync")
        if pipe is not None:
            trainer.add_callback(_gate(pipe, spec, trainer, clock))
        trainer.train()


class Clock:
    """Seconds by part, each without what is timed inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = 0.0

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """`function`, its seconds added to `part`; log-probs that the loss asks for are the
        update's."""

        def run(*args: Any, **kwargs: Any) -> Any:
            import torch

            if part == "logprobs" and torch.is_grad_enabled():
                return function(*args, **kwargs)
            settle()
            start, before, self._inside = time.perf_counter(), self._inside, 0.0
            result = function(*args, **kwargs)
            settle()
            took = time.perf_counter() - start
            self.seconds[part] += took - self._inside
            self._inside = before + took
            return result

        return run


def _gate(pipe: Connection, spec: Spec, trainer: Any, clock: Clock) -> Any:
    from transformers import TrainerCallback

    class Gate(TrainerCallback):  # type: ignore[misc]
        began = 0.0

        def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
            pipe.recv()
            clock.seconds.clear()
            self.began = time.perf_counter()

        def on_step_end(self, _args: Any, _state: Any, _control: Any, **_kwargs: Any) -> None:
            settle()
            took = time.perf_counter() - self.began
            parts = {**clock.seconds, "update": took - sum(clock.seconds.values())}
            said = {name: values[-1] for name, values in trainer._metrics["train"].items()}
            tokens = said["completions/mean_length"] * spec.prompts * spec.group
            live = 1.0 - said["frac_reward_zero_std"]
            memory = (peak_bytes(), gpu_peak_bytes())
            pipe.send(Step(took, parts, tokens, *memory, said["reward"], live))

    return Gate()


def _trainer(spec: Spec, folder: Path, place: str) -> Any:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    rows = load_dataset("json", data_files=str(their_problems(folder)), split="train")
    rows = rows.map(lambda row: {"prompt": [{"role": "user", "content": row["question"]}]})
    knobs = {name: _plain(value) for name, value in spec.knobs.items()}
    held = {"dtype": spec.dtype}
    held |= {n.removeprefix("model."): v for n, v in knobs.items() if n.startswith("model.")}
    model = AutoModelForCausalLM.from_pretrained(spec.model, **held)
    told = {name: value for name, value in knobs.items() if not name.startswith("model.")}
    dense = not hasattr(model.config, "num_experts_per_tok")
    return GRPOTrainer(
        model=model,
        processing_class=AutoTokenizer.from_pretrained(spec.model),
        reward_funcs=reward_functions(spec),
        # The reference is loaded by TRL: in the same way.
        args=GRPOConfig(
            **_config(spec, place) | _engine(dense) | {"model_init_kwargs": held} | told
        ),
        train_dataset=rows,
    )


def _config(spec: Spec, place: str) -> dict[str, Any]:
    import torch

    return {
        "output_dir": place,
        "seed": spec.seed,
        "per_device_train_batch_size": spec.prompts * spec.group // spec.processes,
        "num_generations": spec.group,
        "max_completion_length": spec.max_tokens,
        "max_steps": spec.steps,
        "learning_rate": spec.lr,
        "lr_scheduler_type": "constant",
        "adam_beta2": 0.95,
        "beta": spec.beta,
        "use_bias_correction_kl": False,
        "loss_type": "grpo",
        "reward_weights": list(spec.rewards.values()),
        "shuffle_dataset": False,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": not torch.cuda.is_available(),
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def _engine(dense: bool) -> dict[str, Any]:
    """What TRL samples with, where it has a choice."""
    import torch

    if not (dense and torch.cuda.is_available()):
        return {}
    return {
        "use_vllm": True,
        "vllm_gpu_memory_utilization": 0.3,
        # Ours corrects for the sampler only where a recipe asks for it.
        "vllm_importance_sampling_correction": False,
    }


def _plain(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)
