"""What verifiers learn from: the base's own thoughts about training problems, judged exactly."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.eval.answerer import LocalAnswerer
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.result import RESULTS, Result, read_result
from grpo.eval.row import Row
from grpo.eval.steps.cut import CLAIMS
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.model import step_tokens
from grpo.eval.steps.scorer import Thought
from grpo.eval.task import HELD_OUT, Task
from grpo.recipe.sections import Prompt, SamplerConfig, Sampling
from grpo.run.identity import weights_hash
from grpo.sampler import open_sampler
from grpo_data.problem import is_held_out
from grpo_data.world import problems
from grpo_rewards.workers import Scorer

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=160)
ENGINE = SamplerConfig(max_model_len=320, max_num_seqs=512, kv_cache_gib=0.5)
HELD_OUT_SHARE = 0.1
"""As in every recipe: these problems no training sees."""


@dataclass(frozen=True)
class Example:
    """Token ids, and what is true (1) or not (0) after the tokens at `places`.

    >>> Example((2, 17, 42, 9, 31), places=(3, 4), labels=(1, 0))
    """

    ids: tuple[int, ...]
    places: tuple[int, ...]
    labels: tuple[int, ...]


def thoughts(
    base: Path, tokenizer: Any, folder: Path, count: int, k: int, seed: int, engine: str = "vllm"
) -> Result:
    """The base's `k` answers to each of `count` training problems, from `folder` once drawn."""
    if not (folder / RESULTS).is_file():
        every = problems("all", size=2 * count, seed=seed)
        kept = [one for one in every if not is_held_out(one.key, HELD_OUT_SHARE)][:count]
        task = Task("training", tuple(kept), Prompt(), HELD_OUT, k, "verifier")
        policy = {"path": base.name, "sha256": weights_hash(base)}
        asked = Evaluation((task,), SAMPLING, seed, policy)
        with ExitStack() as closing:
            sampler = open_sampler(base, ENGINE.model_copy(update={"engine": engine}))
            closing.callback(sampler.close)
            window = ENGINE.max_model_len
            answerer = LocalAnswerer(lambda _: sampler, tokenizer, SAMPLING, window)
            scorer = closing.enter_context(Scorer(HELD_OUT.rewards, workers=1))
            conduct(folder, asked, answerer, lambda _: scorer)
    return read_result(folder)


def process_examples(rows: Sequence[Row], tokenizer: Any) -> Iterator[Example]:
    """The end of each step with the checker's word on it; thoughts without a step teach nothing."""
    asked = [Thought(row.prompt, row.completion, json.loads(row.columns)) for row in rows]
    for thought, scores in zip(asked, ExactSteps().score(asked), strict=True):
        if scores:
            ids, places = step_tokens(tokenizer, thought.prompt, thought.text, CLAIMS)
            yield Example(tuple(ids), tuple(places), tuple(map(int, scores)))


def outcome_examples(rows: Sequence[Row], tokenizer: Any) -> Iterator[Example]:
    """The last token of a whole conversation with the verdict: the reward model's own reading."""
    for row in rows:
        turns = [
            {"role": "user", "content": row.question},
            {"role": "assistant", "content": row.completion},
        ]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        yield Example(tuple(ids), (len(ids) - 1,), (int(row.correct),))
