"""Overlap: what counts as the same text, what n words are, and the overlaps that are known."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo_data.overlap import overlaps, read_benchmarks, read_texts
from grpo_data.overlap.ngrams import ngrams, phrase
from grpo_data.overlap.normalise import exact_key, letters_key, words

SHARED = Path(__file__).parents[2] / "shared" / "data"

SAME = [
    ("What is  3 + 4?", "what is 3+4"),
    ("Ｗｈａｔ is １２?", "What is 12?"),
    ("Find $x$ if\n\\[2x^{2}+3x-5=0.\\]", "Find $x$ if $2x^2 + 3x - 5 = 0$."),
    ("$\\frac{n}{729}$ of $P_{}^{}$", "\\dfrac n{729} of $P$"),
    ("$p\\ne 0$, $x \\leq 3$", "$p\\neq\n0$ and $x\\le3$".replace(" and", ",")),
    ("\\left(9, 20\\right)", "$(9,20)$"),
    ("$10,\\!000$ people", "10,000 people"),
    ("$10{,}000$ people", "10000 people"),
    ("the right-angled x-axis", "the right angled $x$-axis"),
    ("3 × 4 − 1", "$3 \\times 4 - 1$"),
    ("Ist die Straße lang?", "ist die STRASSE lang"),
]

DIFFERENT = [
    ("What is 12 - 5?", "What is 12 + 5?"),
    ("1 + 23", "12 + 3"),
    ("the numbers 1, 25", "the numbers 12, 5"),
    ("Compute $\\tan 225^\\circ$.", "Compute $\\tan 22.5^\\circ.$"),
    ("$y = f(-x)$", "$y = -f(x)$"),
    ("$.5$", "$5$"),
    ("$(2 + 3) \\cdot 4$", "$2 + (3 \\cdot 4)$"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_layout_makes_no_other_text(one: str, other: str) -> None:
    assert exact_key(one) == exact_key(other) != ""


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_problem_is_another_text(one: str, other: str) -> None:
    assert exact_key(one) != exact_key(other)


def test_letters_and_digits_alone() -> None:
    assert letters_key("Find $f(-x) + 2.5$.") == letters_key("find f(x)-25") == "findfx25"
    assert letters_key("x_1 ²") == "x12"


def test_words_leave_layout_and_drawings_out() -> None:
    text = "If $\\dfrac{a}{b_1}$, [asy] draw(A--B); [/asy] 小明 has\\text{ 3.5} x's"
    assert words(text) == ["if", "frac", "a", "b", "1", "小", "明", "has", "3", "5", "x", "s"]


def test_ten_words_are_fifteen_characters() -> None:
    english = [f"w{n}" for n in range(12)]
    assert list(ngrams(english, 10)) == [tuple(english[start : start + 10]) for start in range(3)]
    chinese = words("小明有一个苹果和两个梨子以及三个橙")
    assert len(chinese) == 17
    # 10 words weigh 30, a character 2: runs of 15, beginning at 0, 1 and 2
    runs = list(ngrams(chinese, 10))
    assert runs == [tuple(chinese[start : start + 15]) for start in range(3)]
    assert phrase(runs[0]) == "小明有一个苹果和两个梨子以及三"


def test_words_and_characters_together() -> None:
    # 2 words weigh 6: 3 (b) + 2 (小) + 2 (明) = 7 from b; 3 (a) + 3 (b) = 6 from a
    # 2 + 2 + 3 = 7 from 小; 2 + 3 = 5 from 明 is too little
    runs = list(ngrams(["a", "b", "小", "明", "c"], 2))
    assert runs == [("a", "b"), ("b", "小", "明"), ("小", "明", "c")]
    assert phrase(runs[1]) == "b 小明"


RUN = st.lists(st.sampled_from(["a", "bc", "12", "小", "明"]))


@given(RUN, RUN, RUN, st.integers(1, 4))
@settings(derandomize=True)
def test_a_run_is_the_same_wherever_it_stands(before, inner, after, n: int) -> None:
    assert set(ngrams(inner, n)) <= set(ngrams([*before, *inner, *after], n))


LONG = "Tom has 3 red apples and buys 4 green ones at the market every single day"
#       1   2   3 4   5      6   7    8 9     10   11 12  13     14    15     16
BENCHMARK = ["What is 3 + 4?", LONG, "Find the roots of $x^2 - 5x + 6 = 0$.", "?!"]


def found(text: str, **knobs):
    return overlaps([text], {"bench": BENCHMARK}, **knobs).matches


def test_a_copy_is_found_by_every_rule() -> None:
    (match,) = found(f"«{LONG.upper()}»?")
    assert (match.train, match.benchmark, match.row) == (0, "bench", 1)
    assert match.rules == ("exact", "letters", "ngram")
    assert match.ngrams == 7  # 16 words hold 16 - 10 + 1 runs of ten
    assert match.ngram == "tom has 3 red apples and buys 4 green ones"


def test_a_twin_in_all_but_a_sign_is_found_by_its_letters() -> None:
    (match,) = found("Find the roots of $x^2 + 5x - 6 = 0$.")
    assert (match.row, match.rules, match.ngram) == (2, ("letters",), "")


def test_ten_words_in_a_row_are_an_overlap_and_nine_are_not() -> None:
    ten = "Yesterday: buys 4 green ones at the market every single day, he said"
    (match,) = found(ten)
    assert (match.row, match.rules, match.ngrams) == (1, ("ngram",), 1)
    assert match.ngram == "buys 4 green ones at the market every single day"
    assert found(ten.replace("single", "second")) == ()
    assert len(found(ten.replace("day", "week"), n=9)) == 1


def test_a_text_shorter_than_an_n_gram_is_compared_whole() -> None:
    (match,) = found("what is 3+4", rules=("ngram",))
    assert (match.row, match.rules) == (0, ("ngram",))
    assert found("what is 3-4", rules=("exact", "ngram")) == ()
    assert found("I know what is 3 + 4", rules=("exact", "ngram")) == ()


def test_texts_of_which_nothing_is_left_overlap_with_none() -> None:
    assert found("...") == found("") == ()
    # an exclamation mark may be a factorial: a sign, and the one thing left of "?!"
    assert [(match.row, match.rules) for match in found("!")] == [(3, ("exact", "ngram"))]


@given(st.lists(st.text("aB2 -=小.\\$", max_size=12), max_size=6))
@settings(derandomize=True)
def test_every_text_overlaps_with_itself(texts: list[str]) -> None:
    result = overlaps(texts, {"b": texts}, n=2)
    somehow = {row for row, text in enumerate(texts) if exact_key(text)}
    assert result.train_rows() == result.benchmark_rows("b") == somehow


def test_chinese_overlaps_by_fifteen_characters() -> None:
    bench = {"zh": ["小明有一个苹果和两个梨子以及三个橙子，他一共有几个水果？"]}
    fifteen, fourteen = "昨天小明有一个苹果和两个梨子以及三块", "昨天明有一个苹果和两个梨子以及三块"
    (match,) = overlaps([fifteen, fourteen], bench).matches
    assert (match.train, match.ngram) == (0, "小明有一个苹果和两个梨子以及三")


def test_counts_are_of_distinct_rows_on_both_sides() -> None:
    train = [LONG, "nothing of the kind", LONG.lower(), "what is 3 + 4"]
    result = overlaps(train, {"a": [*BENCHMARK, LONG], "b": ["What is 3 + 4?"]})
    assert (result.rows, result.repeats, result.sizes) == (4, 1, {"a": 5, "b": 1})
    assert result.train_rows() == {0, 2, 3}
    assert result.train_rows("b") == {3}
    assert result.train_rows("a", "exact") == {0, 2, 3}
    assert result.benchmark_rows("a") == {0, 1, 4}
    assert result.benchmark_rows("b", "letters") == {0}


def test_the_rarest_run_is_named_and_a_set_phrase_is_counted() -> None:
    common = "where m and n are relatively prime positive integers find them"  # 11 words: 2 runs
    bench = [f"{word} {common}" for word in ("alpha", "beta")] + [f"gamma delta {common} all"]
    result = overlaps([f"so gamma delta {common} all", f"else {common}"], {"b": bench})
    first, second = result.matches
    # of the text's six runs, those with gamma, delta or all stand in row 2 alone
    assert (first.row, first.ngram.split()[0]) == (2, "gamma")
    assert (second.row, second.ngram, second.ngrams) == (0, " ".join(common.split()[:10]), 2)
    assert result.benchmark_rows("b") == {0, 1, 2}
    assert result.phrases("b") == [(first.ngram, 1), (second.ngram, 1)]


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"n": 0}, "at least one word, got n = 0"),
        ({"rules": ("exat",)}, "rules are among exact, letters, ngram; got exat"),
        ({"rules": ()}, "got none"),
    ],
)
def test_knobs_that_cannot_be_are_refused(knobs, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        found(LONG, **knobs)


def test_the_question_s_column_is_guessed(tmp_path: Path) -> None:
    rows = {
        "a": {"id": 7, "Problem": "p", "answer": "1"},
        "b": {"text": "t", "question": "q"},
        "c": {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]},
    }
    for name, row in rows.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    read = [next(iter(read_texts(str(tmp_path / f"{name}.jsonl")))) for name in rows]
    assert [(text.id, text.question) for text in read] == [("7", "p"), ("0", "q"), ("0", "x\ny")]
    assert read[0].row == rows["a"]


@pytest.mark.parametrize(
    ("row", "column", "sentence"),
    [
        ({"asked": "q"}, None, r":1: no column is called question, problem.*columns: 'asked'"),
        ({"question": "q"}, "qestion", r":1: no column 'qestion'; the nearest is 'question'"),
        ({"question": ""}, None, r":1: column 'question' is empty"),
        ({"question": 7}, None, r":1: column 'question' holds no text, got 7"),
        ({"question": [1]}, None, r":1: column 'question' holds a list that is no conversation"),
        (None, None, r"holds no rows"),
    ],
)
def test_questions_that_cannot_be_read_are_one_sentence(tmp_path, row, column, sentence) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps(row) if row else "\n")
    with pytest.raises(ValueError, match=sentence) as caught:
        list(read_texts(str(tmp_path / "p.jsonl"), column))
    assert "\n" not in str(caught.value)


def test_benchmarks_go_by_short_names(tmp_path: Path) -> None:
    paths = [tmp_path / name / "test.jsonl" for name in ("gsm8k", "math", "x/math")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text('{"question": "q"}\n')
    one, two, three = map(str, paths)
    assert list(read_benchmarks([one, two])) == ["gsm8k/test", "math/test"]
    assert list(read_benchmarks([one, two, three])) == ["gsm8k/test", two, three]
    assert read_benchmarks([one])["gsm8k/test"].source == one
    for names in ([one, one], []):
        with pytest.raises(ValueError, match=r"given twice|no benchmark"):
            read_benchmarks(names)


def test_the_tiny_world_may_be_either_side() -> None:
    train = list(read_texts("tiny:all", limit=50))
    benchmark = read_benchmarks(["tiny:all"], limit=20)["tiny:all"]
    result = overlaps(
        [text.question for text in train],
        {"tiny": [text.question for text in benchmark.texts]},
        rules=("exact",),
    )
    assert set(range(20)) <= result.train_rows()
    assert result.benchmark_rows("tiny") == set(range(20))


def questions(name: str) -> list[str]:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return [text.question for text in read_texts(str(path))]


# Rows of the training set, then of the benchmark, that the README of the shared data names or that
# belong to a problem it names: one AIME problem stands twice in MATH train, one train problem
# twice in the test set.
KNOWN = [
    ("math/train.jsonl", "math/test.jsonl", 10, 11),
    ("math/train.jsonl", "math/math500.jsonl", 1, 1),
    ("math/train.jsonl", "contest/aime_1983_2023.jsonl", 357, 356),
    ("contest/aime_1983_2023.jsonl", "math/train.jsonl", 356, 357),
    ("contest/aime_1983_2023.jsonl", "math/math500.jsonl", 6, 6),
    ("gsm8k/train.jsonl", "gsm8k/test.jsonl", 0, 0),
]


@pytest.mark.parametrize(("train", "benchmark", "rows", "hit"), KNOWN)
def test_known_overlaps_are_found(train: str, benchmark: str, rows: int, hit: int) -> None:
    texts = questions(train)
    result = overlaps(texts, {"b": questions(benchmark)})
    by_letters = result.train_rows("b", "letters")
    assert (len(by_letters), len(result.benchmark_rows("b", "letters"))) == (rows, hit)
    # Short texts aside, which have no ten words in a row, n-grams find them all and more.
    by_ngram = result.train_rows("b", "ngram")
    short = {row for row in by_letters if len(words(texts[row])) < 10}
    assert by_letters - short <= by_ngram
    assert len(by_ngram) > rows
    assert result.train_rows() == by_letters | by_ngram | result.train_rows("b", "exact")


def test_n_grams_of_gsm8k_are_few() -> None:
    result = overlaps(questions("gsm8k/train.jsonl"), {"b": questions("gsm8k/test.jsonl")})
    assert (len(result.train_rows()), len(result.benchmark_rows("b"))) == (11, 9)


@pytest.mark.slow
def test_tens_of_thousands_of_rows_take_seconds() -> None:
    sentence = "In year {} a farm of {} cows and {} hens sold {} eggs, {} litres of milk and hay."
    texts = [sentence.format(n, n * 7 % 91, n * 3 % 53, n * 5 % 97, n * 11) for n in range(20_000)]
    begun = time.process_time()
    result = overlaps(texts, {"b": texts[:2000]})
    assert time.process_time() - begun < 20
    assert set(range(2000)) <= result.train_rows()
