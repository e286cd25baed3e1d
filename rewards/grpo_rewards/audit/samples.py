"""Questions that ship: the kinds of answers which the project's generators do not have.

All are our own; each has a wrong answer that is near the right one.
"""

from grpo_rewards.audit.cases import Row

_MATRIX = r"\begin{{pmatrix}}{}\\{}\end{{pmatrix}}"
_UP, _LEFT = _MATRIX.format("0&-1", "1&0"), _MATRIX.format("0&1", "-1&0")

MIXED = (
    Row("What is 3/4 + 3/4 as a fraction in lowest terms?", r"\frac{3}{2}", wrong=r"\frac{2}{3}"),
    Row("What is half of one half, as a decimal?", "0.25", wrong="0.52"),
    Row("What part of 60 is 15, in percent?", r"25\%", wrong=r"24\%"),
    Row("What is 617 times 2, written with a comma?", "1,234", wrong="1,243"),
    Row("Simplify the square root of eight.", r"2\sqrt{2}", wrong=r"2\sqrt{3}"),
    Row("Expand $(x+1)^2$.", "x^2+2x+1", wrong="x^2+1"),
    Row("For which $x$ is $x - 5 > 0$? Write an interval.", r"(5,\infty)", wrong=r"[5,\infty)"),
    Row("Which numbers solve $x^2 + 6 = 5x$? Write a set.", r"\{2,3\}", wrong=r"\{2,4\}"),
    Row("Where do $x = 1$ and $y = x - 3$ meet?", "(1,-2)", wrong="(-2,1)"),
    Row("Turn the plane left by a quarter. Which matrix?", _UP, wrong=_LEFT),
    Row("二十五的算术平方根的相反数是多少？", "-5", wrong="5"),
    Row("把四分之三写成小数，是多少？", "0.75", wrong="0.34"),
)

CHOICES = (
    Row(
        "Which of these numbers is prime?",
        "C",
        {"choices": ["A) 21", "B) 39", "C) 41", "D) 51"]},
        wrong="A",
    ),
    Row(
        "A book costs 12 dollars and a pen costs 3. How much do a book and two pens cost?",
        "A",
        {"choices": ["A) 18", "B) 15", "C) 27", "D) 30", "E) 21"]},
        wrong="E",
    ),
    Row(
        "下面哪个分数最大？",
        "B",
        {"choices": ["A) 1/3", "B) 3/4", "C) 2/5", "D) 1/2"], "language": "zh"},
        wrong="D",
    ),
)

PROGRAMS = (
    Row(
        "Write a function `halve(n)` that gives half of `n`, rounded down.",
        "def halve(n):\n    return n // 2",
        {"entry_point": "halve", "test": ["assert halve(7) == 3", "assert halve(-1) == -1"]},
        wrong="def halve(n):\n    return round(n / 2)",
    ),
    Row(
        "写一个函数 `backwards(text)`，把一段文字倒过来。",
        "def backwards(text):\n    return text[::-1]",
        {
            "entry_point": "backwards",
            "test": ["assert backwards('ab') == 'ba'", "assert backwards('') == ''"],
            "language": "zh",
        },
        wrong="def backwards(text):\n    return text",
    ),
)
