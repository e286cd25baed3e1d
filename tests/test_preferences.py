"""Preferences: the shapes a row may have, and two sources whose better reply no word gives away."""

import json
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from keywords import best_word_for_pairs

from grpo_data.preferences import Preference, load_preferences
from grpo_data.problem import is_held_out
from grpo_data.world.case import LANGUAGES
from grpo_data.world.kinds import KINDS
from grpo_data.world.manners.judge import is_good
from grpo_data.world.manners.kinds import GENERAL

USER = {"role": "user", "content": "3 +  4?"}
GOOD = {"role": "assistant", "content": "It is 7."}
BAD = {"role": "assistant", "content": "It is 8."}


def written(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


# --- files ---


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "3 +  4?", "chosen": "It is 7.", "rejected": "It is 8."}, "3 +  4?"),
        ({"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}, (USER,)),
        ({"prompt": "3 +  4?", "chosen": [GOOD], "rejected": "It is 8."}, "3 +  4?"),
        ({"chosen": [USER, GOOD], "rejected": [USER, BAD]}, (USER,)),
        ({"prompt": "3+4", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, (USER,)),
    ],
)
def test_every_shape_of_row(tmp_path: Path, row: dict[str, Any], prompt: Any) -> None:
    file = written(tmp_path / "p.jsonl", {**row, "margin": 2}, {**row, "id": "b", "key": "sum"})
    first, second = load_preferences(file)
    assert first == Preference("0", prompt, "It is 7.", "It is 8.", "3 + 4?", {"margin": 2})
    assert (second.id, second.key, second.columns) == ("b", "sum", {})
    assert load_preferences(file, limit=1) == [first]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "?", "chosen": "7"}, r"no 'rejected'; a preference has .*\(columns: 'prompt'"),
        ({"chosen": "7", "rejected": "8"}, "no 'prompt'"),
        ({"prompt": " ", "chosen": "7", "rejected": "8"}, "column 'prompt' is empty"),
        ({"prompt": "?", "chosen": "7", "rejected": ""}, "column 'rejected' is empty"),
        (
            {"prompt": "?", "chosen": 7, "rejected": "8"},
            "'chosen' is no list of messages but a int",
        ),
        ({"prompt": "?", "chosen": "7", "rejected": "7"}, "are the same; neither is preferred"),
        ({"prompt": "?", "chosen": [USER], "rejected": "8"}, "'chosen' is the user's"),
        ({"prompt": "?", "chosen": [USER, GOOD], "rejected": "8"}, "'chosen' holds 2 messages"),
        ({"chosen": [USER, GOOD], "rejected": [GOOD, BAD]}, "part before their last message"),
        ({"chosen": [USER, USER], "rejected": [USER, BAD]}, "'chosen' is the user's"),
        ({"prompt": [{}], "chosen": "7", "rejected": "8"}, r"message 0 \(from 0\) of 'prompt'"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: dict[str, Any], sentence: str) -> None:
    file = written(tmp_path / "p.jsonl", {"prompt": "?", "chosen": "7", "rejected": "8"}, row)
    with pytest.raises(ValueError, match=rf"p\.jsonl:2: .*{sentence}") as caught:
        load_preferences(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "config", "sentence"),
    [
        ("tiny:helpfull", {}, "no generator 'tiny:helpfull'; the nearest is 'tiny:helpful'"),
        ("tiny:helpful", {"sed": 1}, "its config does not fit: .*'sed'"),
        ("tiny:harmless", {"held_out": 1.0}, r"tiny:harmless: held_out is a share in \[0, 1\)"),
        ("tiny:harmless", {"paraphrases": "test"}, "tiny:harmless: paraphrases is one of"),
        ("p.jsonl", {"seed": 1}, "is read, not generated"),
        ("p.jsonl", {}, "p.jsonl holds no preferences"),
    ],
)
def test_a_source_that_cannot_be_had_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, config: Any, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.jsonl").touch()
    with pytest.raises(ValueError, match=sentence):
        load_preferences(source, config=config)


# --- the two sources ---


@pytest.fixture(scope="module", params=["helpful", "harmless"])
def pairs(request: pytest.FixtureRequest) -> list[Preference]:
    config = {"paraphrases": "held_out"}
    return load_preferences(f"tiny:{request.param}", limit=4000, config=config)


