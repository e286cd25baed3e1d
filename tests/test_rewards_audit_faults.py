"""The audit finds what is wrong: rewards that leak, reject, hang or fail are not called sound."""

import pytest
from audits import audited, paid, rows

from grpo_rewards import RewardError
from grpo_rewards.audit.layouts import BOXED, HASHES, TAGS, THINK, Layout

pytestmark = pytest.mark.slow

MINE = r"""
import re

def says(text, gold):
    return text.count("<answer>") == 1 and text.endswith(f"<answer>{gold}</answer>")

def anywhere(completions, answer, **columns):
    return [float(gold in text) for text, gold in zip(completions, answer)]

def nothing(completions, **columns):
    return [0.0] * len(completions)

def last_box(completions, answer, **columns):
    boxes = [re.findall(r"\\boxed\{(.*?)\}", text) for text in completions]
    return [5.0 if box and box[-1] == gold else -5.0 for box, gold in zip(boxes, answer)]

def hashes(completions, answer, **columns):
    return [float(text.rpartition("#### ")[2] == gold) for text, gold in zip(completions, answer)]

def of_messages(prompts, completions, solution, **columns):
    assert all(turns[-1]["role"] == "user" for turns in prompts)
    texts = [turns[0]["content"] for turns in completions]
    return [float(says(text, gold)) for text, gold in zip(texts, solution)]

def proud(completions, answer, **columns):
    rows = zip(completions, answer)
    return [says(text, gold) and int(gold) < 41 for text, gold in rows]

def fragile(completions, answer, **columns):
    out = []
    for text, gold in zip(completions, answer):
        if "99999999!" in text:
            while True:
                pass
        if "\x00" * 100 in text:
            raise ValueError("a NUL")
        out.append(float(says(text, gold)))
    return out

def hangs(completions, **columns):
    while True:
        pass
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(MINE)
    return str(path)


def test_pay_for_the_gold_anywhere_is_found_out(mine: str) -> None:
    found = audited(f"{mine}:anywhere")
    assert found.verdict.startswith("leaks: ")
    leaks = {tally.name for tally in found.leaks}
    assert {"gold or wrong", "counted past", "gold in thought", "longer number"} <= leaks
    assert not {"wrong", "nothing", "not a number"} & leaks
    example = found.leaks[0].misjudged[0]
    assert (example.value, example.outcome) == (1.0, "correct")
    assert example.question.gold in example.text


def test_a_reward_that_pays_nobody_is_found_out(mine: str) -> None:
    found = audited(f"{mine}:nothing")
    assert found.faults[0] == "cannot tell good from bad"


def test_gold_that_is_refused_is_found_out(mine: str) -> None:
    found = audited(f"{mine}:proud")
    high = [row.answer for row in rows() if int(row.answer) >= 41]
    assert 0 < len(high) < 4
    assert found.verdict == f"rejects {len(high)} of 8 that are right"
    assert {one.question.gold for one in found.rejects[0].misjudged} == set(high)


@pytest.mark.parametrize(
    ("function", "layout"), [("last_box", BOXED), ("hashes", HASHES), ("of_messages", TAGS)]
)
def test_a_reward_is_spoken_to_as_it_understands(mine: str, function: str, layout: Layout) -> None:
    found = audited(f"{mine}:{function}")
    assert found.layout == layout.name
    assert paid(found)["gold"] == 8 and paid(found)["wrong"] == 0
    assert not found.rejects


def test_what_a_reward_fails_on_is_counted_and_shown(mine: str) -> None:
    found = audited(f"{mine}:fragile", deadline_s=0.3)
    assert (found.timeouts, found.errors) == (2, 2)
    assert found.verdict == "fails on 2 samples; hangs on 2 samples"
    assert [tally.name for tally in found.failures] == ["factorial", "nul bytes"]
    assert found.time()[2] >= 0.3
    assert any("ValueError: a NUL" in message for message in found.messages)


def test_a_reward_that_always_hangs_is_told_at_once(mine: str) -> None:
    with pytest.raises(RewardError, match="still running at its deadline"):
        audited(f"{mine}:hangs", deadline_s=0.2)


def test_trl_s_format_reward_pays_an_empty_thought() -> None:
    pytest.importorskip("trl")
    found = audited("trl.rewards.think_format_reward", judges="layout")
    assert found.layout == THINK.name
    assert {tally.name for tally in found.leaks} >= {"empty thought", "invisible thought"}
    assert not found.rejects
