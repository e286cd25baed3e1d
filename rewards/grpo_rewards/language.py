"""The reward `language_consistency`: R1's share of target-language words in the chain of thought.

Chinese is counted by characters, everything else by words; LaTeX, code, digits, symbols and
one-letter names belong to no language. The target is the column `language` ("en" or "zh"), else
the script most of the prompt is in. It tells scripts apart, not languages: French counts as
English, for that needs a model and this needs none.
"""

import re
import unicodedata
from dataclasses import dataclass

from grpo_rewards import tags
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import SKIPPED, UNPARSEABLE, Judged, Sample

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_MATH = re.compile(
    r"\$\$[^$]*\$\$|\$[^$\n]*\$|\\\((?:[^\\]|\\(?![()]))*\\\)|\\\[(?:[^\\]|\\(?![\[\]]))*\\\]"
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]{2,}(?:['\u2019][A-Za-z]+)*")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_SENTENCE = re.compile(r"[A-Za-z]{2,}[ ,]+[A-Za-z]{2,}")
_NAMES = {"en": "en", "english": "en", "zh": "zh", "chinese": "zh", "zh-cn": "zh"}
_HALF = 0.5


@dataclass(frozen=True)
class Words:
    """How much of each script a text holds: Han characters, Latin words, words of other scripts.

    >>> Words(han=5, latin=2, other=0)   # "先算 three plus 四"
    """

    han: int
    latin: int
    other: int

    def share(self, language: str) -> float | None:
        """The part of all words that is in `language` ("en" or "zh"); None where there are none."""
        total = self.han + self.latin + self.other
        target = self.han if language == "zh" else self.latin
        return target / total if total else None


def count_words(text: str) -> Words:
    """The words of `text` by script, formulas and code left out."""
    text = _CODE.sub(" ", unicodedata.normalize("NFKC", text))
    text = _COMMAND.sub(" ", _MATH.sub(_formula, text))
    text, han = _HAN.subn(" ", text)
    text, latin = _LATIN.subn(" ", text)
    return Words(han, latin, len(_LETTERS.findall(text)))


def target_language(sample: Sample) -> str | None:
    """The language the thought should be in, or None where this reward does not know it."""
    named = sample.columns.get("language")
    if named is not None:
        return _NAMES.get(str(named).lower())
    prompt = count_words(sample.prompt)
    return "zh" if prompt.han > prompt.latin else "en"


def _formula(match: re.Match[str]) -> str:
    """Nothing for a formula; a passage between two dollars that is prose stays, and counts."""
    inside = _COMMAND.sub("", match[0])
    return match[0] if _HAN.search(inside) or _SENTENCE.search(inside) else " "


def _quick(sample: Sample) -> Judged:
    language = target_language(sample)
    if language is None:
        return SKIPPED
    share = count_words(tags.thought_of(sample.text, tags.opened_by(sample.prompt))).share(language)
    if share is None:
        return UNPARSEABLE
    return Judged(share, "correct" if share >= _HALF else "wrong")


language_consistency = RuleReward("language_consistency", _quick)
