"""Equality of answers: the policies of docs/answers.md on both paths, and the static bounds."""

import pytest
from any_text import any_text, quickly
from hypothesis import given
from hypothesis import strategies as st

from grpo_rewards import bounds
from grpo_rewards.equal import Comparison, compare_quickly, compare_symbolically, equal

EQUAL = [
    ("7", "7"),
    ("7", "007"),
    ("7", "7.0"),
    ("7", "$7$"),
    ("7", "\\(7\\)."),
    ("7", "**7**"),
    ("7", "\\$7"),
    ("7", "The final answer is: $7$."),
    ("7", "答案\uff1a7。"),
    ("7", "\uff17"),
    ("7", "x = 7"),
    ("7", "Total cost = 7"),
    ("7", "3 + 4 = 7"),
    ("15", "15 apples"),
    ("15", "15 square feet"),
    ("15", "15cm"),
    ("15", "15 m^2"),
    ("15", "15个"),
    ("15", "15 red apples"),
    ("15 apples", "15 pears"),
    ("15\\text{ cm}", "15 centimeters"),
    ("15\\text{ cm}", "15"),
    ("15\\text{ cm}^2", "15 square centimeters"),
    ("60\\text{ mph}", "60 miles per hour"),
    ("\\$18", "18 dollars"),
    ("18元", "18 元"),
    ("90", "90^\\circ"),
    ("5000000", "5 million"),
    ("5000000", "5 million dollars"),
    ("50000", "5万"),
    ("321", "三百二十一"),
    ("105", "一百零五个"),
    ("2/3", "三分之二"),
    ("10\\%", "百分之十"),
    ("-5", "负五"),
    ("20000", "两万元"),
    ("7", "因此答案为 7 个"),
    ("7", "所以，最终答案是：七"),
    ("7", "Therefore, the correct answer is 7 apples"),
    ("-5", "\u22125"),
    ("1234567", "1,234,567"),
    ("1234567", "1{,}234{,}567"),
    ("11111111100", "11,\\! 111,\\! 111,\\! 100"),
    ("10000", "10 000"),
    ("0.5", ".5"),
    ("0.5", "\\frac{1}{2}"),
    ("1/2", "\\frac12"),
    ("1/2", "2/4"),
    ("4", "\\frac{8}{2}"),
    ("3.5", "3\u00bd"),
    ("918.5", "918\\frac{1}{2}"),
    ("1500", "1.5 \\times 10^3"),
    ("0.001", "1e-3"),
    ("10", "10%"),
    ("0.1", "10\\%"),
    ("28\\%", "28 percent"),
    ("1/3", "0.333333"),
    ("1/3", "0.\\overline{3}"),
    ("0.333333", "1/3"),
    ("5\\sqrt{2}", "7.07107"),
    ("1/3", "1/3 \\approx 0.33"),
    ("11", "x \\approx 11"),
    ("120", "5! = 120"),
    ("4/2", "\\frac{4}{2}"),
    ("4.123105625617661", "\\sqrt{17}"),
    ("x^2+2x+1", "(x+1)^2"),
    ("2\\sqrt{13}", "\\sqrt{52}"),
    ("x=1", "1"),
    ("f(x) = x^2", "x^2"),
    ("y = 2x+3", "2x - y + 3 = 0"),
    ("x^2/4 + y^2/3 = 1", "x^2/16 + y^2/12 = 1/4"),
    ("5(\\sqrt{3} + 1)", "5√3 + 5"),
    ("2\\sqrt{3}", "sqrt(12)"),
    ("\\sin x", "sin x"),
    ("\\frac{\\pi}{4}", "π/4"),
    ("\\text{odd}", "Odd"),
    ("\\text{(C)}", "C"),
    ("Evelyn", "\\text{evelyn}"),
    ("是", "是。"),
    ("C", "C. 12"),
    ("C", "(C) 12"),
    ("\\text{A, B, E}", "E, A and B"),
    ("\\text{4:30 p.m.}", "4:30 pm"),
    ("[0,9)", "[0, 9)"),
    ("[-2,7]", "-2 \\le x \\le 7"),
    ("x > 1", "(1, \\infty)"),
    ("(1, \\infty)", "x > 1"),
    ("x \\le 1", "-x >= -1"),
    ("1,2", "2 \\text{ and } 1"),
    ("1,2", "2和1"),
    ("1,2", "1, 1, 2"),
    ("\\{1,2\\}", "\\{2,1\\}"),
    ("(1,3)", "\\{1,3\\}"),
    ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"),
    ("(3, \\frac{\\pi}{2})", "\\left( 3, \\frac{1}{2}\\pi \\right)"),
    ("(-\\infty,3) \\cup (3,\\infty)", "(-\\infty,3)\\cup(3,+\\infty)"),
    ("204_5", "204_{5}"),
    ("\\begin{bmatrix}0&1\\\\1&0\\end{bmatrix}", "\\begin{pmatrix}0 & 1\\\\1 & 0\\end{pmatrix}"),
]

