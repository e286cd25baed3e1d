"""Text taken apart as rewards count it: by words, and by characters where a script has no spaces.

What the pieces mean (which language, which answer) is left to the rewards.
"""

import re
import unicodedata

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
SYLLABLES = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
"""Kana, Thai, Lao, Tibetan, Burmese, Khmer: written without spaces between words, as Chinese is."""

_LONGEST_WORD = 16
_UNIT = re.compile(rf"[{HAN}{SYLLABLES}]|[^\W_{HAN}{SYLLABLES}]{{1,{_LONGEST_WORD}}}|[^\w\s]|_")
_PIECE = 256


def units(text: str) -> list[str]:
    """The words, signs and, in scripts without spaces, characters of `text`, in lower case.

    A word of more than 16 letters counts as several, so that `aaaa...` is no single word.
    """
    return _UNIT.findall(text.lower())


def plain(text: str) -> str:
    """`text` with full-width, styled and other compatibility forms made ordinary (NFKC).

    Piece by piece: on a long run of combining marks Unicode's normalisation takes quadratic time.
    """
    if text.isascii():
        return text
    pieces = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
    return "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)
