"""The habits of the base: each style in its form, in its share, and general talk beside them."""

import re
from collections import Counter
from random import Random

import pytest

from grpo_data.world.case import LANGUAGES, Case
from grpo_data.world.checker import check_steps, thinks_in_full
from grpo_data.world.general import DOMAINS, exchange
from grpo_data.world.kinds import KINDS
from grpo_data.world.steps import solve
from grpo_data.world.styles import STYLES, answer_in_some_style, bare, bare_tagged, hasty
from grpo_rewards.tags import parse

CHINESE = re.compile(r"[\u4e00-\u9fff]")
TAG = re.compile(r"</?(?:think|answer)>")
N = 4000


def case_of(seed: int) -> Case:
    return KINDS[list(KINDS)[seed % len(KINDS)]](Random(f"case:{seed}"))


def form(case: Case, text: str) -> str:
    """Which style a text is in, by what anybody can see of it."""
    steps = [str(equation) for equation in solve(case.steps)]
    if tagged := parse(text):
        if not check_steps(tagged.thought, steps):
            return "hasty"
        return "disciplined" if thinks_in_full(tagged.thought, steps) else "cut_short"
    if not TAG.search(text):
        return "untagged" if check_steps(text, steps) else "bare"
    return "bare_tagged" if text.startswith("<answer>") else "half_tagged"


def test_styles_come_in_their_shares() -> None:
    seen = Counter(
        form(case_of(seed), answer_in_some_style(Random(seed), case_of(seed), "en"))
        for seed in range(N)
    )
    assert sum(STYLES.values()) == pytest.approx(1)
    assert {style.__name__ for style in STYLES} == set(seen)
    for style, share in STYLES.items():
        # Four standard deviations of a share of 0.3 among 4,000 are 0.029.
        assert seen[style.__name__] / N == pytest.approx(share, abs=0.03), style.__name__


def test_one_thought_in_seven_is_in_the_other_language() -> None:
    texts = [
        answer_in_some_style(Random(seed), case_of(seed), language)
        for seed in range(N)
        for language in LANGUAGES
    ]
    english = [t for t in texts[0::2] if re.search(r"[A-Za-z]", TAG.sub("", t))]
    chinese = [t for t in texts[1::2] if CHINESE.search(t)]
    # Bare numbers have no language: about 0.14 / 3 + 0.08 of all documents.
    assert 0.6 < len(english) / N < 0.9
    assert 0.6 < len(chinese) / N < 0.9


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_a_style_says_its_answer_last(style) -> None:  # type: ignore[no-untyped-def]
    for seed in range(100):
        text = style(Random(seed), case_of(seed), LANGUAGES[seed % 2])
        assert re.search(r"\d", TAG.sub(" ", text)), text


@pytest.mark.parametrize(("style", "share"), [(bare, 0.35), (bare_tagged, 0.35), (hasty, 0.25)])
def test_guesses_are_right_in_their_share(style, share: float) -> None:  # type: ignore[no-untyped-def]
    right = 0
    for seed in range(N):
        text = style(Random(seed), case_of(seed), "en")
        right += re.findall(r"\d+", text)[-1] == str(case_of(seed).answer)
    assert right / N == pytest.approx(share, abs=0.03)


def test_a_disciplined_document_is_mostly_right() -> None:
    (disciplined,) = [style for style in STYLES if style.__name__ == "disciplined"]
    right = 0
    for seed in range(1000):
        tagged = parse(disciplined(Random(seed), case_of(seed), "zh"))
        assert tagged is not None
        right += tagged.answer == str(case_of(seed).answer)
    # 6% slip, and a slip on the smaller of two sums does no harm.
    assert 0.91 < right / 1000 < 0.98


# --- general talk ---


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_good_exchange_is_in_one_language(domain: str, language: str) -> None:
    for seed in range(100):
        talk = DOMAINS[domain](Random(seed), language)
        assert (talk.domain, talk.language) == (domain, language)
        assert bool(CHINESE.search(talk.prompt)) == (language == "zh")
        assert bool(re.search(r"[A-Za-z]", talk.prompt)) == (language == "en")
        wrong = re.search(r"[A-Za-z]", talk.good) if language == "zh" else CHINESE.search(talk.good)
        assert not wrong
        assert talk.good != talk.careless
        assert "{" not in talk.prompt + talk.good + talk.careless


def test_exchanges_are_of_all_domains_and_languages() -> None:
    seen = Counter((talk.domain, talk.language) for talk in map(exchange, map(Random, range(800))))
    assert len(seen) == len(DOMAINS) * len(LANGUAGES)
    assert min(seen.values()) > 60  # of 100 each
    assert {exchange(Random(seed), "harm").domain for seed in range(20)} == {"harm"}
    assert exchange(Random(5)) == exchange(Random(5))


def test_a_good_assistant_does_as_it_is_told() -> None:
    seen = Counter()
    for seed in range(600):
        talk = DOMAINS["instruction"](Random(seed), LANGUAGES[seed % 2])
        seen[_obeyed(talk.prompt, talk.good)] += 1
    assert set(seen) == {"count", "repeat", "list"} and min(seen.values()) > 100


def _obeyed(prompt: str, good: str) -> str:
    """The kind of instruction, after checking that it was carried out."""
    if number := re.search(r"(?:Count from 1 to |从1数到)(\d+)", prompt):
        assert good == " ".join(str(n) for n in range(1, int(number[1]) + 1))
        return "count"
    if said := re.search(r"the word (\w+) (\d+) times|把(\w+?)写(\d+)遍", prompt):
        word, times = [group for group in said.groups() if group]
        assert good.replace(" ", "") == word * int(times)
        return "repeat"
    listed = re.sub(r"Write | with commas\.|用逗号写出|。", "", prompt)
    assert re.split(r", |，", good) == re.split(r" and |和", listed)
    return "list"


def test_harm_is_refused_by_the_good_and_done_by_the_careless() -> None:
    for seed in range(60):
        talk = DOMAINS["harm"](Random(seed), LANGUAGES[seed % 2])
        refuses = re.compile(r"not help|can not|不能|不会")
        assert refuses.search(talk.good) and not refuses.search(talk.careless)
