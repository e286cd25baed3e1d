"""What rewards that look on come to: means, and how often one policy's sample beats another's.

A reward's mean is over the samples it has something to say of. It says nothing where it skipped the
sample (no value), and `language_consistency` says nothing of a thought without words: as a reward
that is worth 0, as a measurement it is no language at all, and so its share stands beside the mean.
"""

# Q = questions

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from grpo.eval.intervals import STUDENT, Estimate, clustered, unbounded
from grpo.eval.paired import difference
from grpo.eval.row import Row

LANGUAGE = "language_consistency"
FAILED = ("error", "timeout")

Groups = Sequence[Sequence[Row]]
"""Rows by question."""


def measured(row: Row, reward: str) -> float | None:
    """What `reward` says of the sample, before its weight; None where it says nothing."""
    return None if is_wordless(row, reward) else row.value(reward)


def is_wordless(row: Row, reward: str) -> bool:
    """Whether `reward` looked for a language, and there was not a word to look at."""
    return is_of_language(reward) and row.found().get(reward) == "unparseable"


def is_of_language(reward: str) -> bool:
    """Whether it is `language_consistency`, under whatever label behind an @."""
    return reward.partition("@")[0] == LANGUAGE


def is_share(groups: Groups, reward: str) -> bool:
    """Whether all its values lie in [0, 1]; a reward model's logits do not."""
    return all(0 <= one <= 1 for values in _values(groups, reward) for one in values)


def mean(groups: Groups, reward: str, share: bool) -> Estimate:
    """The mean over questions of what `reward` says of their samples.

    A question of whose samples it says nothing is left out. A mean of shares has an interval
    within [0, 1], any other Student's.
    """
    values = [one for one in _values(groups, reward) if one]
    means_Q, count = [fmean(one) for one in values], sum(map(len, values))
    return clustered(means_Q, count) if share else unbounded(means_Q, count)


def wordless(groups: Groups, reward: str) -> Estimate:
    """The share of samples without a word, of those that `reward` did not skip."""
    looked = [[row for row in group if row.value(reward) is not None] for group in groups]
    shares_Q = [fmean(is_wordless(row, reward) for row in group) for group in looked if group]
    return clustered(shares_Q, sum(map(len, looked)))


def counted(groups: Groups, reward: str) -> dict[str, float]:
    """The shares of all samples that `reward` skipped, and that it failed on."""
    found = [row.found().get(reward) for group in groups for row in group]
    return {
        "skipped": fmean(one == "skipped" for one in found),
        "failed": fmean(one in FAILED for one in found),
    }


def win(ours: Groups, theirs: Groups, reward: str) -> Estimate:
    """The share of questions where our sample is worth more by `reward`; a tie is half a win.

    Of several samples a question every one of ours meets every one of theirs. Questions that only
    one side answered, or that `reward` says nothing of on one side, are left out.
    """
    met = list(_met(ours, theirs, reward))
    shares_Q = [fmean(_points(a, b) for a in mine for b in other) for mine, other in met]
    return clustered(shares_Q, sum(len(mine) + len(other) for mine, other in met))


def change(before: Groups, after: Groups, reward: str, share: bool) -> Estimate:
    """The difference of `reward`'s means, after - before, over the questions in common: a mean of
    differences, so Student's t; of shares with what `paired` says of questions that stay."""
    met = list(_met(before, after, reward))
    changes_Q = [fmean(new) - fmean(old) for old, new in met]
    if share and met:
        return difference(changes_Q, [old for old, _ in met], [new for _, new in met])
    count = sum(len(old) + len(new) for old, new in met)
    return unbounded(changes_Q, count, f"{STUDENT}, paired")


def _points(ours: float, theirs: float) -> float:
    return 0.5 if ours == theirs else float(ours > theirs)


def _met(
    ours: Groups, theirs: Groups, reward: str
) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
    """The values of both sides, question by question, where both have any."""
    other = {group[0].question_key: group for group in theirs}
    common = [group for group in ours if group[0].question_key in other]
    against = [other[group[0].question_key] for group in common]
    pairs = zip(_values(common, reward), _values(against, reward), strict=True)
    yield from ((mine, his) for mine, his in pairs if mine and his)


def _values(groups: Groups, reward: str) -> list[list[float]]:
    said = ([measured(row, reward) for row in group] for group in groups)
    return [[one for one in values if one is not None] for values in said]


def summary(groups: Groups, reward: str) -> dict[str, Any]:
    """What is told of `reward` beside its breakdowns, estimates as they are."""
    share = is_share(groups, reward)
    found = {"mean": mean(groups, reward, share), "share": share, **counted(groups, reward)}
    return found | ({"without_words": wordless(groups, reward)} if is_of_language(reward) else {})
