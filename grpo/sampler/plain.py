"""The plain sampler: transformers' generate, one generator a request; slow and right.

It is the sampler to compare another with, and the one for models vLLM does not know. It does not
pack prompts, share prefixes or draft.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from grpo.model.load import quiet_loading
from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.sampler.preflight import read_config, refuse_verifier
from grpo.sampler.protocol import Weights
from grpo.sampler.routing import RoutingNotes
from grpo.sampler.tokens import end_tokens, room, texts
from grpo.types import Completion, Request, Routing


class PlainSampler:
    """Draws from a transformers model, on whatever device it is.

    `follows` says that `model` is the trainer's own object, so that there is nothing to sync. With
    `routing` a completion says which routed experts its tokens took, where the model has any.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        *,
        follows: bool = True,
        batch: int = 64,
        max_model_len: int = 2048,
        routing: bool = True,
    ) -> None:
        self._model, self._tokenizer, self._follows = model, tokenizer, follows
        self._routing = routing
        self._batch, self._max_model_len = batch, max_model_len
        self._ends = end_tokens(tokenizer, model.generation_config.eos_token_id)

    @classmethod
    def open(
        cls, checkpoint: Path, config: SamplerConfig, *, model: Any = None, tokenizer: Any = None
    ) -> "PlainSampler":
        """From a checkpoint folder; with `model`, from that very object."""
        follows = model is not None
        if model is None or tokenizer is None:
            refuse_verifier(read_config(checkpoint))
        trust = config.trust_remote_code
        if model is None:
            with quiet_loading():
                model = AutoModelForCausalLM.from_pretrained(
                    checkpoint, dtype=config.dtype or "auto", trust_remote_code=trust
                )
        if tokenizer is None:
            tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=trust)
        return cls(
            model,
            tokenizer,
            follows=follows,
            batch=config.max_num_seqs,
            max_model_len=config.max_model_len,
            routing=config.routed_experts is not False,
        )

    @property
    def dtype(self) -> str:
        """The model's dtype, e.g. "float32"."""
        return str(self._model.dtype).removeprefix("torch.")

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """See the protocol."""
        return [completion for _, completion in self.stream(requests, sampling)]

    def stream(
        self, requests: Sequence[Request], sampling: Sampling
    ) -> Generator[tuple[int, Completion]]:
        """See the protocol; a batch at a time."""
        limits = [room(request, sampling, self._max_model_len) for request in requests]
        for start in range(0, len(requests), self._batch):
            part = slice(start, start + self._batch)
            drawn = self._draw(requests[part], limits[part], sampling)
            read = texts(self._tokenizer, [d[0] for d in drawn], self._ends)
            for place, (text, parts) in enumerate(zip(read, drawn, strict=True), start):
                yield place, Completion(text, *parts)

    def sync(self, weights: Weights, draft: Weights = ()) -> None:
        """See the protocol; there is no draft here."""
        if self._follows:
            return
        with quiet_loading():
            loaded = type(self._model).from_pretrained(
                None, config=self._model.config, state_dict=dict(weights), dtype=self._model.dtype
            )
        self._model.load_state_dict(loaded.state_dict())

    def undrafted(self) -> AbstractContextManager[None]:
        """See the protocol; there is no draft here."""
        return nullcontext()

    def metrics(self) -> Mapping[str, float]:
        """Nothing is counted here."""
        return {}

    def close(self) -> None:
        """Lets go of the model."""
        del self._model

    def _draw(
        self, requests: Sequence[Request], limits: list[int], sampling: Sampling
    ) -> "list[_Drawn]":
        inputs = _left_padded([r.prompt_ids for r in requests], self._model.device)
        choice = _SeededChoice([r.seed for r in requests], sampling)
        end = _End(inputs["input_ids"].shape[1], limits, self._ends, sampling.stop, self._tokenizer)
        notes = RoutingNotes(self._model) if self._routing else None
        with _as_sampler(self._model), notes.taking() if notes else nullcontext():
            sequences = self._model.generate(
                **inputs,
                generation_config=GenerationConfig(
                    max_new_tokens=max(limits), do_sample=False, pad_token_id=0, use_cache=True
                ),
                logits_processor=LogitsProcessorList([choice]),
                stopping_criteria=StoppingCriteriaList([end]),
            )
        drawn = end.cut(sequences, torch.stack(choice.logprobs, dim=1))
        if notes is None:
            return [(*one, None) for one in drawn]
        lengths = [len(request.prompt_ids) for request in requests]
        routings = notes.cut(lengths, [len(ids) for ids, *_ in drawn])
        return [(*one, routing) for one, routing in zip(drawn, routings, strict=True)]