DIFFERENT = [
    ("7", "8"),
    ("7", "-7"),
    ("7", "3+4"),
    ("7", "3 + 4"),
    ("7", "7 = 3 + 4"),
    ("12", "3 \\times 4"),
    ("1024", "2^{10}"),
    ("120", "5!"),
    ("10", "\\binom{5}{2}"),
    ("4", "\\sqrt{16}"),
    ("4", "8/2"),
    ("2.5", "0.5*5"),
    ("5", "5 or 6"),
    ("5", "5 million"),
    ("5", "5万"),
    ("15\\text{ cm}", "15 m"),
    ("15\\text{ cm}^2", "15 cm"),
    ("\\$18", "18 cents"),
    ("9\\text{ a.m.}", "9 p.m."),
    ("5c", "5h"),
    ("\\frac{1}{2} bh", "\\frac{1}{2}"),
    ("7", "七八个"),
    ("3", "三角形"),
    ("1", "\\sin^2 x + \\cos^2 x"),
    ("7", "|-7|"),
    ("7", "7 + x - x"),
    ("5", "3x - 7 = 8"),
    ("x = 5", "3x - 7 = 8"),
    ("x < 5", "3x - 7 < 8"),
    ("(-3,3)", "|x| < 3"),
    ("x = 2", "y = 2"),
    ("2x + z = 1", "1"),
    ("0.56", "0.56, 56"),
    ("2/3", "\\frac23 \\approx 0.67; 5"),
    ("5", "5 dozen"),
    ("5", "5x"),
    ("5", "5i"),
    ("5", "3, 5"),
    ("5", "not 5"),
    ("102", "10\u00b2"),
    ("23", "2**3"),
    ("75", "0.75"),
    ("1/3", "0.333"),
    ("3.15", "3.14159"),
    ("42", "43.0"),
    ("3.14", "\\pi"),
    ("5\\sqrt{2}", "7.07"),
    ("2.0001", "2"),
    ("306956.63", "306956.6"),
    ("16386.17", "16386.169"),
    ("100", "100.0000001"),
    ("0.00000001", "0.00000002"),
    ("\\frac{1}{2^{98}}", "\\frac{1}{2^{97}}"),
    ("1 - \\frac{1}{2^{98}}", "1 - \\frac{1}{2^{97}}"),
    ("\\frac{1}{2004!}", "\\frac{1}{2005!}"),
    ("\\frac{\\sqrt{2}}{10^{20}}", "\\frac{\\sqrt{3}}{10^{20}}"),
    ("204_5", "204"),
    ("204_5", "204_6"),
    ("f'(x)", "f(x)"),
    ("C", "B or C"),
    ("C", "D. C"),
    ("\\text{on}", "\\text{no}"),
    ("\\text{June 20}", "20 June"),
    ("Evelyn", "Nylvee"),
    ("yes", "no"),
    ("是", "否"),
    ("[0,9)", "(0,9)"),
    ("(3,1)", "(1,3)"),
    ("(12,102)", "12102"),
    ("-1,3,3", "-1,-1,3"),
    ("1:4", "4:1"),
    ("\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\3\\end{pmatrix}"),
    ("x^2+2x-1", "(x+1)^2"),
    ("y+1", "x+1"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal(gold: str, answer: str) -> None:
    assert compare_quickly(gold, answer) in (Comparison.EQUAL, None)
    assert compare_symbolically(gold, answer) is Comparison.EQUAL


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different(gold: str, answer: str) -> None:
    assert compare_quickly(gold, answer) in (Comparison.DIFFERENT, None)
    assert compare_symbolically(gold, answer) is Comparison.DIFFERENT


def test_equal_says_so() -> None:
    assert equal("7", "7.0") is True
    assert equal("7", "8") is False
    assert equal("7", "5 5") is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("7", ""),
        ("7", " "),
        ("", "7"),
        ("", ""),
        ("11", "5 6"),
        ("55", "5 5"),
        ("7", "\\frac{"),
        ("234", "2**3**4"),
        ("55", "5\\text{5}"),
    ],
)
def test_no_verdict_on_what_cannot_be_read(gold: str, answer: str) -> None:
    assert equal(gold, answer) is None


HOSTILE = [
    "2^{2^{36}}",
    "9^{9^{9}}",
    "2^{(9^9)}",
    "2^{9!}",
    "9^9^9^9",
    "9**9**9**9",
    "(9^{9999})^{9999}",
    "{(2^{99})}^{99}",
    "10^{99999999}",
    "x^{2^{36}}",
    "99999999!",
    "(9!)!",
    "5!!!!",
    "10^{8}!",
    "\\binom{10^8}{5\\cdot 10^7}",
    "\\binom{100000000}{50000000}",
    "{10^8 \\choose 5}",
    "\\sum_{k=1}^{10^9} k",
    "(" * 1_000_000,
    "{" * 10_000 + "}" * 10_000,
    "{" * 25 + "1" + "}" * 25,
    "5}\\boxed{6",
    "9" * 61,
    "1\x00",
    "__import__('os').system('true')",
    "\ud800",
    "2^\u200b{2^\u200b{36}}",
    "\uff12^{\uff12^{\uff13\uff16}}",
    "99999999\u200b!",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_impossible_is_refused_before_any_parser(text: str) -> None:
    assert bounds.refusal(text) is not None
    assert compare_quickly("7", text) is Comparison.BAD_ANSWER


@pytest.mark.parametrize(
    "text",
    ["e^{x^2}", "2^{2008}", "\\frac{1}{2004!}", "2^{3^2}", "x^{100}+y^{100}", "\\binom{n}{k}",
     "\\binom{100}{50}", "1000!", "(x^2+1)^{10}", "\\{1,2\\}", "3x^{2/3}", "10^{-10}",
     "\\left(\\frac{1}{2}\\right)^{100}", "[0,9)", "1" * 60],
)  # fmt: skip
def test_real_answers_are_within_bounds(text: str) -> None:
    assert bounds.refusal(text) is None


def test_right_to_left_marks_hide_nothing() -> None:
    assert equal("51", "\u202e51") is True
    assert equal("15", "\u202e51") is False


FORMULAS = st.text(alphabet="0123456789+-*/^=.,%!()[]{}\\ $xfracsqt_'三百万", max_size=40)


@quickly
@given(any_text, FORMULAS)
def test_the_quick_path_never_raises(text: str, formula: str) -> None:
    for gold, answer in [(text, formula), (formula, text), (formula, formula[::-1]), (text, text)]:
        compare_quickly(gold, answer)
