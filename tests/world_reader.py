"""Reads the tiny world's questions as a pupil would: from the words to the arithmetic.

It shares nothing with the generators but the way a key is written, so that a question which does
not say what its steps do is found out, and so that a document can be asked which problem it poses.
"""

import re
from dataclasses import dataclass

# (pattern with the number, sign) of one event or operation, tried in this order
WORDS = (
    (r"[Aa]dd (\d+)", "+"),
    (r"[Tt]ake away (\d+)|[Ss]ubtract (\d+)", "-"),
    (r"[Mm]ultiply by (\d+)", "*"),
    (r"([Dd]ouble) it", "*"),
    (r"buys (\d+) more|finds (\d+) more|gives (?:her|him) (\d+)\.", "+"),
    (r"gives (\d+) to|loses (\d+)|sells (\d+)", "-"),
    (r"has (\d+) more than", "+"),
    (r"has (\d+) fewer than", "-"),
    (r"加上(\d+)|又买了(\d+)个|又找到(\d+)个|给[他她](\d+)个|多(\d+)个", "+"),
    (r"减去(\d+)|给了\D+?(\d+)个|丢了(\d+)个|卖了(\d+)个|少(\d+)个", "-"),
    (r"乘以(\d+)", "*"),
)
SIGNS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
SUM = re.compile(r"(\d+)([+\-*])(\d+)")


@dataclass(frozen=True)
class Reading:
    """What a question asks: the arithmetic (written as a problem's key is) and the answer."""

    key: str
    answer: int


def read(question: str) -> Reading:
    """The reading of a question of any kind in either language."""
    if "larger" in question or "较大" in question:
        return _larger(question)
    if "cost" in question or "元" in question:
        return _bill(question)
    return _chain(question)


def _larger(question: str) -> Reading:
    sums = SUM.findall(question)
    assert len(sums) == 2, question
    results = [SIGNS[op](int(left), int(right)) for left, op, right in sums]
    return Reading("larger|" + "|".join("".join(one) for one in sums), max(results))


def _bill(question: str) -> Reading:
    first, second, many, more = (int(n) for n in re.findall(r"\d+", question))
    key = f"{first}*{many}|{second}*{more}|#0+#1"
    return Reading(key, first * many + second * more)


def _chain(question: str) -> Reading:
    """Whatever is done to a number one thing after the other: chains, stories, comparisons."""
    start = int(re.findall(r"\d+", question)[0])
    done = sorted(
        (match.start(), op, next(filter(None, match.groups())))
        for pattern, op in WORDS
        for match in re.finditer(pattern, question)
    )
    values, key = [start], []
    for place, (_, op, said) in enumerate(done):
        number = 2 if said.lower() == "double" else int(said)
        values.append(SIGNS[op](values[-1], number))
        key.append(f"{start if place == 0 else f'#{place - 1}'}{op}{number}")
    if "together" in question or "一共" in question:
        return Reading("|".join([*key, f"{start}+#0", "#2+#1"]), sum(values))
    return Reading("|".join(key), values[-1])
