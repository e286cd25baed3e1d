"""Chinese numerals, and the units and measure words that may follow them."""

import pytest

from grpo_rewards.numerals import arabic
from grpo_rewards.units import clash, may_follow, split_unit


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("零", "0"),
        ("十", "10"),
        ("十二", "12"),
        ("二十一", "21"),
        ("一百零五", "105"),
        ("一百五", "150"),
        ("一百一十", "110"),
        ("三百二十一", "321"),
        ("三千零五", "3005"),
        ("三千二", "3200"),
        ("两万", "20000"),
        ("两万五", "25000"),
        ("一万零五百", "10500"),
        ("三百二十一万", "3210000"),
        ("一亿零三百万", "103000000"),
        ("一万亿", "1000000000000"),
        ("壹佰贰拾叁", "123"),
        ("二〇二四", "2024"),
        ("负五", "-5"),
        ("三点一四", "3.14"),
        ("零点五", "0.5"),
        ("3.5万", "35000"),
        ("3万5千", "35000"),
        ("三分之二", "2/3"),
        ("负三分之一", "-1/3"),
        ("二又三分之一", "7/3"),
        ("百分之十", "10%"),
        ("百分之十二点五", "12.5%"),
        ("百分之百", "100%"),
        ("千分之五", "1/200"),
        ("一半", "1/2"),
    ],
)
def test_numerals(text: str, digits: str) -> None:
    assert arabic(text) == (digits, "")
    assert arabic(f"{text}元") == (digits, "元")


@pytest.mark.parametrize(
    "text",
    ["", "7", "七八个", "三五", "十几", "三百多", "万", "半", "负", "二十三四", "分之一", "x三"],
)
def test_what_is_no_numeral(text: str) -> None:
    assert arabic(text) is None


def test_a_numeral_may_be_followed_by_its_measure_only() -> None:
    assert all(map(may_follow, ["", "个", "个苹果", "元", "厘米", "千克"]))
    assert not any(map(may_follow, ["角形", "样", "次函数", "或者", "和"]))


@pytest.mark.parametrize(
    ("text", "bare", "unit"),
    [
        ("15 cm", "15", "cm"),
        ("15cm", "15", "cm"),
        ("15 centimeters", "15", "cm"),
        ("15 square feet", "15", "ft^2"),
        ("15 ft^{2}", "15", "ft^2"),
        ("60 miles per hour", "60", "mi/h"),
        ("60 mph", "60", "mi/h"),
        ("480 + 480\\sqrt{3} feet", "480 + 480\\sqrt{3}", "ft"),
        ("90^\\circ", "90", "degree"),
        ("37^\\circ C", "37", "degree C"),
        ("-\\$5", "-5", "dollar"),
        ("$18 per hour", "18", "dollar"),
        ("9 a.m.", "9", "am"),
        ("7个", "7", None),
        ("7厘米", "7", "cm"),
        ("15 apples", "15", None),
        ("65 children tickets", "65", None),
        ("7倍", "7倍", None),
        ("5 million", "5 million", None),
        ("5 or 6", "5 or 6", None),
        ("5m", "5m", None),
        ("5x", "5x", None),
        ("\\frac{1}{2} ab", "\\frac{1}{2} ab", None),
        ("5\\pi", "5\\pi", None),
        ("", "", None),
    ],
)
def test_units(text: str, bare: str, unit: str | None) -> None:
    assert split_unit(text) == (bare, unit)


def test_units_clash_where_both_are_known_and_different() -> None:
    assert clash("cm", "m") and clash("cm", "cm^2") and clash("am", "pm")
    assert not clash("cm", None) and not clash("cm", "cm")
    assert not clash("dollar", "dollar/h") and not clash("degree", "degree C")
    assert clash("degree C", "degree F") and clash("m", "min")