_Ended = tuple[tuple[int, ...], tuple[float, ...], str]
_Drawn = tuple[tuple[int, ...], tuple[float, ...], str, Routing | None]


class _SeededChoice(LogitsProcessor):
    """Draws each row's next token with the row's own generator and lets generate take it.

    argmax(log p + Gumbel noise) is a draw from p; the noise depends on seed and step alone, so
    neither the neighbours nor their number can change a row.
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._warpers = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
        if sampling.top_k:
            self._warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self._warpers.append(TopPLogitsWarper(sampling.top_p))
        self.logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """[B, V] logits to [B, V] scores whose largest is the drawn token's."""
        logp = self._warpers(input_ids, scores.float()).log_softmax(-1)
        noise = torch.stack([self._gumbel(g, logp.shape[-1]) for g in self._generators])
        chosen = (logp + noise.to(logp.device)).argmax(-1, keepdim=True)
        self.logprobs.append(logp.gather(-1, chosen).squeeze(-1))
        return torch.full_like(logp, -torch.inf).scatter(-1, chosen, 0.0)

    @staticmethod
    def _gumbel(generator: torch.Generator, size: int) -> Tensor:
        return -torch.empty(size).exponential_(generator=generator).log()


class _End(StoppingCriteria):
    """Notes where each row ends: at an end token, at a stop text, or at its limit."""

    def __init__(
        self,
        prompt_length: int,
        limits: list[int],
        ends: frozenset[int],
        stop: tuple[str, ...],
        tokenizer: Any,
    ) -> None:
        self._prompt_length, self._limits, self._ends = prompt_length, limits, ends
        self._stop, self._tokenizer = stop, tokenizer
        self._ended: dict[int, tuple[int, str]] = {}

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        """[B] booleans: which rows are done."""
        for row, ids in enumerate(input_ids[:, self._prompt_length :].tolist()):
            if row not in self._ended and (reason := self._reason(row, ids)):
                self._ended[row] = (len(ids), reason)
        done = [row in self._ended for row in range(len(input_ids))]
        return torch.tensor(done, device=input_ids.device)

    def _reason(self, row: int, ids: list[int]) -> str | None:
        if ids[-1] in self._ends or self._stopped(ids):
            return "stop"
        return "length" if len(ids) >= self._limits[row] else None

    def _stopped(self, ids: list[int]) -> bool:
        if not self._stop:
            return False
        text = texts(self._tokenizer, [ids], self._ends)[0]
        return any(stop in text for stop in self._stop)

    def cut(self, sequences: Tensor, logprobs: Tensor) -> list[_Ended]:
        """[B, prompt + T] tokens and [B, T] log-probs to each row's own."""
        drawn: list[_Ended] = []
        for row, (length, reason) in sorted(self._ended.items()):
            ids = sequences[row, self._prompt_length :][:length].tolist()
            drawn.append((tuple(ids), tuple(logprobs[row, :length].tolist()), reason))
        return drawn


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> dict[str, Tensor]:
    longest = max(len(p) for p in prompts)
    ids = [[0] * (longest - len(p)) + list(p) for p in prompts]
    mask = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]
    return {
        "input_ids": torch.tensor(ids, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


@contextmanager
def _as_sampler(model: PreTrainedModel) -> Iterator[None]:
    """The model in eval mode and without its checkpoint's generation defaults, then as it was.

    generate fills what it was not told from those defaults: a repetition penalty in them would
    bend the policy in silence.
    """
    training, defaults = model.training, model.generation_config
    model.generation_config = GenerationConfig()
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
        model.generation_config = defaults
