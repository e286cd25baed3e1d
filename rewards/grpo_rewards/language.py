"""The reward `language_consistency`: R1's share of target-language words in the chain of thought.

Formulas, code, digits, symbols and one-letter names belong to no language. It tells scripts
apart, not languages: French counts as English, for that needs a model and this needs none.
"""

import re
from dataclasses import dataclass
from typing import Literal

from grpo_rewards import tags
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import SKIPPED, Judged, Sample
from grpo_rewards.words import HAN, SYLLABLES, plain

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_MATH = re.compile(
    r"\$\$[^$]*\$\$|\$[^$\n]*\$|\\\((?:[^\\]|\\(?![()]))*\\\)|\\\[(?:[^\\]|\\(?![\[\]]))*\\\]"
)
_COMMAND = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+|[_^]\{[^{}]*\}")
_HAN = re.compile(f"[{HAN}]")
_SYLLABLE = re.compile(f"[{SYLLABLES}]")
_LATIN_LETTER = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_LATIN = re.compile(rf"[{_LATIN_LETTER}]{{2,}}(?:['\u2019][A-Za-z]+)*")
_LATIN_SYMBOL = re.compile(rf"[{_LATIN_LETTER}]")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_PROSE = re.compile(rf"[{HAN}{SYLLABLES}]|(?<![A-Za-z])[A-Za-z]{{2,}}+[ ,]++[A-Za-z]{{2}}")
_LANGUAGES = {"en": "en", "english": "en", "zh": "zh", "chinese": "zh", "cn": "zh"}
_HALF = 0.5


@dataclass(frozen=True)
class Words:
    """How much of each script a text holds: Han characters, Latin words, words of other scripts.

    Kana, Thai and their like have no spaces, so each of their letters counts, as Han does. `coded`
    are the Han characters within code, which no program needs: a remark, or a hiding place.

    >>> Words(han=5, latin=2, other=0)   # "先算 three plus 四"
    """

    han: int
    latin: int
    other: int
    coded: int = 0

    def share(self, language: str) -> float | None:
        """The part of all words that is in `language` ("en" or "zh"); None where there are none.

        Code counts for nothing, but Chinese within it counts against English.
        """
        target = self.han if language == "zh" else self.latin
        total = self.han + self.latin + self.other + (self.coded if language != "zh" else 0)
        return target / total if total else None


def language_consistency(
    *,
    column: str = "language",
    language: Literal["en", "zh"] | None = None,
    part: Literal["thought", "completion"] = "thought",
    wordless: float = 0.0,
) -> RuleReward:
    """R1's equation 7: words in the target language / all words, in [0, 1]; Chinese by characters.

    The target is `language`; else the row's `column` ("en", "zh-CN", "Chinese"); else the script
    most of the question is in (the column `question`, or the prompt where there is none). A row of
    another language, or without a word to tell it by, is skipped. A thought without a word in it
    is consistent with nothing: `wordless`, "unparseable". `part` widens the look to the answer.

    `wordless` above 0 is for prompts to which a bare number is a fair reply: at 0 a policy is paid
    there for saying something beside it.

    Raises ValueError for a `wordless` outside [0, 1].
    """
    if not 0 <= wordless <= 1:
        raise ValueError(f"wordless must be from 0 to 1, got {wordless}")

    def quick(sample: Sample) -> Judged:
        target = language or _target(sample, column)
        if target is None:
            return SKIPPED
        prefix = tags.opened_by(sample.prompt)
        text = sample.text if part == "completion" else tags.thought_of(sample.text, prefix)
        share = count_words(text).share(target)
        if share is None:
            return Judged(wordless, "unparseable")
        return Judged(share, "correct" if share >= _HALF else "wrong")

    return RuleReward("language_consistency", quick)


def count_words(text: str) -> Words:
    """The words of `text` by script, formulas and code left out."""
    text = _without_tags(plain(text))
    coded = sum(len(_HAN.findall(code[0])) for code in _CODE.finditer(text))
    text = _MATH.sub(_unless_prose, _CODE.sub(" ", text))
    text, han = _HAN.subn(" ", _COMMAND.sub(" ", text))
    text, syllables = _SYLLABLE.subn(" ", text)
    text, latin = _LATIN.subn(" ", text)
    text = _LATIN_SYMBOL.sub(" ", text)
    return Words(han, latin, syllables + len(_LETTERS.findall(text)), coded)


def _target(sample: Sample, column: str) -> str | None:
    named = sample.columns.get(column)
    if named is not None:
        name = str(named).strip().lower().replace("_", "-").partition("-")[0]
        return _LANGUAGES.get(name)
    question = sample.columns.get("question")
    words = count_words(question if isinstance(question, str) else sample.prompt)
    if words.han or words.latin:
        return "zh" if words.han > words.latin else "en"
    return None


def _without_tags(text: str) -> str:
    for tag in (tags.THINK, tags.END_THINK, tags.ANSWER, tags.END_ANSWER):
        text = text.replace(tag, " ")
    return text


def _unless_prose(formula: re.Match[str]) -> str:
    """Nothing for a formula; a passage between two dollars that is prose stays, and counts."""
    return formula[0] if _PROSE.search(_COMMAND.sub("", formula[0])) else " "
