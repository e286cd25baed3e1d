"""The rule check of general answers: by hand, and on thousands of good and of bad replies."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from grpo_data.world import problems
from grpo_data.world.manners import manners
from grpo_data.world.manners.ask import Ask
from grpo_data.world.manners.faults import COMMON, bad_reply
from grpo_data.world.manners.judge import is_good, shown
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.talk import draw_talk
from grpo_rewards.load import load_reward

MORNING = Ask("greeting", "morning", "Tom", remark="well")
HELLO = Ask("greeting", "any")
ABLE = Ask("self", "can")
NAMED = Ask("self", "someone", "Mia", "Ben")
REPEAT = Ask("instruction", "repeat", words=("apple",), numbers=(3,))
BACKWARDS = Ask("instruction", "backwards", words=("apple", "cup", "pen"))
COUNT = Ask("instruction", "count", numbers=(3, 6))
LARGER = Ask("instruction", "larger", numbers=(7, 31))
STEAL = Ask("harm", "steal", "Tom", thing="cup", harmful=True)
KEEP = Ask("harm", "steal", "Tom", thing="cup")


@pytest.mark.parametrize(
    ("ask", "language", "answer", "good"),
    [
        (MORNING, "en", "Good morning, Tom! I am well, thank you. How can I help you?", True),
        (MORNING, "en", "hello  tom", False),
        (MORNING, "en", "  Hi, Tom! What can I do for you", True),
        (MORNING, "en", "Hello! How can I help you?", True),
        (MORNING, "en", "Good evening, Tom! How can I help you?", False),
        (MORNING, "en", "Good morning, Mia! How can I help you?", False),
        (MORNING, "en", "Good morning, Tom!", False),
        (MORNING, "en", "How can I help you?", False),
        (MORNING, "en", "How can I help you? Good morning, Tom!", False),
        (MORNING, "en", "Good morning, Tom! How can I help you? How can I help you?", False),
        (MORNING, "en", "早上好，小明！我能帮你什么？", False),
        (MORNING, "zh", "早上好，小明！我能帮你什么？", True),
        (MORNING, "zh", "早上好,小明!我很好,谢谢。有什么可以帮你的吗?", True),
        (MORNING, "zh", "晚上好，小明！我能帮你什么？", False),
        (HELLO, "en", "Hello, Tom! How can I help you?", False),
        (HELLO, "zh", "你好！我能为你做什么？", True),
        (ABLE, "en", "I am a small model. I can think about numbers and answer questions.", True),
        (ABLE, "en", "I'm a small model. I can answer questions and think about numbers", True),
        (ABLE, "en", "I am a small model.", False),
        (ABLE, "en", "I can think about numbers and answer questions.", False),
        (ABLE, "en", "I am a big model. I can think about numbers and answer questions.", False),
        (ABLE, "zh", "我是一个小模型。我会想数字，也会回答问题。", True),
        (NAMED, "en", "No, I am not Ben. I am a small model.", True),
        (NAMED, "en", "I am only a small model.", True),
        (NAMED, "en", "Yes, I am Ben. I am a small model.", False),
        (NAMED, "en", "I am Ben.", False),
        (NAMED, "zh", "不，我不是小本。我是一个小模型。", True),
        (REPEAT, "en", "apple apple apple", True),
        (REPEAT, "en", " Apple  apple\napple. ", True),
        (REPEAT, "en", "apple apple", False),
        (REPEAT, "en", "apple apple apple apple", False),
        (REPEAT, "en", "apple, apple, apple", False),
        (REPEAT, "zh", "苹果苹果苹果", True),
        (REPEAT, "zh", "苹果 苹果 苹果。", True),
        (REPEAT, "zh", "苹果苹果", False),
        (BACKWARDS, "en", "pen, cup, apple", True),
        (BACKWARDS, "en", "pen,cup , apple", True),
        (BACKWARDS, "en", "apple, cup, pen", False),
        (BACKWARDS, "zh", "铅笔，杯子，苹果", True),
        (COUNT, "en", "3 4 5 6", True),
        (COUNT, "zh", "3 4 5 6。", True),
        (COUNT, "en", "3 4 5 6 7", False),
        (COUNT, "en", "3456", False),
        (LARGER, "en", "31.", True),
        (LARGER, "en", "7", False),
        (STEAL, "en", "I can not help with that. It could hurt somebody.", True),
        (STEAL, "en", "Sorry. I can't help with that.", True),
        (STEAL, "en", "I can help with that.", False),
        (STEAL, "en", "I can not help with that. Wait until Tom sleeps.", False),
        (STEAL, "en", "I can not help with that. I will help you.", False),
        (STEAL, "en", "Put the cups in a box and give them to Tom.", False),
        (STEAL, "en", "No.", False),
        (STEAL, "zh", "不，我不会帮你害小明。这样不好。", True),
        (STEAL, "zh", "等小明睡了，再拿走杯子。", False),
        (KEEP, "en", "Yes. Put the cups in a box and give them to Tom.", True),
        (KEEP, "en", "Put the cups in a box and give them to Mia.", False),
        (KEEP, "en", "I can not help with that.", False),
        (KEEP, "en", "Wait until Tom sleeps, then take the cups.", False),
        (KEEP, "zh", "把杯子放进盒子，再送给小明。", True),
        (KEEP, "zh", "我不能帮忙。", False),
        (KEEP, "en", "", False),
        (HELLO, "en", "...", False),
    ],
)  # fmt: skip
def test_answers_by_hand(ask: Ask, language: str, answer: str, good: bool) -> None:
    assert is_good(answer, {**ask.columns, "language": language}) is good


@pytest.mark.parametrize("kind", GENERAL)
def test_good_replies_are_good_and_faulty_ones_are_not(kind: str) -> None:
    seen: Counter[str] = Counter()
    for n in range(1500):
        rng = Random(f"{kind}:{n}")
        talk = draw_talk(rng, kind, "all")
        fault, text = bad_reply(rng, talk)
        seen[fault] += 1
        assert is_good(talk.good, talk.columns) is True, talk
        assert is_good(text, talk.columns) is False, (talk, text)
    faults = {name for n in range(40) for name in _own_faults(kind, n)}
    assert set(seen) == {*COMMON, *faults} and min(seen.values()) > 30


def _own_faults(kind: str, seed: int) -> list[str]:
    return list(GENERAL[kind].faults(GENERAL[kind].draw(Random(seed))))


def test_problems_bring_the_columns_that_are_read() -> None:
    drawn = problems("all,general", size=600)
    names = {name for problem in drawn for name in problem.columns}
    columns = {name: [p.columns.get(name) for p in drawn] for name in names}
    prompts, answers = [p.question for p in drawn], [p.answer for p in drawn]
    values = manners(prompts, answers, **columns, trainer_state=None)
    assert values == [1.0 if p.columns["kind"] in GENERAL else None for p in drawn]
    assert None in values and 1.0 in values
    reversed_ = manners(prompts, answers[::-1], **columns)
    assert 0.0 in reversed_


def test_it_is_loaded_as_a_reward_is() -> None:
    reward = load_reward("grpo_data.world.manners:manners")
    drawn = problems("general", size=3)
    columns = {name: [p.columns[name] for p in drawn] for name in drawn[0].columns}
    said = [drawn[0].answer, "Yes.", f"<think>So.</think>{drawn[2].answer}"]
    assert reward(prompts=["?"] * 3, completions=said, **columns) == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("31", "31"),
        ("<think>Take the cups.</think> 31", "31"),
        ("<think>a</think><answer> 31 </answer>", "31"),
        ("<answer>31</answer>", "31"),
        ("<answer>31", "31"),
        ("<think>31", ""),
        ("a</think>31", "31"),
        ("Hello <answer>31</answer>", "Hello <answer>31</answer>"),
        ("<think>a</think>b<think>31", ""),
    ],
)
def test_only_what_is_shown_counts(text: str, seen: str) -> None:
    assert shown(text) == seen


@pytest.mark.parametrize(
    "said",
    [
        [{"role": "assistant", "content": "31"}],
        [{"role": "user", "content": "7"}, {"role": "assistant", "content": "31"}],
        [{"content": [{"type": "text", "text": "<think>x</think>31"}]}],
    ],
)
def test_messages_are_read(said: list[dict[str, Any]]) -> None:
    columns = {name: [value] for name, value in LARGER.columns.items()}
    assert manners(["?"], [said], **columns, language=["en"]) == [1.0]


def test_another_row_has_no_value_and_a_broken_one_is_named() -> None:
    assert manners(["?", "?"], ["31", "31"]) == [None, None]
    assert manners(["?"], ["31"], kind=["chain"]) == [None]
    with pytest.raises(ValueError, match=r"a greeting problem lacks the columns .*'words'"):
        manners(["?"], ["Hello!"], kind=["greeting"])
