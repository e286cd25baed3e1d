"""The scorer: judges completions by weighted rewards, safely and with every outcome kept.

What a rule can settle at once is settled in this process; all else (sympy, users' functions) runs
in worker processes that are killed at their deadline. Log-keeping and asynchronous overlap with
sampling are left to the caller.
"""

import logging
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from grpo_rewards.call_reward import samples_of
from grpo_rewards.calls import Answer, Call, Setup
from grpo_rewards.errors import RewardError
from grpo_rewards.pool import Pool
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import Target, find, load
from grpo_rewards.verdict import Judged, Sample, Verdict, verdict

_LOGGER = logging.getLogger("grpo_rewards")
_WALL_PER_DEADLINE = 10.0

Prompt = str | Sequence[Mapping[str, Any]]
_FAILED = ("error", "timeout")


class Scorer:
    """Judges batches by the rewards named in a recipe.

    `rewards` maps names (see `table.find`) to weights; a weight of 0 only observes. `deadline_s`
    is CPU seconds a sample and reward may take in a worker (a call of n rows at once: deadline x
    (1 + (n-1)/16)), ten times that in wall-clock seconds; `memory_mb` is MiB a worker may take on
    top of its loaded code. A call that fails for many rows is made again row by row; a sample it
    still fails on has the outcome "error" or "timeout", and its part is 0.0 for a built-in reward
    and None for a user's.

    `messages` counts what went wrong, by `file:line: what`. Raises RewardError for a reward that
    is not there. Use it from one thread, and close it.

    >>> with Scorer({"accuracy": 1.0, "my_rewards.py:brevity": 0.2}) as scorer:
    ...     scorer.score(["3 + 4?"], ["<think>...</think><answer>7</answer>"], [{"answer": "7"}])
    """

    def __init__(
        self,
        rewards: Mapping[str, float],
        *,
        workers: int = 2,
        deadline_s: float = 3.0,
        memory_mb: int = 1024,
    ) -> None:
        if not rewards:
            raise RewardError('no reward is named; name one with its weight, as {"accuracy": 1.0}')
        if workers < 1 or deadline_s <= 0 or memory_mb < 1:
            raise RewardError("workers, deadline_s and memory_mb must all be above zero")
        targets = tuple(find(name) for name in rewards)
        self.weights = dict(rewards)
        self.messages: Counter[str] = Counter()
        self._rules = {target.name: _rule(target) for target in targets if target.is_built_in}
        setup = Setup(tuple(filter(self._needs_worker, targets)), deadline_s, memory_mb)
        self._pool = Pool(setup, workers, _WALL_PER_DEADLINE * deadline_s)
        self._finalizer = weakref.finalize(self, self._pool.close)

    def score(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Prompt],
        columns: Sequence[Mapping[str, Any]],
    ) -> list[Verdict]:
        """One verdict a completion, in order; `columns[i]` is the row completion i belongs to.

        Prompts and completions are strings or TRL's lists of chat messages; users' functions get
        them as they are. Raises RewardError when a user's reward fails on every sample, and
        ValueError where the lengths differ or a row has no reference for `accuracy`.
        """
        if not len(prompts) == len(completions) == len(columns):
            got = f"{len(prompts)}, {len(completions)} and {len(columns)}"
            raise ValueError(f"prompts, completions and columns must be as many, got {got}")
        rows = tuple(range(len(completions)))
        batch = Call("", rows, tuple(prompts), tuple(completions), tuple(columns))
        judged: list[dict[str, Judged]] = [{} for _ in rows]
        calls = [call for name in self.weights for call in self._open_calls(name, batch, judged)]
        for call, answer in self._pool.run(calls):
            self._note(call, answer)
            for row, one in zip(call.rows, answer.judged, strict=True):
                judged[row][call.reward] = self._priced(call.reward, one)
        self._stop_if_all_failed(judged)
        return [verdict({name: row[name] for name in self.weights}, self.weights) for row in judged]

    def start(self) -> None:
        """Load the users' rewards now, so that one that cannot be loaded stops the run at once."""
        if any(name not in self._rules for name in self.weights):
            self._pool.start()

    def close(self) -> None:
        """End the workers; nothing of them is left."""
        self._pool.close()

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that live now."""
        return [process.pid for process in self._pool.processes]

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _needs_worker(self, target: Target) -> bool:
        return not target.is_built_in or self._rules[target.name].full is not None

    def _open_calls(self, name: str, batch: Call, judged: list[dict[str, Judged]]) -> list[Call]:
        """The calls reward `name` needs a worker for; what is settled at once goes to `judged`."""
        call = replace(batch, reward=name)
        rule = self._rules.get(name)
        if rule is None:
            return [call] if call.rows else []
        for row, sample in enumerate(samples_of(batch)):
            found = self._quick(rule, sample)
            if found is not None:
                judged[row][name] = found
        return [one for one in call.split() if name not in judged[one.rows[0]]]

    def _quick(self, rule: RuleReward, sample: Sample) -> Judged | None:
        """The rule's verdict at once; a fault in the rule costs the sample, not the run."""
        try:
            return rule.quick(sample)
        except RewardError:
            raise
        except Exception as error:
            self.messages[f"{rule.name}: {type(error).__name__}: {error}"] += 1
            return Judged(0.0, "error")

    def _priced(self, name: str, judged: Judged) -> Judged:
        """What a failure pays: nothing (0, the lowest) in a built-in reward; no part at all in a
        user's, whose range nobody knows."""
        failed = judged.outcome in _FAILED and name in self._rules
        return Judged(0.0, judged.outcome) if failed else judged

    def _note(self, call: Call, answer: Answer) -> None:
        """Count what went wrong, and say it in the log the first time."""
        if not answer.message:
            return
        message = f"{call.reward}: {answer.message}"
        if message not in self.messages:
            then = "; trying it row by row" if len(call.rows) > 1 else ""
            _LOGGER.warning(
                "reward failed on %d completion(s), %s%s", len(call.rows), message, then
            )
        self.messages[message] += 1

    def _stop_if_all_failed(self, judged: Sequence[Mapping[str, Judged]]) -> None:
        for name in self.weights:
            own = name not in self._rules and len(judged) > 0
            if own and all(row[name].outcome in _FAILED for row in judged):
                said = [text for text in self.messages if text.startswith(f"{name}: ")]
                why = max(said, key=lambda text: self.messages[text])
                raise RewardError(f"reward failed on all {len(judged)} completions, {why}")


def _rule(target: Target) -> RuleReward:
    reward = load(target)
    if not isinstance(reward, RuleReward):
        raise RewardError(f"reward {target.name!r} stands in the table but is no RuleReward")
    return reward
