"""Training texts that a benchmark holds too: whole, or a run of n words of them.

One pass over the training texts, which are never held: memory is the benchmarks' n-grams, some
200 bytes each. Texts are kept as 64-bit hashes; that two of millions meet by chance is a matter of
one in a million.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from grpo_data.overlap.found import EXACT, LETTERS, NGRAM, RULES, Match, Overlap
from grpo_data.overlap.ngrams import ngrams, phrase
from grpo_data.overlap.normalise import exact_key, letters_key, words

Prints = Mapping[str, list[int]]
"""A text's fingerprints by rule: {"exact": [17], "ngram": [4, 8, 15]}; texts that have one in
common overlap by that rule."""


def overlaps(
    train: Iterable[str],
    benchmarks: Mapping[str, Iterable[str]],
    n: int = 10,
    rules: Collection[str] = RULES,
) -> Overlap:
    """Which texts of `train` the `benchmarks` (name to texts) hold as well, by which of `rules`.

    `n` words in a row are too many to be shared by chance (R1: 10); texts shorter than that are
    compared whole. Raises ValueError for n below 1 and for rules that are not in RULES.
    """
    if n < 1:
        raise ValueError(f"an n-gram has at least one word, got n = {n}.")
    if not rules or not set(rules) <= set(RULES):
        raise ValueError(f"rules are among {', '.join(RULES)}; got {', '.join(rules) or 'none'}.")
    kept = tuple(rule for rule in RULES if rule in rules)
    held = [_Benchmark(name, texts, n, kept) for name, texts in benchmarks.items()]
    matches: list[Match] = []
    seen: set[int] = set()
    row = -1
    for row, text in enumerate(train):
        seen.add(hash(exact_key(text)))
        prints = fingerprints(text, n, kept)
        matches += filter(None, (benchmark.match(row, text, prints) for benchmark in held))
    return Overlap(
        rows=row + 1,
        repeats=row + 1 - len(seen),
        n=n,
        rules=kept,
        matches=tuple(matches),
        sizes={benchmark.name: benchmark.size for benchmark in held},
        touched={benchmark.name: benchmark.touched() for benchmark in held},
    )


def fingerprints(text: str, n: int, rules: Iterable[str]) -> dict[str, list[int]]:
    """What `rules` compare of the text: distinct, in order; none where nothing of it is left."""
    return {rule: list(dict.fromkeys(map(hash, _VIEWS[rule](text, n)))) for rule in rules}


def _whole(key: Callable[[str], str]) -> Callable[[str, int], Iterable[object]]:
    return lambda text, n: filter(None, [key(text)])


def _runs(text: str, n: int) -> Iterable[tuple[str, ...]]:
    """The text's n-grams; of one that has none, its exact key, which no n-gram equals."""
    found = list(ngrams(words(text), n))
    return found or [(key, "") for key in filter(None, [exact_key(text)])]


_VIEWS: Mapping[str, Callable[[str, int], Iterable[object]]] = {
    EXACT: _whole(exact_key),
    LETTERS: _whole(letters_key),
    NGRAM: _runs,
}


class _Benchmark:
    """A benchmark's fingerprints with the rows they come from, and which of them were met."""

    def __init__(self, name: str, texts: Iterable[str], n: int, rules: tuple[str, ...]) -> None:
        self.name, self.size = name, 0
        self._n = n
        self._owners: dict[str, dict[int, tuple[int, ...]]] = {rule: {} for rule in rules}
        self._met: dict[str, set[int]] = {rule: set() for rule in rules}
        for text in texts:
            # One tuple for all of a row's fingerprints: nearly all have no other owner.
            own = (self.size,)
            for rule, prints in fingerprints(text, n, rules).items():
                owners = self._owners[rule]
                for mark in prints:
                    owners[mark] = owners[mark] + own if mark in owners else own
            self.size += 1

    def match(self, row: int, text: str, prints: Prints) -> Match | None:
        """What the training text at `row` has in common with this benchmark, if anything."""
        shared = {
            rule: [mark for mark in prints[rule] if mark in owners]
            for rule, owners in self._owners.items()
        }
        found = tuple(rule for rule, marks in shared.items() if marks)
        if not found:
            return None
        for rule in found:
            self._met[rule].update(shared[rule])
        runs = shared.get(NGRAM, [])
        return Match(
            train=row,
            text=text,
            benchmark=self.name,
            row=self._owners[found[0]][self._rarest(found[0], shared[found[0]])][0],
            rules=found,
            ngram=self._spelled_out(text, self._rarest(NGRAM, runs)) if runs else "",
            ngrams=len(runs),
        )

    def touched(self) -> dict[str, frozenset[int]]:
        """By rule: the benchmark's own rows that a training text met."""
        return {
            rule: frozenset(row for mark in self._met[rule] for row in owners[mark])
            for rule, owners in self._owners.items()
        }

    def _rarest(self, rule: str, marks: list[int]) -> int:
        owners = self._owners[rule]
        return min(marks, key=lambda mark: len(owners[mark]))

    def _spelled_out(self, text: str, mark: int) -> str:
        return next(phrase(run).strip() for run in _runs(text, self._n) if hash(run) == mark)
