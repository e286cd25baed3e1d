"""The reward `choice`: 1.0 where the final answer is the reference's option, and that one alone.

The answer is the letter (`B`, `(B)`, `\\text{B}`, `B. 12`) or, where the row has its options in a
column `options` or `choices`, the text of one. Two letters, all options listed, or a letter beside
another option's text are no answer. The reference is a letter, an option's text or, as an integer,
a place counted from 0; a row without one is skipped. The answer is looked for as `accuracy` does.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpo_rewards import bounds, tags
from grpo_rewards.accuracy import prepare, reference, reference_column
from grpo_rewards.equal import Comparison, compare, compare_quickly
from grpo_rewards.extract import strict_answer
from grpo_rewards.letters import labelled, letter
from grpo_rewards.phrases import after_last_phrase, first_sentence
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import SKIPPED, UNPARSEABLE, Judged, Sample

_OPTION_COLUMNS = ("options", "choices")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NEGATED = re.compile(r"(?:\b(?:not|non|nicht|isn't)\s+|不是\s*)\(?[A-J]\b\)?")
_STANDALONE = re.compile(r"(?<![^\W\d_])(?<!['’])([A-J])(?![A-Za-z'’])(?!\s+[a-z]{3,})")

Options = Mapping[str, str]
Compare = Callable[[str, str], Comparison | None]


def choice(*, lenient: bool = False) -> RuleReward:
    """The one right option; `lenient` looks for a letter in prose too, for measurement only."""
    find = _lenient if lenient else _strict

    def quick(sample: Sample) -> Judged | None:
        return _judged(sample, find(sample), compare_quickly)

    def full(sample: Sample) -> Judged:
        return _judged(sample, find(sample), compare) or UNPARSEABLE

    return RuleReward("choice", quick, full, prepare)


def options_of(columns: Mapping[str, Any]) -> dict[str, str]:
    """The options of a row by letter, without the labels they may carry; none where it has none.

    A list of texts, a mapping from letters, or the hub's `{"label": [...], "text": [...]}`.
    """
    given = next((columns[name] for name in _OPTION_COLUMNS if columns.get(name) is not None), None)
    if isinstance(given, Mapping) and "text" in given:
        given = dict(zip(given.get("label") or _ALPHABET, given["text"], strict=False))
    if isinstance(given, Mapping):
        pairs = [(str(name).strip().upper(), text) for name, text in given.items()]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        pairs = list(zip(_ALPHABET, given, strict=False))
    else:
        return {}
    return {name: _without_label(name, str(text)) for name, text in pairs}


def _without_label(name: str, text: str) -> str:
    label = re.compile(rf"\s*(?:\({re.escape(name)}\)|{re.escape(name)}\s*[).:、])\s*(?=\S)")
    while label.match(text):
        text = label.sub("", text, count=1)
    return text.strip()


def _judged(sample: Sample, answer: str | None, judge: Compare) -> Judged | None:
    """The verdict on an answer; None where `judge` leaves it open."""
    options = options_of(sample.columns)
    right = _right(sample.columns, options)
    if right is None:
        return SKIPPED
    if answer is None or bounds.refusal(answer):
        return UNPARSEABLE
    chosen = _chosen(answer, options, judge)
    if not chosen:
        return None if chosen is None else UNPARSEABLE
    return Judged(1.0, "correct") if right in chosen else Judged(0.0, "wrong")


def _right(columns: Mapping[str, Any], options: Options) -> str | None:
    """The letter of the reference, or None where it has none to be right by."""
    place = columns[reference_column(columns, "choice")]
    if isinstance(place, int) and not isinstance(place, bool):
        return _ALPHABET[place] if 0 <= place < (len(options) or len(_ALPHABET)) else None
    gold = reference(columns)
    found = labelled(gold) if gold else None
    if found and (not options or found[0] in options):
        return found[0]
    named = _with_text(gold or "", options, compare_quickly)
    return min(named) if named else None


def _chosen(answer: str, options: Options, judge: Compare) -> set[str] | None:
    """The letters an answer comes to: one, or several where options have the same text; none where
    it comes to nothing, and None where that is open."""
    found = labelled(answer)
    if found and not options:
        named = letter(answer)
        return {named} if named else set()
    if found and found[0] in options:
        named, text = found
        same = _with_text(_without_label(named, text), options, judge) if text else {named}
        if same is None or named in same:
            return same and {named}
    return _with_text(answer, options, judge)


def _with_text(text: str, options: Options, judge: Compare) -> set[str] | None:
    """The options with that very text, else the only one equal to it; None where that is open."""
    written = _folded(text)
    verbatim = {name for name, option in options.items() if written and _folded(option) == written}
    if verbatim:
        return verbatim
    judged = {name: judge(option, text) for name, option in options.items()}
    if None in judged.values():
        return None
    same = {name for name, found in judged.items() if found is Comparison.EQUAL}
    return same if len(same) == 1 else set()


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


def _strict(sample: Sample) -> str | None:
    return strict_answer(sample.text, tags.opened_by(sample.prompt))


def _lenient(sample: Sample) -> str | None:
    """The strict answer, else what the last "answer is" announces, else the last letter alone."""
    found = _strict(sample)
    if found is not None:
        return found
    announced = after_last_phrase(sample.text)
    stated = first_sentence(_NEGATED.sub("", announced)) if announced else ""
    if letter(stated):
        return stated
    last = _STANDALONE.findall(_NEGATED.sub("", sample.text))
    return last[-1] if last else None
