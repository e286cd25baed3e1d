"""The cold start: right, readable, outside the held-out problems, and mixed as often as it says."""

import re

import pytest
import world_reader

from grpo_data.conversations import Conversation, load_conversations
from grpo_data.problem import is_held_out
from grpo_data.world.checker import check_steps, thinks_in_full
from grpo_rewards.language import count_words
from grpo_rewards.load import load_reward

R1 = re.compile(r"<think>(.+)</think><answer>(\d+)</answer>", re.DOTALL)


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    return load_conversations("tiny:cold_start")


def test_all_are_in_r1_s_form_and_right(conversations: list[Conversation]) -> None:
    assert len(conversations) == 2000
    said = [one.completion for one in conversations]
    assert load_reward("format")(prompts=[""] * 2000, completions=said) == [1.0] * 2000
    for one in conversations:
        assert isinstance(one.prompt, str)
        match = R1.fullmatch(one.completion)
        assert match, one
        assert int(match[2]) == world_reader.read(one.prompt).answer == int(one.columns["answer"])
        assert thinks_in_full(match[1], one.columns["steps"])
        # Every step is made, in order; what is false besides is a slip taken back at once.
        made = [step.text for step in check_steps(match[1], one.columns["steps"]) if step.expected]
        assert list(dict.fromkeys(made)) == list(dict.fromkeys(one.columns["steps"]))


def test_none_is_about_a_held_out_problem(conversations: list[Conversation]) -> None:
    keys = {one.key for one in conversations}
    assert keys == {world_reader.read(str(one.prompt)).key for one in conversations}
    assert not any(is_held_out(key, 0.1) for key in keys)
    half = load_conversations("tiny:cold_start", limit=200, config={"held_out": 0.5})
    assert not any(is_held_out(one.key, 0.5) for one in half)


def test_both_languages_ask(conversations: list[Conversation]) -> None:
    english = sum(one.columns["language"] == "en" for one in conversations)
    assert 900 < english < 1100


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_mix_languages_as_it_says(share: float) -> None:
    drawn = load_conversations("tiny:cold_start", limit=1000, config={"mixed": share})
    for one in drawn:
        words = count_words(one.completion)
        pure = words.share(one.columns["language"]) == 1.0
        assert pure is not one.columns["mixed"], one
    # 1,000 draws: three times sqrt(0.3 x 0.7 x 1000) = 43.
    assert abs(sum(one.columns["mixed"] for one in drawn) - 1000 * share) < 44


def test_each_hangs_on_its_place_and_the_seed_alone(conversations: list[Conversation]) -> None:
    assert load_conversations("tiny:cold_start", limit=50) == conversations[:50]
    other = load_conversations("tiny:cold_start", limit=50, config={"seed": 1})
    assert not set(one.prompt for one in other) & set(one.prompt for one in conversations[:50])
