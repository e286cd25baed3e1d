"""What gives stored samples a score to choose by: rewards, reward models, process reward models.

A score says how good a sample looks to somebody who does not know the answer (but for the tiny
world's checker, which knows the way to it). Scores lie in [0, 1] or are unknown.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.eval.row import Row
from grpo.eval.steps.exact import ExactSteps
from grpo.eval.steps.scorer import REDUCTIONS, StepScorer, Thought, reduced
from grpo_rewards.workers import Scorer

LOGPROB, CHECKER = "logprob", "checker"

Scores = list[float | None]


@dataclass(frozen=True)
class Grader:
    """A name for tables and pictures, what kind of judge it is, and how it judges.

    >>> Grader("prm", "process (last step)", grade)
    """

    name: str
    kind: str
    grade: Callable[[Sequence[Row]], Scores]


def grader(by: str, steps: str = "last") -> Grader:
    """The grader called `by`: "logprob", "checker", the folder of a model, or a reward's name.

    logprob: the policy's own mean probability of a token. checker: the tiny world's exact step
    checker. A folder is read as its config says: a token classifier is a process reward model, a
    sequence classifier a reward model. `steps` is how the scores of steps become one. Raises
    UserError or RewardError for what is none of these.
    """
    if steps not in REDUCTIONS:
        raise UserError(f"steps become one number by {', '.join(REDUCTIONS)}; got {steps!r}")
    if by == LOGPROB:
        return Grader(by, "the policy's own probability", _probabilities)
    if by == CHECKER:
        return _process(by, ExactSteps(), steps)
    if Path(by).is_dir():
        return _model(Path(by), steps)
    if "/" in by and not by.partition(":")[0].endswith(".py"):
        raise UserError(f"there is no model in {by!r} (seen from {Path.cwd()})")
    return Grader(by, "reward", lambda rows: _rewards(by, rows))


def squashed(scores: Sequence[float | None]) -> Scores:
    """Each through the logistic function: so they can be added up, and their order is kept."""
    return [None if score is None else (1 + math.tanh(score / 2)) / 2 for score in scores]


def _probabilities(rows: Sequence[Row]) -> Scores:
    if any(row.logprob is None for row in rows):
        raise UserError("these samples have no log-probabilities: an endpoint gave none")
    return [math.exp(row.logprob / max(1, row.tokens)) for row in rows if row.logprob is not None]


def _process(name: str, scorer: StepScorer, steps: str) -> Grader:
    def grade(rows: Sequence[Row]) -> Scores:
        thoughts = [Thought(row.prompt, row.completion, json.loads(row.columns)) for row in rows]
        return [reduced(scores, steps) for scores in scorer.score(thoughts)]

    return Grader(name, f"process reward ({steps} step)", grade)


def _model(folder: Path, steps: str) -> Grader:
    config = folder / "config.json"
    if not config.is_file():
        raise UserError(f"{folder} holds no model: it has no config.json")
    (architecture, *_) = json.loads(config.read_text()).get("architectures") or [""]
    if architecture.endswith("ForTokenClassification"):
        from grpo.eval.steps.model import ProcessRewardModel

        return _process(folder.name, ProcessRewardModel(folder), steps)
    if architecture.endswith("ForSequenceClassification"):
        return Grader(folder.name, "reward model", lambda rows: _logits(folder, rows))
    raise UserError(
        f"{folder} holds a {architecture or 'model without an architecture'}; a reward model is a "
        "sequence classifier, a process reward model a token classifier"
    )


def _logits(folder: Path, rows: Sequence[Row]) -> Scores:
    """As the reward `reward_model` judges, the whole completion, in the model's own template."""
    from grpo.model.load import quiet_loading
    from grpo_rewards.reward_model import RewardModel, Settings
    from grpo_rewards.shown import conversation
    from grpo_rewards.verdict import Sample

    with quiet_loading():
        model = RewardModel(Settings(str(folder), None, True, "auto", "float32", 64, 4096))
    samples = [Sample(row.prompt, row.completion, {"question": row.question}) for row in rows]
    return squashed(model([conversation(sample, "completion") for sample in samples]))


def _rewards(name: str, rows: Sequence[Row]) -> Scores:
    columns: list[dict[str, Any]] = [
        {**json.loads(row.columns), "question": row.question, "answer": row.gold} for row in rows
    ]
    with Scorer({name: 1.0}, workers=1) as scorer:
        verdicts = scorer.score([r.prompt for r in rows], [r.completion for r in rows], columns)
    values = [verdict.parts[name] for verdict in verdicts]
    are_shares = all(value is None or 0.0 <= value <= 1.0 for value in values)
    return values if are_shares else squashed(values)
