"""What a check for overlap found: matches, and distinct rows on both sides."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Match:
    """A training row that overlaps with a benchmark: with which of its rows, and by which rules.

    `train` and `row` are positions from 0. `row` is the first that the strictest of `rules` found;
    by n-grams, the first to share `ngram`. `ngram` is, of the `ngrams` distinct ones that the text
    has in common with the benchmark, the one that stands in the fewest of its rows; it is empty
    without the rule, and the whole text where that is shorter than an n-gram.

    >>> Match(train=4711, text="Find the remainder when ...", benchmark="aime", row=87,
    ...     rules=("letters", "ngram"), ngram="remainder when 9 times 99 times 999 cdots is",
    ...     ngrams=14)
    """

    train: int
    text: str
    benchmark: str
    row: int
    rules: tuple[str, ...]
    ngram: str = ""
    ngrams: int = 0


@dataclass(frozen=True)
class Overlap:
    """All that was found: at most one match a training row and benchmark, in training order.

    `rows` is how many training rows were read, of which `repeats` are exactly an earlier one.
    `sizes` is how many rows each benchmark has, `touched` which of them each rule found.

    >>> Overlap(rows=7500, repeats=23, n=10, rules=("exact", "letters"), matches=(match,),
    ...     sizes={"aime": 975}, touched={"aime": {"exact": frozenset(), "letters": {87}}})
    """

    rows: int
    repeats: int
    n: int
    rules: tuple[str, ...]
    matches: tuple[Match, ...]
    sizes: Mapping[str, int]
    touched: Mapping[str, Mapping[str, frozenset[int]]]

    def train_rows(self, benchmark: str | None = None, rule: str | None = None) -> set[int]:
        """Training rows that overlap, with any benchmark and by any rule unless one is named."""
        return {
            match.train
            for match in self.matches
            if benchmark in (None, match.benchmark) and (rule is None or rule in match.rules)
        }

    def benchmark_rows(self, benchmark: str, rule: str | None = None) -> set[int]:
        """The benchmark's rows that stand in the training set, by any rule unless one is named."""
        touched = self.touched[benchmark]
        return set().union(*(touched.values() if rule is None else (touched[rule],)))

    def phrases(self, benchmark: str) -> list[tuple[str, int]]:
        """n-grams that alone betray a training row, with how many rows, the commonest first.

        One that stands for many rows is often a set phrase of the field, not a copied problem.
        """
        alone = (m.ngram for m in self.matches if m.benchmark == benchmark and m.rules == (NGRAM,))
        return Counter(alone).most_common()


EXACT, LETTERS, NGRAM = "exact", "letters", "ngram"
RULES = (EXACT, LETTERS, NGRAM)
"""From the strictest on. exact: the same text but for layout; letters: the same letters and digits,
signs aside; ngram: n words in a row."""
