"""How questions are put and answers drawn: DeepSeek-R1's protocol, and what a user changes of it.

R1: temperature 0.6, top-p 0.95, up to 32,768 tokens, no system text, "reason step by step" and a
box for the answer. What is asked here without a word from R1 (choice, code, Chinese) is worded
after that. Sampling is `answerer`'s.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.errors import UserError
from grpo.recipe.sections import Prompt, Sampling

R1_MAX_TOKENS = 32_768
STYLES = {
    "maths": "{question}\nPlease reason step by step, and put your final answer within \\boxed{}.",
    "maths_zh": "{question}\n请逐步推理，并把最终答案放在 \\boxed{} 中。",
    "choice": (
        "{question}\nPlease reason step by step, and put the letter of your choice within "
        "\\boxed{}."
    ),
    "code": (
        "{question}\nPlease reason step by step, and then give the complete Python code, its "
        "imports included, in one ```python block."
    ),
}
"""The user's turn, by the benchmark's style."""


@dataclass(frozen=True)
class Knobs:
    """What a user may change; None is as the checkpoint's run has it, else as R1 has it.

    `prompt` is the user's turn with {question} in it. `max_tokens` of None is what the model's
    window leaves, at most R1's 32,768; an answer ends after any of the texts `stop`; `k` of None is
    the benchmark's own. A temperature of 0 is greedy decoding.

    >>> Knobs(temperature=1.0, k=16, limit=200)
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    system: str | None = None
    prompt: str | None = None
    prefill: str | None = None
    chat: bool | None = None
    reward: str | None = None
    k: int | None = None
    limit: int | None = None
    seed: int = 0

    def sampling(self, window: int, run: Sampling | None = None) -> Sampling:
        """How completions are drawn from a model of `window` tokens; `run` is its run's way."""
        usual = run or Sampling(
            temperature=0.6, top_p=0.95, max_tokens=min(R1_MAX_TOKENS, window - 1)
        )
        asked: dict[str, Any] = {
            "top_p": self.top_p, "max_tokens": self.max_tokens, "stop": self.stop,
        }  # fmt: skip
        if self.temperature == 0:
            asked |= {"temperature": 1.0, "top_k": 1}
        else:
            asked["temperature"] = self.temperature
        return usual.model_copy(update={k: v for k, v in asked.items() if v is not None})

    def put(self, style: str, run: Prompt | None, *, has_template: bool) -> Prompt:
        """How a benchmark of `style` is put to a model; `run` is the prompt it was trained with.

        Raises UserError for a model that has no chat template and was not told to do without.
        """
        usual = run or Prompt(user=STYLES[style])
        asked = {
            "system": self.system, "user": self.prompt, "prefill": self.prefill, "chat": self.chat,
        }  # fmt: skip
        prompt = usual.model_copy(update={k: v for k, v in asked.items() if v is not None})
        if prompt.chat and not has_template:
            raise UserError(
                "the model's tokenizer has no chat template to ask in: give --no-chat for the "
                "bare text of the prompt, or take a model that was tuned for chat"
            )
        if "{question}" not in prompt.user:
            raise UserError(f"the prompt {prompt.user!r} has no {{question}} in it")
        return prompt


def deviations(
    sampling: Sampling, prompts: Sequence[tuple[str, Prompt]], ks: Mapping[str, tuple[int, Any]]
) -> list[str]:
    """Every way in which this is not R1's protocol, a phrase each.

    `prompts` are (style, prompt) of the benchmarks; `ks` maps them to (k, R1's k or None).
    """
    return list(dict.fromkeys((*_of_sampling(sampling), *_of_prompts(prompts), *_of_ks(ks))))


def _of_sampling(sampling: Sampling) -> Iterator[str]:
    if sampling.top_k == 1:
        yield "greedy decoding (R1: temperature 0.6, top-p 0.95)"
    else:
        yield from _of_drawing(sampling)
    if sampling.max_tokens != R1_MAX_TOKENS:
        yield f"max_tokens {sampling.max_tokens:,} (R1: {R1_MAX_TOKENS:,})"
    if sampling.stop:
        yield f"answers end after {' or '.join(map(repr, sampling.stop))} (R1: at its end alone)"


def _of_drawing(sampling: Sampling) -> Iterator[str]:
    if sampling.temperature != 0.6:
        yield f"temperature {sampling.temperature:g} (R1: 0.6)"
    if sampling.top_p != 0.95:
        yield f"top-p {sampling.top_p:g} (R1: 0.95)"
    if sampling.top_k:
        yield f"top-k {sampling.top_k} (R1: none)"


def _of_prompts(prompts: Sequence[tuple[str, Prompt]]) -> Iterator[str]:
    for style, prompt in prompts:
        if prompt.system is not None:
            yield "a system text (R1: none)"
        if prompt.user != STYLES.get(style):
            yield f"prompt {prompt.user!r} (R1: {STYLES['maths']!r})"
        if prompt.prefill:
            yield f"answers begin with {prompt.prefill!r} (R1: nothing)"
        if not prompt.chat:
            yield "no chat template (R1: its own)"


def _of_ks(ks: Mapping[str, tuple[int, Any]]) -> Iterator[str]:
    for name, (k, r1_k) in ks.items():
        if r1_k not in (None, k):
            yield f"{name}: {k} samples a question (R1: {r1_k})"
