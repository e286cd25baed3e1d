"""The unit an answer ends with: taken off before values are compared, and named where it is known.

A question fixes its unit, so an answer may leave it out, and a noun (15 apples) is never compared;
but two known units that differ (5 cm, 5 m) make two answers: nothing is converted. Words that
change a value ("million", "dozen") or begin a second one ("or") are never units.
"""

import re
from functools import lru_cache

_SPELLINGS = """
mm millimeter millimetre 毫米 / cm centimeter centimetre 厘米 / dm decimeter decimetre 分米
m meter metre 米 / km kilometer kilometre 千米 公里 / in inch / ft foot feet / yd yard / mi mile
mg milligram 毫克 / g gram 克 / kg kilogram kilo 千克 公斤 / t ton tonne 吨 / lb pound 磅
oz ounce / s sec second 秒 秒钟 / min minute 分钟 / h hr hour 小时 / day 天 / week 星期 周
month 个月 / year yr 年 岁 / dollar 美元 $ / cent 美分 ¢ / euro 欧元 € / £ 英镑 / rupee
yuan 元 块 块钱 元钱 ¥ / jiao 角 / ml milliliter millilitre 毫升 / l liter litre 升 / gallon gal
degree deg 度 / radian rad 弧度 / am a.m / pm p.m
cm^2 平方厘米 / dm^2 平方分米 / m^2 平方米 / km^2 平方千米 平方公里
unit 单位 / cm^3 立方厘米 / dm^3 立方分米 / m^3 立方米
mi/h mph / km/h kmh kmph / m/s
"""
_KNOWN = {
    spelling: names[0]
    for names in (unit.split() for line in _SPELLINGS.split("\n") for unit in line.split(" / "))
    for spelling in names
}
_POWERS = {"square": "^2", "sq": "^2", "cubic": "^3", "cu": "^3"}
_NOT_UNIT = re.compile(
    r"or|and|not|nor|to|is|if|mod|plus|minus|times|over|by|half|dozen|hundred|thousand|million"
    r"|billion|trillion|pi|sqrt|sin|cos|tan|cot|sec|csc|log|exp|inf|infinity|base|percent|pct"
    r"|percentage|points?|union"
)
_MEASURES = frozenset("个只条张本支枝头棵次页名件辆人位种朵盒箱包杯瓶袋排行组班双对间座台架艘")

_WORD = r"[A-Za-z][A-Za-z.]*"
_NOUN = re.compile(
    rf"(?<=[\d}})\]])(\s*)({_WORD}(?:(?:\s+|\s*/\s*){_WORD}){{0,3}})\s*(?:\^\s*\{{?([23])\}}?)?$"
)
_CJK = re.compile(r"(?<=[\d}%)])\s*([\u4e00-\u9fff]{1,5})$")
_CHANGES_VALUE = frozenset("十百千万亿兆半倍分之点或和到至负又与")
_DEGREE = re.compile(r"\s*(?:\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree)\s*([CF]?)$")
_MONEY = re.compile(r"^([-+]?)\s*(\\?[$€£¥])\s*|\s*(\\?[$€£¥¢])$")
_PLAIN_NUMBER = re.compile(r"[-+]?[\d,./ ]+")


@lru_cache(maxsize=8192)
def split_unit(text: str) -> tuple[str, str | None]:
    """A text without its unit, noun or currency sign, and the unit's one name where it is known.

    >>> split_unit("15 square feet")
    ('15', 'ft^2')
    """
    money = _MONEY.search(text)
    if money:
        bare = _MONEY.sub(r"\1", text, count=1).strip()
        return split_unit(bare)[0], _KNOWN[(money[2] or money[3])[-1]]
    degree = _DEGREE.search(text)
    if degree:
        return text[: degree.start()].strip(), f"degree {degree[1]}".strip()
    if not text[-1:].isalpha() and text[-1:] not in ".23}":
        return text, None
    return _without_cjk(text) if text[-1:] > "\u4e00" else _without_noun(text)


def clash(first: str | None, second: str | None) -> bool:
    """Whether both units are known, and neither says the other more closely (dollar, dollar/h)."""
    if first is None or second is None or first == second:
        return False
    shorter, longer = sorted((first, second), key=len)
    return not longer.startswith((f"{shorter}/", f"{shorter} "))


def may_follow(text: str) -> bool:
    """Whether `text` can follow a Chinese numeral: nothing, a unit or a measure word."""
    return not text or text in _KNOWN or text in _MEASURES or (text[0] == "个" and len(text) <= 4)


def _without_cjk(text: str) -> tuple[str, str | None]:
    found = _CJK.search(text)
    if found is None or (found[1] not in _KNOWN and _CHANGES_VALUE & set(found[1])):
        return text, None
    return text[: found.start()], _KNOWN.get(found[1])


def _without_noun(text: str) -> tuple[str, str | None]:
    found = _NOUN.search(text)
    if found is None:
        return text, None
    head, glued, words = text[: found.start()], not found[1], found[2]
    name = _named(words)
    if name is None:
        return (head, None) if not glued and _may_be_noun(words, head) else (text, None)
    if len(words) == 1 and glued:
        return text, None  # 5m is a product
    return head, name + (f"^{found[3]}" if found[3] else "")


def _may_be_noun(words: str, head: str) -> bool:
    """Whether words are long enough to be no product of letters, and none changes the value."""
    parts = [part.lower() for part in re.split(r"[\s/.]+", words) if part]
    shortest = 3 if _PLAIN_NUMBER.fullmatch(head) else 4
    return len(parts[0]) >= shortest and not any(map(_NOT_UNIT.fullmatch, parts))


def _named(words: str) -> str | None:
    """The name of a unit made of known ones: `square feet` ft^2, `miles per hour` mi/h."""
    name, power, over = "", "", ""
    for word in re.findall(r"[^\s/]+|/", words):
        if word in ("per", "/"):
            over = "/"
        elif word.lower() in _POWERS:
            power = _POWERS[word.lower()]
        elif word:
            known = _known(word)
            if known is None or (name and not over):
                return None
            name, power, over = f"{name}{over}{known}{power}", "", ""
    return name or None


def _known(word: str) -> str | None:
    word = word.rstrip(".")
    spellings = (word, word.removesuffix("s"), word.removesuffix("es"), word.lower())
    return next((_KNOWN[one] for one in spellings if one in _KNOWN), None)
