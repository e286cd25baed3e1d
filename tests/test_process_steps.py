"""Steps as a function gives them, as the world's rule finds them, and the tokens they end with."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from grpo.recipe.shipped import shipped_model
from grpo.rollout.step_ends import in_tokens
from grpo.types import Completion
from grpo_data.world.process import scored, steps
from grpo_rewards import Scorer, Verdict
from grpo_rewards.call_reward import answer_call
from grpo_rewards.calls import Answer, Call
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import Judged

# What a function returns.

FILE = """
def steps(completions, **columns):
    return [GIVEN[text] for text in completions]

GIVEN = {
    "two steps.": [(3, 1.0), (10, 0)],
    "lists": [[5, -2.5]],
    "no step": [],
    "skipped": None,
    "a number": 0.25,
    "too far": [(8, 1.0)],
    "at nought": [(0, 1.0)],
    "back": [(3, 1.0), (2, 1.0)],
    "twice": [(3, 1.0), (3, 1.0)],
    "nan": [(1, 1.0), (2, float("nan"))],
    "half": [(1.5, 1.0)],
    "flat": [1.0, 2.0],
    "word": [(2, "good")],
}
"""
BAD = {
    "too far": "returned steps that end at [8]; ends must rise, from 1 to the completion's 7 char",
    "at nought": "returned steps that end at [0]; ends must rise",
    "back": "returned steps that end at [3, 2]; ends must rise",
    "twice": "returned steps that end at [3, 3]; ends must rise",
    "nan": "returned no finite score for the step that ends at 2",
    "half": "returned steps [(1.5, 1.0)], which are no (end, score) pairs with whole ends",
    "flat": "returned steps [1.0, 2.0], which are no (end, score) pairs",
    "word": "returned no finite score for the step that ends at 2",
}


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(FILE)
    return f"{path}:steps"


@pytest.fixture(scope="module")
def scorer(mine: str) -> Iterator[Scorer]:
    with Scorer({mine: 0.5}, workers=1) as scorer:
        yield scorer


def score(scorer: Scorer, texts: Sequence[str]) -> list[Verdict]:
    return scorer.score(["q"] * len(texts), texts, [{}] * len(texts))


def test_a_user_s_steps_come_through_the_worker(scorer: Scorer, mine: str) -> None:
    texts = ["two steps.", "lists", "no step", "skipped", "a number"]
    two, one, none, skipped, number = score(scorer, texts)
    # The part is the mean: (1 + 0) / 2; the reward is weight 0.5 times that.
    assert (two.steps, two.parts, two.reward) == ({mine: ((3, 1.0), (10, 0.0))}, {mine: 0.5}, 0.25)
    assert (one.steps, one.parts) == ({mine: ((5, -2.5),)}, {mine: -2.5})
    assert (two.outcomes, one.outcomes) == ({mine: "correct"}, {mine: "wrong"})
    assert (none.steps, none.parts) == ({mine: ()}, {mine: 0.0})
    assert (skipped.steps, skipped.parts) == ({}, {mine: None})
    assert (number.steps, number.parts) == ({}, {mine: 0.25})


@pytest.mark.parametrize("text", BAD)
def test_wrong_steps_cost_their_completion_alone(scorer: Scorer, mine: str, text: str) -> None:
    bad, good = score(scorer, [text, "two steps."])
    assert (bad.outcomes[mine], bad.parts[mine], bad.steps) == ("error", None, {})
    assert good.steps[mine]
    file = mine.rpartition(":")[0]
    assert any(f"{file}:2: BadReturn: {BAD[text]}" in said for said in scorer.messages)


def test_a_rule_s_steps_come_back_out_of_json() -> None:
    found = Judged(0.5, "correct", steps=((4, 1.0), (9, 0.1 + 0.2)))
    rule = RuleReward("halves", quick=lambda sample: found)
    answer = answer_call(rule, Call("halves", (0,), ("q",), ("3+4=7. So",), ({},)))
    assert Answer.from_bytes(answer.to_bytes()) == answer
    assert answer.on(0).steps == found.steps


# The tiny world's own.

ASKED = ["7+5=12", "12*2=24"]


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("First, 7+5=12. Then 12*2=24. So 24.", {"First, 7+5=12.": 1, " Then 12*2=24.": 1}),
        # A slip, and what builds on it, is wrong; a correction is a step of its own.
        ("7+5=13. 13*2=26.", {"7+5=13.": 0, " 13*2=26.": 0}),
        ("7+5=13. Wait, 7+5=12.", {"7+5=13.": 0, " Wait, 7+5=12.": 1}),
        # True, but nobody asked for it; true, asked for, and said again: no step.
        ("1+1=2. 7+5=12.", {"1+1=2.": 0, " 7+5=12.": 1}),
        ("7+5=12. Check: 7+5=12, right. 7+5=12.", {"7+5=12.": 1}),
        # Chinese sentences; two equations in one; an end at a tag.
        ("<think>先算7+5=12。再算12*2=24。", {"<think>先算7+5=12。": 1, "再算12*2=24。": 1}),
        ("7+5=12, 12*2=25.", {"7+5=12, 12*2=25.": 0}),
        ("<think>7+5=12</think><answer>", {"<think>7+5=12": 1}),
        ("Easy. I guess 24.", {}),
    ],
)
def test_the_world_s_steps_are_its_sentences(text: str, ended: dict[str, float]) -> None:
    pairs = scored(text, ASKED)
    starts = [0, *(end for end, _ in pairs)]
    written = {text[a:end]: value for a, (end, value) in zip(starts, pairs, strict=False)}
    assert written == ended


def test_the_world_s_steps_read_both_shapes_and_skip_other_problems() -> None:
    text = "7+5=12."
    message = [{"role": "assistant", "content": text}]
    assert steps([text, message, text], [ASKED, ASKED, None]) == [[(7, 1.0)], [(7, 1.0)], None]


# From characters to tokens.


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(shipped_model("tiny-base"))


def completion(tokenizer: Any, ids: Sequence[int]) -> Completion:
    text = tokenizer.decode([i for i in ids if i != tokenizer.eos_token_id])
    return Completion(text, tuple(ids), (-1.0,) * len(ids), "stop")


def places(tokenizer: Any, drawn: Completion, ends: Sequence[int]) -> list[int]:
    found = in_tokens({"mine": tuple((end, 1.0) for end in ends)}, drawn, tokenizer)
    return [place for place, _ in found["mine"]]


def test_a_step_ends_with_the_token_that_writes_its_last_character(tokenizer: Any) -> None:
    text = "<think>3+4=7. So</think>"
    pieces = ["<think>", "3", "+", "4", "=", "7", ".", " So", "</think>"]
    ids = [tokenizer.convert_tokens_to_ids(one.replace(" ", "Ġ")) for one in pieces]
    drawn = completion(tokenizer, [*ids, tokenizer.eos_token_id])
    assert drawn.text == text
    # "<think>3+4=7." ends with token 6, "... S" inside token 7, the whole with token 8.
    assert places(tokenizer, drawn, [13, 15, len(text)]) == [6, 7, 8]
    assert places(tokenizer, drawn, []) == []


def test_a_character_of_several_tokens_ends_with_its_last(tokenizer: Any) -> None:
    # One token a byte, as no tokenizer would write it but a policy may.
    alphabet = byte_tokens(tokenizer)
    text = "再算龘。对"
    drawn = completion(tokenizer, [alphabet[byte] for byte in text.encode()])
    assert drawn.text == text
    assert places(tokenizer, drawn, [1, 2, 3, 4, 5]) == [2, 5, 8, 11, 14]


def test_broken_bytes_and_stray_end_tokens_still_have_places(tokenizer: Any) -> None:
    alphabet = byte_tokens(tokenizer)
    broken = [alphabet[0xE4], alphabet[0xFF], tokenizer.pad_token_id, alphabet[ord("7")]]
    visible = tokenizer.decode([broken[0], broken[1], broken[3]])
    drawn = Completion(visible, (*broken, tokenizer.eos_token_id), (-1.0,) * 5, "stop")
    assert places(tokenizer, drawn, [len(visible)]) == [3]
    rng = Random(3)
    for _ in range(50):
        ids = [rng.choice(list(alphabet.values())) for _ in range(12)]
        drawn = completion(tokenizer, ids)
        found = places(tokenizer, drawn, range(1, len(drawn.text) + 1))
        assert found == sorted(found) and found[0] >= 0 and found[-1] <= 11


def byte_tokens(tokenizer: Any) -> dict[int, int]:
    """The token of each byte alone."""
    letters = bytes_to_unicode()
    return {byte: tokenizer.convert_tokens_to_ids(letter) for byte, letter in letters.items()}
