"""The scorer: judges completions by weighted rewards, safely and with every outcome kept.

What a rule can settle at once is settled in this process; all else (sympy, users' functions) runs
in worker processes that are killed at their deadline. Log-keeping and asynchronous overlap with
sampling are left to the caller.
"""

import logging
import threading
import weakref
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from grpo_rewards.call_reward import samples_of
from grpo_rewards.calls import Answer, Call
from grpo_rewards.chosen import Setting, choose
from grpo_rewards.crew import Crew
from grpo_rewards.errors import RewardError
from grpo_rewards.rule import RuleReward
from grpo_rewards.state import TrainerState
from grpo_rewards.verdict import Judged, Sample, Verdict, verdict

_LOGGER = logging.getLogger("grpo_rewards")
_ROWS_A_BATCH = 64

Prompt = str | Sequence[Mapping[str, Any]]
_FAILED = ("error", "timeout")


class Scorer:
    """Judges batches by the rewards named in a recipe.

    `rewards` maps names (see `table.find`) to weights, or to a weight with knobs; a weight of 0
    only observes. `deadline_s` is CPU seconds a sample and reward may take in a worker (a call of
    n rows at once: deadline x (1 + (n-1)/16)), ten times that in wall-clock seconds; `memory_mb` is
    MiB a worker may take on top of its loaded code. A call that fails for many rows is made again
    row by row; a sample it still fails on has the outcome "error" or "timeout", and its part is the
    lowest there is (0.0, mostly) for a built-in reward and None for a user's.

    `messages` counts what went wrong, by `file:line: what`. Raises RewardError for a reward or a
    knob that is not there. Threads that score at once wait for one another. Close it.

    >>> with Scorer({"accuracy": 1.0, "my_rewards.py:brevity": {"weight": 0.2, "target": 40}}) as s:
    ...     s.score(["3 + 4?"], ["<think>...</think><answer>7</answer>"], [{"answer": "7"}])
    """

    def __init__(
        self,
        rewards: Mapping[str, Setting],
        *,
        workers: int = 2,
        deadline_s: float = 3.0,
        memory_mb: int = 1024,
    ) -> None:
        if workers < 1 or deadline_s <= 0 or memory_mb < 1:
            raise RewardError("workers, deadline_s and memory_mb must all be above zero")
        chosen = choose(rewards)
        self.weights = dict(chosen.weights)
        self.messages: Counter[str] = Counter()
        self._rules = chosen.rules
        self._lock = threading.Lock()
        self._metrics: dict[str, list[float]] = {}
        self._crew = Crew(chosen, workers, deadline_s, memory_mb)
        self._finalizer = weakref.finalize(self, self._crew.close)

    def score(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Prompt],
        columns: Sequence[Mapping[str, Any]],
        *,
        token_ids: Sequence[Sequence[int]] | None = None,
        state: TrainerState | None = None,
        weights: Sequence[Mapping[str, float]] | None = None,
    ) -> list[Verdict]:
        """One verdict a completion, in order; `columns[i]` is the row completion i belongs to.

        Prompts and completions are strings or TRL's lists of chat messages; users' functions get
        them as they are. `token_ids` are the completions', for rewards that count tokens; `state`
        is what a function reads as `trainer_state`. With `weights` only the rewards that
        `weights[i]` names judge completion i, and count that much. Raises RewardError when a user's
        reward fails on every sample, and ValueError where the lengths differ or a row lacks a
        column that a built-in reward needs.
        """
        given = [
            one for one in (prompts, completions, columns, token_ids, weights) if one is not None
        ]
        if len({len(one) for one in given}) > 1:
            names = "prompts, completions, columns, token_ids and weights"
            raise ValueError(f"{names} must be as many, got {[len(one) for one in given]}")
        rows = tuple(range(len(completions)))
        ids = None if token_ids is None else tuple(token_ids)
        texts = (tuple(prompts), tuple(completions), tuple(columns))
        batch = Call("", rows, *texts, ids, state or TrainerState())
        counted = [self.weights] * len(rows) if weights is None else weights
        with self._lock:
            judged = self._judged(batch, counted)
        return [
            verdict({name: row[name] for name in self.weights if name in row}, own)
            for row, own in zip(judged, counted, strict=True)
        ]

    def take_metrics(self) -> dict[str, list[float]]:
        """The values of each metric that rewards have logged since it was last asked; their order
        is no promise."""
        taken, self._metrics = self._metrics, {}
        return taken

    def start(self) -> None:
        """Look at the machine and load users' rewards and models now, so that what is missing or
        cannot be loaded stops the run at once."""
        for rule in self._rules.values():
            rule.check()
        self._crew.start()

    def close(self) -> None:
        """End the workers; nothing of them is left."""
        self._crew.close()

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that live now."""
        return [process.pid for process in self._crew.processes]

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _judged(self, batch: Call, names: Sequence[Collection[str]]) -> list[dict[str, Judged]]:
        """What each row's own rewards, `names`, say of it."""
        judged: list[dict[str, Judged]] = [{} for _ in batch.rows]
        samples, said = samples_of(batch), Counter[str]()
        calls: list[Call] = []
        for name in self.weights:
            rows = [row for row in batch.rows if name in names[row]]
            calls += self._open_calls(replace(batch, reward=name), rows, samples, judged)
        for call, answer in self._crew.run(calls):
            self._note(call, answer, said)
            for place, row in enumerate(call.rows):
                judged[row][call.reward] = self._priced(call.reward, answer, place)
        self._stop_if_all_failed(judged, said)
        return judged

    def _open_calls(
        self,
        whole: Call,
        rows: Sequence[int],
        samples: Sequence[Sample],
        judged: list[dict[str, Judged]],
    ) -> list[Call]:
        """The calls `whole.reward` needs a worker for, of some rows of the whole batch; what is
        settled at once goes to `judged`."""
        name, rule = whole.reward, self._rules.get(whole.reward)
        if rule is None:
            return [whole.only(rows)] if rows else []
        for row in rows:
            found = self._quick(name, rule, samples[row])
            if found is not None:
                judged[row][name] = found
        left = [row for row in rows if name not in judged[row]]
        size = _ROWS_A_BATCH if rule.batch else 1
        return [whole.only(left[at : at + size]) for at in range(0, len(left), size)]

    def _quick(self, name: str, rule: RuleReward, sample: Sample) -> Judged | None:
        """The rule's verdict at once; a fault in the rule costs the sample, not the run."""
        try:
            return rule.quick(sample)
        except RewardError:
            raise
        except Exception as error:
            self.messages[f"{name}: {type(error).__name__}: {error}"] += 1
            return Judged(rule.on_failure, "error")

    def _priced(self, name: str, answer: Answer, place: int) -> Judged:
        """A row's judgement with its notes. A failure pays the lowest there is in a built-in
        reward; it is no part at all in a user's, whose range nobody knows."""
        judged, rule = answer.on(place), self._rules.get(name)
        if rule and judged.outcome in _FAILED:
            return Judged(rule.on_failure, judged.outcome)
        return judged

    def _note(self, call: Call, answer: Answer, said: Counter[str]) -> None:
        """Keep the metrics; count what went wrong, and say it in the log the first time."""
        if answer.is_fatal:
            raise RewardError(answer.message)
        for name, values in answer.notes.metrics.items():
            self._metrics.setdefault(name, []).extend(values)
        for text in filter(None, (answer.message, answer.complaint)):
            message = f"{call.reward}: {text}"
            if message not in self.messages:
                then = "; trying it row by row" if answer.message and len(call.rows) > 1 else ""
                _LOGGER.warning("reward on %d completion(s): %s%s", len(call.rows), message, then)
            self.messages[message] += 1
            said[message] += 1

    def _stop_if_all_failed(
        self, judged: Sequence[Mapping[str, Judged]], said: Counter[str]
    ) -> None:
        for name in self.weights:
            rule = self._rules.get(name)
            found = [row[name] for row in judged if name in row]
            is_telling = len(found) > 0 and (rule is None or rule.on_failure is None)
            if is_telling and all(one.outcome in _FAILED for one in found):
                texts = [text for text in said if text.startswith(f"{name}: ")]
                why = max(texts, key=lambda text: said[text], default=f"{name} gave no number")
                raise RewardError(f"reward failed on all {len(found)} completions, {why}")