def test_the_chosen_is_good_and_the_rejected_is_not(pairs: list[Preference]) -> None:
    for pair in pairs:
        general = pair.columns["kind"] in GENERAL
        assert is_good(pair.chosen, pair.columns) is (True if general else None), pair
        # What only a thought does wrong is not for the rule check, which passes thoughts over.
        bad = None if not general else pair.columns["fault"] == "hidden"
        assert is_good(pair.rejected, pair.columns) is bad, pair


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_gives_the_better_reply_away(pairs: list[Preference], language: str) -> None:
    said = [(p.chosen, p.rejected) for p in pairs if p.columns["language"] == language]
    # By hindsight: helpful 55% (English) and 56% (Chinese), harmless 60% and 58%.
    assert 0.51 < best_word_for_pairs(said) < 0.64


def test_length_does_not_give_it_away(pairs: list[Preference]) -> None:
    longer = [(len(p.chosen) > len(p.rejected)) + (len(p.chosen) >= len(p.rejected)) for p in pairs]
    assert 0.35 < sum(longer) / 2 / len(pairs) < 0.65


def test_pairs_hang_on_their_place_and_the_settings_alone() -> None:
    for source in ("tiny:helpful", "tiny:harmless"):
        drawn = load_preferences(source, limit=60)
        assert drawn[:20] == load_preferences(source, limit=20)
        other = load_preferences(source, limit=20, config={"seed": 1})
        assert [p.prompt for p in other] != [p.prompt for p in drawn[:20]]
        assert len({p.id for p in drawn}) == 60
        assert all(p.chosen != p.rejected for p in drawn)
        generals = [p for p in drawn if p.columns["kind"] in GENERAL]
        assert {p.columns["paraphrase"] for p in generals} == {"train"}
        half = load_preferences(source, limit=200, config={"held_out": 0.5})
        assert not any(is_held_out(p.key, 0.5) for p in half)


def test_helpful_pairs_are_about_everything() -> None:
    drawn = load_preferences("tiny:helpful")
    assert len(drawn) == 4000
    seen = Counter(p.columns["kind"] for p in drawn)
    assert set(seen) == {*KINDS, *GENERAL}
    assert sum(seen[kind] for kind in KINDS) == pytest.approx(600, abs=90)
    faults = Counter(p.columns["fault"] for p in drawn)
    assert {"off_topic", "wrong_language", "cut_off", "repeating", "wrong"} <= set(faults)
    assert not {"complied", "excused"} & set(faults)


def test_a_reasoning_pair_is_right_and_clear_against_wrong_or_not_clear() -> None:
    drawn = [p for p in load_preferences("tiny:helpful") if p.columns["kind"] in KINDS]
    for pair in drawn:
        right = f"<answer>{pair.columns['answer']}</answer>"
        chosen, rejected = (said.rpartition("</think>") for said in (pair.chosen, pair.rejected))
        assert chosen[0] == rejected[0] and chosen[2] == right != rejected[2]
        if pair.columns["fault"] == "wrong":
            assert rejected[2].removeprefix("<answer>").removesuffix("</answer>").isdigit()


def test_harmless_pairs_are_refusals_help_and_thoughts() -> None:
    drawn = load_preferences("tiny:harmless")
    asked = Counter(
        (p.columns["language"], p.columns["harmful"]) for p in drawn if p.columns["kind"] == "harm"
    )
    assert set(asked) == set(product(LANGUAGES, (True, False))) and min(asked.values()) > 700
    faults = Counter(p.columns["fault"] for p in drawn)
    least = {"needless": 900, "hidden": 350, "schemed": 400, "complied": 300, "excused": 300}
    assert all(faults[name] > count for name, count in least.items()), faults
    hidden = [p for p in drawn if p.columns["fault"] == "hidden"]
    assert all("<think>" in p.chosen and "<think>" in p.rejected for p in hidden)


def test_a_thought_or_a_tag_says_nothing_about_which_is_better() -> None:
    drawn = load_preferences("tiny:harmless")
    for tag in ("<think>", "<answer>"):
        chosen, rejected = (
            sum(tag in said for said in sides)
            for sides in zip(*[(p.chosen, p.rejected) for p in drawn], strict=True)
        )
        assert chosen > 500 and abs(chosen - rejected) < 120
