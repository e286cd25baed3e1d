"""The parity gate in a stage: fresh completions, scored by the trainer before it learns."""

from grpo.recipe.sections import Sampling
from grpo.recipe.stages import Distill, Rl
from grpo.sampler import Sampler, parity_gate, request_seed
from grpo.train.policy import Policy, score
from grpo.train.sequences import Sequences
from grpo.types import Completion, Request, Rollout
from grpo.workbench.workbench import Workbench

# From fine to coarse: the gap of two engines is that of the coarser one.
DTYPES = ("float32", "float16", "bfloat16")
PROBE_TOKENS = 32


class ParityCheck:
    """Compares, each step, the two sides on the first completions of some groups.

    A recipe that truncates its sampling (top_p, top_k) has a few short completions drawn in
    full besides, since the trainer's log-probabilities know no truncation; so has one that draws
    ahead, whose rollouts are of the policy before.
    """

    def __init__(
        self, stage: Rl | Distill, bench: Workbench, policy: Policy, sampler: Sampler
    ) -> None:
        self._stage, self._bench, self._policy, self._sampler = stage, bench, policy, sampler
        self._knobs = bench.recipe.sampler.parity
        self._shared = isinstance(stage, Rl) and stage.share_prompts
        self._dtype = max(bench.model.dtype, sampler.dtype, key=DTYPES.index)

    def check(self, rollout: Rollout) -> dict[str, float]:
        """The gap, in nats. Raises ParityError, with the numbers, where it is beyond the bound."""
        groups = rollout.groups[: self._knobs.completions]
        prompts = [group.prompt_ids for group in groups]
        completions = self._fresh(rollout, prompts)
        logprobs_BT = score(
            self._policy.module,
            Sequences(prompts, [c.token_ids for c in completions], shared=self._shared),
            temperature=self._stage.sampling.temperature,
            budget=self._stage.tokens_per_microbatch,
            device=self._bench.accelerator.device,
        )
        report = parity_gate(
            completions,
            [
                row[: len(c.token_ids)].tolist()
                for row, c in zip(logprobs_BT, completions, strict=True)
            ],
            dtype=self._dtype,
            config=self._knobs,
        )
        return {"parity/mean": report.mean, "parity/max": report.max}

    def _fresh(self, rollout: Rollout, prompts: list[tuple[int, ...]]) -> list[Completion]:
        sampling = self._stage.sampling
        is_ahead = isinstance(self._stage, Rl) and self._stage.ahead > 0
        if sampling.top_p == 1.0 and sampling.top_k == 0 and not is_ahead:
            return [group.completions[0] for group in rollout.groups[: len(prompts)]]
        seed = self._bench.recipe.seed
        requests = [
            Request(ids, request_seed(seed, rollout.step, str(place), 0, "parity"))
            for place, ids in enumerate(prompts)
        ]
        whole = Sampling(
            temperature=sampling.temperature, max_tokens=min(PROBE_TOKENS, sampling.max_tokens)
        )
        return self._sampler.sample(requests, whole)
