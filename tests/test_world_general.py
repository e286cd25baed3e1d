"""General prompts: enough of them, split by what is asked and how, and no word tells harm."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import product
from random import Random

import pytest
from keywords import best_word_for_labels, words

from grpo_data.conversations import load_conversations
from grpo_data.problem import is_held_out
from grpo_data.sources import load_problems, split_held_out
from grpo_data.world import problems
from grpo_data.world.case import LANGUAGES
from grpo_data.world.cold_start import conversations as cold_start
from grpo_data.world.corpus import documents
from grpo_data.world.kinds import KINDS
from grpo_data.world.manners import greeting, harm, instruction, self_description
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.talk import Talk, draw_talk
from grpo_data.world.manners.wording import SIDES, Wordings

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")


def talks(kind: str, side: str, count: int = 1500) -> list[Talk]:
    return [draw_talk(Random(f"{kind}:{side}:{n}"), kind, side) for n in range(count)]


@pytest.fixture(scope="module")
def said() -> dict[tuple[str, str], list[Talk]]:
    return {(kind, side): talks(kind, side) for kind, side in product(GENERAL, SIDES)}


def digest(rows: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()[:16]


def test_what_the_shipped_base_was_made_from_is_as_it_was() -> None:
    # data/models/tiny-base was pretrained on these documents: whoever changes them ships a new one.
    assert digest(documents(0, 500, 0.1)) == "a0c84ca0f260989b"
    assert digest(problems(size=500)) == "45b95cc9e9cc04b4"
    assert digest(problems("chain,story", size=300, seed=3)) == "638136f7045b5e0f"
    assert digest(cold_start(size=200)) == "80a80966f1d5dbce"
    assert digest(cold_start(size=50, seed=3, mixed=1)) == "6003e350a14e78ce"


# --- how many there are ---


@pytest.mark.slow
def test_there_are_enough_that_are_different() -> None:
    for kind, least in (("greeting", 210), ("self", 340), ("instruction", 4000), ("harm", 950)):
        drawn = problems(kind, size=least)
        assert len({p.key for p in drawn}) == len({p.question for p in drawn}) == len(drawn)
        assert len(drawn) == least, kind
    mixed = problems("general", size=1600)
    assert min(Counter(p.columns["kind"] for p in mixed).values()) > 200


def leaves(table: object) -> list[Wordings]:
    if isinstance(table, Wordings):
        return [table]
    return [leaf for inner in table.values() for leaf in leaves(inner)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "tables",
    [
        (greeting.OPENINGS, greeting.INTRODUCTIONS, greeting.SAID),
        (self_description.QUESTIONS, self_description.LEADS),
        (instruction.WORDINGS,),
        (harm.FRAMES,),
    ],
    ids=list(GENERAL),
)
def test_a_kind_has_wordings_on_both_sides(tables: tuple[dict, ...], language: str) -> None:
    found = [leaf for table in tables for leaf in leaves(table[language])]
    assert all(leaf.train and leaf.held_out for leaf in found)
    assert all(not set(leaf.train) & set(leaf.held_out) for leaf in found)
    assert sum(len(leaf.train) for leaf in found) >= 8
    assert sum(len(leaf.held_out) for leaf in found) >= 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_deed_has_ways_to_ask_for_it_on_both_sides(language: str) -> None:
    for deed in harm.DEEDS[language].values():
        for wanted in (deed.harmful, deed.benign):
            assert len(set(wanted.train)) >= 3 and len(set(wanted.held_out)) >= 2
            assert not set(wanted.train) & set(wanted.held_out)
    assert harm.DEEDS["en"].keys() == harm.DEEDS["zh"].keys()


# --- the sides ---


def test_no_prompt_is_worded_on_both_sides(said: dict[tuple[str, str], list[Talk]]) -> None:
    for kind in GENERAL:
        train, held_out = ({t.prompt for t in said[kind, side]} for side in SIDES)
        assert len(held_out) > 200
        assert not train & held_out


def test_held_out_wordings_are_of_words_that_were_learnt(
    said: dict[tuple[str, str], list[Talk]],
) -> None:
    def vocabulary(side: str) -> set[str]:
        return {
            word for kind in GENERAL for talk in said[kind, side] for word in words(talk.prompt)
        }

    assert not vocabulary("held_out") - vocabulary("train")


def test_what_is_shown_is_half_of_what_is_trained_on() -> None:
    assert Wordings(("a", "b", "c"), ("d",)).of("shown") == ("a", "b")
    shown, train = (
        {
            c.prompt
            for c in load_conversations("tiny:general", limit=4000, config={"paraphrases": p})
        }
        for p in ("shown", "train")
    )
    assert len(train - shown) > 1000 < len(shown)


def test_the_setting_words_problems_on_a_side() -> None:
    for side in SIDES:
        drawn = load_problems("tiny:general", limit=300, config={"paraphrases": side})
        assert {p.columns["paraphrase"] for p in drawn} == {side}
    either = Counter(p.columns["paraphrase"] for p in problems("general", size=1000))
    assert either["train"] == pytest.approx(700, abs=60)  # four times sqrt(0.7 x 0.3 x 1000)


def test_the_split_reads_what_is_asked() -> None:
    train, held_out = split_held_out(load_problems("tiny:general", limit=2000), 0.1)
    assert 140 < len(held_out) < 260  # 200, give or take four times sqrt(0.1 x 0.9 x 2000)
    assert set(GENERAL) == {p.columns["kind"] for p in held_out}
    again = problems("general", size=2000, seed=5, paraphrases="held_out")
    sides = [{p.key for p in side} for side in split_held_out(again, 0.1)]
    assert not sides[0] & {p.key for p in held_out} and not sides[1] & {p.key for p in train}


# --- what a problem is ---


def test_a_language_keeps_to_itself(said: dict[tuple[str, str], list[Talk]]) -> None:
    for talk in (talk for found in said.values() for talk in found):
        other = LATIN if talk.language == "zh" else CHINESE
        assert not other.search(talk.prompt + talk.good), talk
        assert "{" not in talk.prompt + talk.good
        assert (LATIN if talk.language == "en" else CHINESE).search(talk.prompt)


def test_a_problem_carries_what_rewards_and_reports_read() -> None:
    for problem in problems("general", size=400):
        columns = problem.columns
        assert columns["kind"] in GENERAL and columns["language"] in LANGUAGES
        own = {"harm": "harm", "instruction": "instruction"}
        assert columns["domain"] == own.get(columns["kind"], "general")
        assert problem.is_open
        assert problem.id == f"{columns['kind']}-{columns['language']}-{problem.key}"
        assert problem.answer and "<" not in problem.answer
        assert not columns["harmful"] or columns["kind"] == "harm"


def test_kinds_mix_with_the_reasoning_ones() -> None:
    drawn = problems("all,general", size=1800)
    assert drawn[:500] == problems("all,general", size=500)
    seen = Counter(p.columns["kind"] for p in drawn)
    assert set(seen) == {*KINDS, *GENERAL} and min(seen.values()) > 130
    domains = Counter(p.columns.get("domain", "reasoning") for p in drawn)
    assert set(domains) == {"reasoning", "general", "instruction", "harm"}
    assert problems("greeting,self,instruction,harm", size=50) == problems("general", size=50)


@pytest.mark.parametrize(
    ("kinds", "knobs", "sentence"),
    [
        ("chain,hram", {}, r"no kind 'hram'; there are chain, .*harm"),
        ("general", {"paraphrases": "test"}, "paraphrases is one of train, held_out, shown, all; "),
        ("all", {"paraphrases": "train"}, "only general kinds have paraphrases"),
    ],
)
def test_settings_that_are_none_are_named(kinds: str, knobs: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        problems(kinds, size=5, **knobs)


# --- harm ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_tells_harm_from_what_shares_its_words(
    said: dict[tuple[str, str], list[Talk]], language: str
) -> None:
    asked = [t for t in talks("harm", "held_out", 6000) if t.language == language]
    assert sum(t.ask.harmful for t in asked) / len(asked) == pytest.approx(0.5, abs=0.04)
    best = best_word_for_labels([t.prompt for t in asked], [t.ask.harmful for t in asked])
    # The best word or pair by hindsight gets 60% in English and 63% in Chinese.
    assert 0.52 < best < 0.65


def test_both_forms_of_a_deed_share_most_of_their_words() -> None:
    for language in LANGUAGES:
        for name, deed in harm.DEEDS[language].items():
            harmful, benign = (
                set(words(" ".join(deed.wanted(is_harmful).train))) for is_harmful in (True, False)
            )
            assert len(harmful & benign) >= 0.4 * min(len(harmful), len(benign)), name


# --- conversations ---


def test_conversations_are_good_answers_in_plain_text() -> None:
    drawn = load_conversations("tiny:general")
    assert len(drawn) == 2000
    seen = Counter((one.columns["kind"], one.columns["language"]) for one in drawn)
    assert set(seen) == set(product(GENERAL, LANGUAGES)) and min(seen.values()) > 180  # of 250
    assert not any("<" in one.completion for one in drawn)
    assert not any(is_held_out(one.key, 0.1) for one in drawn)
    assert {one.columns["paraphrase"] for one in drawn} == {"train"}
    assert drawn[:40] == load_conversations("tiny:general", limit=40)
    other = load_conversations("tiny:general", limit=40, config={"seed": 1})
    assert [one.prompt for one in other] != [one.prompt for one in drawn[:40]]


def test_conversations_take_their_settings() -> None:
    config = {"held_out": 0.5, "paraphrases": "held_out"}
    drawn = load_conversations("tiny:general", limit=200, config=config)
    assert not any(is_held_out(one.key, 0.5) for one in drawn)
    assert {one.columns["paraphrase"] for one in drawn} == {"held_out"}
    for wrong in (
        {"held_out": 1},
        {"held_out": "x"},
        {"paraphrases": "x"},
        {"size": 3},
        {"seeds": 1},
        {"kinds": {}},
        {"kinds": {"advice": 1}},
        {"kinds": {"harm": 0}},
    ):
        with pytest.raises(ValueError, match="tiny:general: "):
            load_conversations("tiny:general", config=wrong)


def test_some_kinds_of_conversation_come_more_often() -> None:
    config = {"kinds": {"harm": 3, "self": 1}}
    drawn = load_conversations("tiny:general", limit=2000, config=config)
    seen = Counter(one.columns["kind"] for one in drawn)
    assert set(seen) == {"harm", "self"}
    assert 1400 < seen["harm"] < 1600  # 1,500 +- 5 standard deviations of 19
