"""Rewards by name, by file and by dotted path, called as TRL calls them."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from grpo_rewards import RewardError, Scorer, load_reward
from grpo_rewards.rule import RuleReward
from grpo_rewards.table import TABLE, find, load
from grpo_rewards.verdict import Judged, Sample

ROOT = Path(__file__).parents[1]
GOOD = "<think>3 + 4 = 7</think><answer>7</answer>"
BAD = "<think>3 + 4 = 7</think><answer>8</answer>"


NEEDED = {
    "length": {"target": 100},
    "reward_model": {"path": "no/such/model"},
    "soft_overlong": {"max_tokens": 100, "buffer": 10},
}
"""The knobs that must be given."""


@pytest.mark.parametrize("name", TABLE)
def test_every_line_of_the_table_is_a_reward_of_that_name(name: str) -> None:
    reward = load(find(name), NEEDED.get(name, {}))
    assert isinstance(reward, RuleReward) and reward.name == name


def test_accuracy_with_trl_s_signature() -> None:
    accuracy = load_reward("accuracy")
    prompts, completions = ["3 + 4?"] * 3, [GOOD, BAD, "\\boxed{7}"]
    trainer_kwargs = {"completion_ids": [[1]] * 3, "trainer_state": object(), "log_metric": print}
    assert accuracy(prompts, completions, answer=["7", "7", None], **trainer_kwargs) == [1, 0, None]
    assert accuracy(prompts=prompts, completions=completions, solution=["$7$"] * 3) == [1, 0, 1]
    assert accuracy.__name__ == "accuracy"  # the name of TRL's metric
    assert pickle.loads(pickle.dumps(accuracy))(["q"], [GOOD], answer=["7"]) == [1.0]


def test_accuracy_in_trl_asks_a_worker_when_algebra_is_needed() -> None:
    accuracy = load_reward("accuracy")
    texts = ["\\boxed{(x+1)^2}", "\\boxed{x^2}"]
    assert accuracy(["q"] * 2, texts, answer=["x^2+2x+1"] * 2) == [1.0, 0.0]


def test_conversations_are_read_as_trl_writes_them() -> None:
    prompts = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "三加四\uff1f"}]
    ]
    completion = [{"role": "assistant", "content": GOOD}]
    parts = [{"role": "assistant", "content": [{"type": "text", "text": GOOD}]}]
    assert load_reward("accuracy")(prompts, [completion], answer=["7"]) == [1.0]
    assert load_reward("format")(prompts, [parts]) == [1.0]
    assert load_reward("language_consistency")(prompts, [completion]) == [0.0]


def test_a_file_s_function_and_its_neighbour_file(tmp_path: Path) -> None:
    (tmp_path / "limits_of_mine.py").write_text("LIMIT = 100\n")
    (tmp_path / "my_rewards.py").write_text(
        "from limits_of_mine import LIMIT\n"
        "def brevity(prompts, completions, **columns):\n"
        "    return [1 - len(c) / LIMIT for c in completions]\n"
    )
    brevity = load_reward(f"{tmp_path}/my_rewards.py:brevity")
    assert brevity(prompts=["q"], completions=["x" * 25], answer=["7"]) == [0.75]


def test_relative_files_are_found_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("def one(completions, **columns):\n    return [1.0]\n")
    monkeypatch.chdir(tmp_path)
    assert find("mine.py:one").place == str(tmp_path / "mine.py")
    assert load_reward("mine.py:one")(completions=["a"]) == [1.0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acuracy", "did you mean 'accuracy'.*language_consistency.*file.py:function"),
        ("nothing_like_it", "unknown reward 'nothing_like_it': known are accuracy"),
        ("", "unknown reward"),
        ("no/such/file.py:f", "there is no file .*no/such/file.py"),
        ("no_such_package.mod.f", "no package 'no_such_package' is installed"),
        ("grpo_rewards.no_such_module.f", "cannot import grpo_rewards.no_such_module"),
        ("grpo_rewards.tags.no_such_function", "has no function 'no_such_function'"),
        ("grpo_rewards.tags.THINK", "has no function 'THINK'"),
    ],
)
def test_what_cannot_be_found_is_told_in_a_sentence(name: str, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        load_reward(name)


def test_trl_s_own_rewards_by_dotted_path() -> None:
    pytest.importorskip("trl")
    right = [{"role": "assistant", "content": "so \\boxed{\\frac{1}{3}}"}]
    wrong = [{"role": "assistant", "content": "<think>a</think>\\boxed{\\frac{1}{2}}"}]
    both = {"prompts": ["q", "q"], "completions": [right, wrong]}
    gold = ["\\frac{1}{3}"] * 2
    assert load_reward("trl.rewards.accuracy_reward")(**both, solution=gold) == [1.0, 0.0]
    reasoning = load_reward("trl.rewards.reasoning_accuracy_reward")
    assert reasoning(**both, solution=gold, reasoning_delimiters=["</think>"]) == [0.0, 0.0]
    assert load_reward("trl.rewards.think_format_reward")(**both) == [0.0, 1.0]


def test_neither_torch_nor_sympy_is_imported_for_the_quick_paths() -> None:
    code = (
        "import sys; from grpo_rewards import load_reward\n"
        "assert load_reward('accuracy')(['q'], ['\\\\boxed{7}'], answer=['7']) == [1.0]\n"
        "assert not {'torch', 'sympy', 'math_verify'} & set(sys.modules)\n"
    )
    environment = {"PYTHONPATH": str(ROOT / "rewards")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_one_reward_may_be_used_twice_under_two_labels(tmp_path: Path) -> None:
    (tmp_path / "me@work").mkdir()
    (tmp_path / "me@work" / "mine.py").write_text("def one(completions):\n    return [1.0]\n")
    mine = f"{tmp_path}/me@work/mine.py:one"
    for name, attribute in [
        ("format@strict", "format"),
        (mine, "one"),
        (f"{mine}@a-2", "one"),
        ("json.dumps@x", "dumps"),
    ]:
        target = find(name)
        assert (target.name, target.attribute) == (name, attribute)
    with Scorer({"format": 1.0, "format@think": {"weight": 0.5, "variant": "think"}}) as scorer:
        (one,) = scorer.score(["q"], ["<think>a</think> b"], [{}])
    assert one.parts == {"format": 0.0, "format@think": 1.0}
    assert one.reward == 0.5
    with pytest.raises(RewardError, match="unknown reward 'formt@think': did you mean 'format'"):
        find("formt@think")


def test_a_rule_tells_what_the_machine_lacks_and_what_a_failure_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise RewardError("no jail here")

    def fails(sample: Sample) -> Judged:
        raise ZeroDivisionError("a defect")

    def rule() -> RuleReward:
        return RuleReward("odd", fails, check=missing, on_failure=-1.0)

    module = ModuleType("grpo_rewards_odd")
    module.odd = rule  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "grpo_rewards_odd", module)
    monkeypatch.setitem(TABLE, "odd", "grpo_rewards_odd:odd")
    scorer = Scorer({"odd": 0.5})
    (one,) = scorer.score(["q"], ["a"], [{}])
    assert (one.reward, one.outcomes) == (-0.5, {"odd": "error"})
    assert scorer.messages == {"odd: ZeroDivisionError: a defect": 1}
    with pytest.raises(RewardError, match="no jail here"):
        scorer.start()
