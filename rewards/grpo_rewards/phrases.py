"""The phrases that announce an answer, in English and in Chinese: "the answer is 7", 答案是7.

Only a phrase that names the answer as such announces one; "it is 7" and "we get 7" do not.
"""

import re

_ENGLISH = (
    r"(?:(?:so|thus|therefore|hence|then|finally|and)\b[,:]?\s+)*"
    r"(?:(?:the|my|our|your)\s+)?(?:(?:final|correct|right|best|required)\s+)*"
    r"(?:answer|result)\b"
    r"(?:(?:\s+(?:is|are|would be|will be|must be|should be|equals?)\b|\s*[:=])+|(?=\s))"
    r"(?:\s+(?:therefore|thus|then|simply|exactly|just)\b)*\s*[:=]?\s*"
)
_CHINESE = (
    r"(?:(?:因此|所以|故|综上所述|综上|于是|最后)\s*[,，:：]?\s*)*(?:最终|正确|最后)?的?"
    r"(?:(?:答案|结果)\s*(?:应该|应当|应)?\s*(?:是|为|等于|选|[:：=])*|答\s*(?:是|为|[:：=])+)"
    r"\s*[:：=]?\s*"
)
_LEADING = re.compile(rf"(?:{_ENGLISH}|{_CHINESE})+", re.IGNORECASE)
_ANYWHERE = re.compile(
    r"\b(?:answer|result)\s{0,3}(?:\*\*)?\s{0,3}(?:(?:is|are|equals?)\b|[:=])[\s:*]*"
    r"|(?:答案|结果)\s{0,3}(?:\*\*)?\s{0,3}(?:应该|应当|应)?\s{0,3}(?:是|为|等于|选|[:：=])[\s:：*]*"
    r"|(?:^|(?<=[\s。]))答\s{0,3}[:：][\s*]*",
    re.IGNORECASE,
)
_BREAK = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
_WORD = re.compile(r"\\(?:begin|end)\{\w+\}(?:\{\w+\})?|(?<![^\W\d_]|\\)([^\W\d_]{2,})")
_MAX_SENTENCE_CHARS = 1000
_END = re.compile(r"\.(?=\s|$)|[。\n]|\s+I hope\b|[,;]?\s+(?:because|since)\b|[,，]\s*因为")


def without_phrase(text: str) -> str:
    """`text` without the phrase it begins with, unless there is nothing else."""
    phrase = _LEADING.match(text)
    rest = text[phrase.end() :].strip() if phrase else text
    return rest or text


def announced(text: str) -> str:
    """What the last sentence of `text` announces as the answer; all of it if it announces none."""
    last = _BREAK.split(text.strip())[-1]
    rest = without_phrase(last) if len(last) <= _MAX_SENTENCE_CHARS else last
    return text if rest == last else rest


def is_prose(text: str, words: int = 3) -> bool:
    """Whether `text` has so many words: more than an answer with its unit has. Of Chinese, two
    characters are a word."""
    found = filter(None, _WORD.findall(text))
    return sum(1 if word.isascii() else (len(word) + 1) // 2 for word in found) >= words


def after_last_phrase(text: str) -> str | None:
    """All that follows the last phrase, or None where the text has none."""
    end = None
    for phrase in _ANYWHERE.finditer(text):
        end = phrase.end()
    return None if end is None else text[end:].strip()


def first_sentence(text: str) -> str:
    """`text` up to its first full stop, line end or "because"; a decimal point is no full stop."""
    text = text[:_MAX_SENTENCE_CHARS]
    stop = _END.search(text)
    return text[: stop.start()].strip() if stop else text.strip()
