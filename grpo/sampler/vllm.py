"""The fast sampler: vLLM in this process, weights pushed in place, every push accounted for.

Public vLLM only; what is not public is in vllm_adapter.py. Whether the pushed policy is the
trainer's is for the parity gate to say, which needs the trainer's numbers.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from torch import Tensor

from grpo.model.depth import draft_depth, draft_heads
from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.sampler import preflight
from grpo.sampler.drafting import DraftCounts
from grpo.sampler.isolation import own_randomness
from grpo.sampler.parity import draft_gate
from grpo.sampler.protocol import Weights
from grpo.sampler.tokens import checkpoint_eos, end_tokens, room, texts
from grpo.sampler.vllm_adapter import Engine, on_cpu, routing_of
from grpo.sampler.vllm_stream import stream
from grpo.types import Completion, Request

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams


class VllmSampler:
    """A vLLM engine on a checkpoint folder; one at a time in a process.

    Same seeds, same tokens: in another process, beside other requests, and after a sync with the
    same weights. Log-probabilities are the same bits where the batch is the same, and differ by
    rounding where it is not. Raises UserError where the checkpoint cannot be sampled
    faithfully.
    """

    _running: "VllmSampler | None" = None

    def __init__(self, checkpoint: Path, config: SamplerConfig) -> None:
        if VllmSampler._running is not None:
            raise RuntimeError("a vLLM engine is already running in this process: close it first")
        self._folder = Path(checkpoint)
        values = preflight.read_config(self._folder)
        if not values.get("n_routed_experts"):
            config = config.model_copy(update={"routed_experts": False})
        self._config = config
        preflight.refuse(values, config, cpu=on_cpu())
        if config.draft_tokens:
            preflight.refuse_depth(draft_depth(self._folder), config)
        self.dtype: str = config.dtype or preflight.model_dtype(values)
        self._target, self._draft = self._split(draft_heads(values))
        self._first_routed = int(values.get("first_k_dense_replace") or 0)
        self._engine = Engine(self._folder, config, self.dtype)
        VllmSampler._running = self
        self._tokenizer: Any = self._engine.llm.get_tokenizer()
        self._ends = end_tokens(self._tokenizer, checkpoint_eos(self._folder))
        self._counted = DraftCounts()
        if config.draft_tokens:
            self._prove_draft_reload()

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """See the protocol. Prompts that do not fit into a batch together wait for the next."""
        prompts: Any = [{"prompt_token_ids": list(r.prompt_ids)} for r in requests]
        params = [self._params(request, sampling) for request in requests]
        with own_randomness(), self._engine.sampling():
            outputs = self._engine.llm.generate(prompts, params, use_tqdm=False)
        ids = [tuple(output.outputs[0].token_ids) for output in outputs]
        read = texts(self._tokenizer, ids, self._ends)
        return [self._completion(*parts) for parts in zip(read, ids, outputs, strict=True)]

    def stream(
        self, requests: Sequence[Request], sampling: Sampling
    ) -> Generator[tuple[int, Completion]]:
        """See the protocol."""
        work = [
            ({"prompt_token_ids": list(one.prompt_ids)}, self._params(one, sampling))
            for one in requests
        ]
        # Twice what is decoded at once: a hundred thousand requests cost nothing before their turn.
        held = 2 * self._config.max_num_seqs
        with closing(stream(self._engine.llm.llm_engine, work, held, self._stepping)) as outputs:
            for place, output in outputs:
                ids = tuple(output.outputs[0].token_ids)
                (text,) = texts(self._tokenizer, [ids], self._ends)
                yield place, self._completion(text, ids, output)

    def _completion(self, text: str, ids: tuple[int, ...], output: "RequestOutput") -> Completion:
        drawn = output.outputs[0]
        steps: Any = drawn.logprobs
        logprobs = tuple(step[token].logprob for step, token in zip(steps, ids, strict=True))
        # The last token was drawn and never read.
        read = len(output.prompt_token_ids or ()) + len(ids) - 1
        routing = routing_of(drawn, read, self._first_routed)
        return Completion(text, ids, logprobs, str(drawn.finish_reason), routing)

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        with own_randomness(), self._engine.sampling():
            yield

    def _params(self, request: Request, sampling: Sampling) -> "SamplingParams":
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=room(request, sampling, self._config.max_model_len),
            seed=request.seed,
            logprobs=0,
            stop=list(sampling.stop),
            stop_token_ids=sorted(self._ends),
            skip_special_tokens=False,
            # Text is decoded here in one batch; vLLM needs it only to look for stop texts.
            detokenize=bool(sampling.stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def sync(self, weights: Weights, draft: Weights = ()) -> None:
        """See the protocol. Raises ValueError where the push leaves a tensor of the checkpoint
        out, ParityError where the draft does not hold what was pushed."""
        pushed: set[str] = set()
        self._engine.push(_noting(weights, pushed))
        _require(self._target, pushed)
        if self._config.draft_tokens:
            self._sync_draft(list(draft))
        self._engine.drop_prefix_cache()

    def _sync_draft(self, draft: list[tuple[str, Tensor]]) -> None:
        _require(self._draft, {name for name, _ in draft})
        self._engine.push_draft(draft)
        draft_gate(self._engine.expected_draft_values(draft), self._engine.draft_values())

    def _prove_draft_reload(self) -> None:
        """Pushes the checkpoint's own draft: a sync must leave it as a fresh load laid it out."""
        try:
            fresh = self._engine.draft_layout()
            self._sync_draft([(n, w) for n, w in self._tensors() if n in self._draft])
            draft_gate(fresh, self._engine.draft_layout(), "weights, packed again by a sync,")
        except BaseException:
            self.close()
            raise

    @contextmanager
    def undrafted(self) -> Iterator[None]:
        """See the protocol. Nothing is left in the prefix cache, in which the draft's part would be
        missing afterwards, and before which the other way would have paid for the prompts alone."""
        if not self._config.draft_tokens:
            yield
            return
        self._engine.drop_prefix_cache()
        try:
            with self._engine.undrafted():
                yield
        finally:
            self._engine.drop_prefix_cache()

    def metrics(self) -> Mapping[str, float]:
        """Share of the draft's tokens that the policy accepted since the last call, if any."""
        if not self._config.draft_tokens:
            return {}
        now, before = self._engine.draft_counts(), self._counted
        self._counted = now
        return now.since(before).metrics()

    def close(self) -> None:
        """Frees the engine's memory and lets another engine start."""
        if VllmSampler._running is self:
            VllmSampler._running = None
            self._engine.close()

    def _split(self, heads: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
        """The checkpoint's tensor names: the policy's, and those of its MTP layers, from N on."""
        names = frozenset(name for name, _ in self._tensors(values=False))
        draft = frozenset(n for n in names if n.startswith(heads))
        return names - draft, draft

    def _tensors(self, *, values: bool = True) -> Iterator[tuple[str, Any]]:
        for path in sorted(self._folder.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for name in sorted(file.keys()):
                    yield name, file.get_tensor(name) if values else None


def _noting(weights: Iterable[tuple[str, Tensor]], names: set[str]) -> Weights:
    for name, weight in weights:
        names.add(name)
        yield name, weight.detach()


def _require(names: Set[str], pushed: Set[str]) -> None:
    if missing := sorted(names - pushed):
        raise ValueError(
            f"the sync left {len(missing)} of the checkpoint's {len(names)} tensors out, which "
            f"would go stale in the sampler; the first is {missing[0]}"
        )
