"""An overlap as a document: counts, matches and examples, ready for JSON.

How it looks in a terminal or in Markdown is the business of who shows it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from grpo_data.overlap.found import Match, Overlap
from grpo_data.overlap.texts import Benchmark

EXAMPLES = 5
"""Matches a benchmark that are written out with both texts."""

PHRASES = 5
"""n-grams a benchmark that are listed with how many training rows they stand for."""

_SHOWN = 400
"""Longest text of an example, characters."""


def document(
    found: Overlap, train: str, ids: Sequence[str], benchmarks: Mapping[str, Benchmark]
) -> dict[str, Any]:
    """What was found between the source `train`, whose rows are called `ids`, and `benchmarks`.

    >>> {"train": "math/train.jsonl", "rows": 7500, "repeats": 4, "n": 10,
    ...  "rules": ["exact", "letters", "ngram"], "overlapping": 558,
    ...  "benchmarks": [{"name": "contest/aime24", "source": ..., "rows": 30,
    ...                  "train_rows": {"exact": 0, "letters": 0, "ngram": 102, "any": 102},
    ...                  "benchmark_rows": {"exact": 0, "letters": 0, "ngram": 9, "any": 9},
    ...                  "phrases": [{"ngram": "where m and n are ...", "train_rows": 38}],
    ...                  "examples": [...], "matches": [{"train": "train/algebra/24.json",
    ...                  "benchmark": "60", "rules": ["ngram"], "ngram": ..., "ngrams": 2}]}]}
    """
    return {
        "train": train,
        "rows": found.rows,
        "repeats": found.repeats,
        "n": found.n,
        "rules": list(found.rules),
        "overlapping": len(found.train_rows()),
        "benchmarks": [_benchmark(found, ids, held) for held in benchmarks.values()],
    }


def _benchmark(found: Overlap, ids: Sequence[str], held: Benchmark) -> dict[str, Any]:
    matches = [match for match in found.matches if match.benchmark == held.name]
    name = held.name
    train = {rule: len(found.train_rows(name, rule)) for rule in found.rules}
    own = {rule: len(found.benchmark_rows(name, rule)) for rule in found.rules}
    return {
        "name": name,
        "source": held.source,
        "rows": found.sizes[name],
        "train_rows": train | {"any": len(matches)},
        "benchmark_rows": own | {"any": len(found.benchmark_rows(name))},
        "phrases": [
            {"ngram": ngram, "train_rows": rows} for ngram, rows in found.phrases(name)[:PHRASES]
        ],
        "examples": [
            _match(match, ids, held)
            | {
                "train_text": _cut(match.text),
                "benchmark_text": _cut(held.texts[match.row].question),
            }
            for match in _telling(matches)
        ],
        "matches": [_match(match, ids, held) for match in matches],
    }


def _telling(matches: Sequence[Match]) -> list[Match]:
    """The first matches of each combination of rules, the strictest first."""
    by_rules: dict[tuple[str, ...], list[Match]] = {}
    for match in matches:
        by_rules.setdefault(match.rules, []).append(match)
    each = -(-EXAMPLES // max(1, len(by_rules)))
    return [match for rules in sorted(by_rules) for match in by_rules[rules][:each]][:EXAMPLES]


def _match(match: Match, ids: Sequence[str], held: Benchmark) -> dict[str, Any]:
    return {
        "train": ids[match.train],
        "benchmark": held.texts[match.row].id,
        "rules": list(match.rules),
        "ngram": match.ngram,
        "ngrams": match.ngrams,
    }


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
