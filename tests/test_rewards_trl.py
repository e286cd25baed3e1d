"""TRL's reward functions run here unchanged, and ours run in TRL's trainer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grpo_rewards import Scorer, load_reward
from grpo_rewards.state import TrainerState
from grpo_rewards.verdict import Verdict

pytestmark = pytest.mark.slow
trl = pytest.importorskip("trl")

TINY = Path(__file__).parents[1] / "data/models/tiny-base"

FACTORIES = """
from trl.rewards import (
    get_cosine_scaled_reward, get_repetition_penalty_reward, get_soft_overlong_punishment
)
cosine = get_cosine_scaled_reward(max_len=10)
repetition = get_repetition_penalty_reward(ngram_size=2)
overlong = get_soft_overlong_punishment(max_completion_len=10, soft_punish_cache=8)
"""

TEXTS = [
    "<think>a third</think>\\boxed{\\frac{1}{3}}",
    "<think>a half</think>\\boxed{\\frac{1}{2}}",
    "\\boxed{\\frac{1}{3}} <think>then on and on",
    "no answer",
]
IDS = [[1, 2, 3, 4, 5], [7, 7, 7, 7, 7, 7], list(range(12)), [1]]
GOLD = "\\frac{1}{3}"
TURNS = [[{"role": "assistant", "content": text}] for text in TEXTS]
PROMPTS = [[{"role": "user", "content": "1/3?"}]] * 4


def by_hand() -> dict[str, list[float | None]]:
    """What TRL's functions give for TEXTS when they are simply called, by our names for them."""
    names = {}
    exec(FACTORIES, names)
    shipped = trl.rewards
    call = {"prompts": PROMPTS, "completions": TURNS, "completion_ids": IDS, "solution": [GOLD] * 4}
    functions = {
        "trl.rewards.accuracy_reward": shipped.accuracy_reward,
        "trl.rewards.reasoning_accuracy_reward": shipped.reasoning_accuracy_reward,
        "trl.rewards.think_format_reward": shipped.think_format_reward,
        **{f"mine.py:{name}": names[name] for name in ("cosine", "repetition", "overlong")},
    }
    return {name: function(**call) for name, function in functions.items()}


@pytest.fixture(scope="module")
def expected() -> dict[str, list[float | None]]:
    return by_hand()


@pytest.fixture(scope="module")
def verdicts(
    expected: dict[str, list[float | None]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Verdict]]:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(FACTORIES)
    names = {name: name.replace("mine.py", f"{folder}/mine.py") for name in expected}
    with Scorer(dict.fromkeys(names.values(), 1.0), workers=1, memory_mb=8192) as scorer:
        rows = [{"solution": GOLD}] * 4
        yield [
            Verdict(one.reward, {n: one.parts[names[n]] for n in expected}, {}, one.extra)
            for one in scorer.score(PROMPTS, TURNS, rows, token_ids=IDS)
        ]
        assert not scorer.messages


def test_what_trl_ships_gives_here_what_it_gives_there(
    expected: dict[str, list[float | None]], verdicts: list[Verdict]
) -> None:
    for name, values in expected.items():
        assert [one.parts[name] for one in verdicts] == values, name
    assert expected["trl.rewards.accuracy_reward"] == [1.0, 0.0, 1.0, 0.0]  # no idle comparison
    assert [one.reward for one in verdicts] == [
        pytest.approx(sum(values[row] or 0.0 for values in expected.values())) for row in range(4)
    ]


def test_what_trl_s_functions_note_comes_back(verdicts: list[Verdict]) -> None:
    assert [one.extra["solution"] for one in verdicts] == [GOLD] * 4
    # accuracy_reward says "[unparseable]" in the same column; the later reward's note stands
    assert verdicts[3].extra["answer_parsed"] == "[incomplete reasoning]"


CONTRACT = """
def whole(prompts, completions, **rest):
    state, log_extra, log_metric = (rest[n] for n in ("trainer_state", "log_extra", "log_metric"))
    for at, completion in enumerate(completions):
        log_extra("length", [len(rest["completion_ids"][at])])  # bit by bit, as TRL extends
    log_extra("names", [sorted(rest)] * len(prompts))
    log_metric("progress", state.global_step / state.max_steps)
    log_metric("epoch", state.epoch)
    return [1.0 if completion[-1]["content"] == "7" else None for completion in completions]

def bare(completions, level):
    return level

async def later(completions, trainer_state, **kwargs):
    import asyncio
    await asyncio.sleep(0)
    return [trainer_state.global_step] * len(completions)
"""


def test_a_function_is_called_with_all_that_trl_calls_it_with(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONTRACT)
    whole, bare, later = (f"{tmp_path}/mine.py:{name}" for name in ("whole", "bare", "later"))
    turns = [[{"role": "assistant", "content": text}] for text in ("7", "8")]
    columns = [{"answer": "7", "level": 1, "completions": "a column"}, {"answer": "7", "level": 2}]
    state = TrainerState(global_step=3, max_steps=4, epoch=1.5)
    with Scorer({whole: 1.0, bare: 1.0, later: 1.0}, workers=1) as scorer:
        one, two = scorer.score(["q"] * 2, turns, columns, token_ids=[[5, 6], [5]], state=state)
        assert scorer.take_metrics() == {"progress": [0.75], "epoch": [1.5]}
        assert scorer.take_metrics() == {}
        assert not scorer.messages
    assert (one.parts, two.parts) == (
        {whole: 1, bare: 1, later: 3},
        {whole: None, bare: 2, later: 3},
    )
    passed = ["answer", "completion_ids", "level", "log_extra", "log_metric", "trainer_state"]
    assert one.extra == {"length": 2, "names": passed}
    assert two.extra == {"length": 1, "names": passed}


def test_ours_train_in_trl_s_trainer(tmp_path: Path) -> None:
    from datasets import Dataset

    (tmp_path / "mine.py").write_text(
        "async def brevity(completions, completion_ids, target, **columns):\n"
        "    return [min(1.0, target / len(ids)) for ids in completion_ids]\n"
    )
    mine = load_reward(f"{tmp_path}/mine.py:brevity", target=4)
    rewards = [load_reward("accuracy"), load_reward("format", variant="r1"), mine]
    prompts = [[{"role": "user", "content": f"{n} + 4 = ?"}] for n in range(4)]
    trainer = trl.GRPOTrainer(
        model=str(TINY),
        reward_funcs=rewards,
        args=trl.GRPOConfig(
            output_dir=str(tmp_path / "out"), report_to=[], use_cpu=True, max_steps=2,
            per_device_train_batch_size=4, num_generations=2, max_completion_length=8,
            logging_steps=1, save_strategy="no", seed=0,
        ),
        train_dataset=Dataset.from_dict(
            {"prompt": prompts, "answer": [str(n + 4) for n in range(4)]}
        ),
    )  # fmt: skip
    trainer.train()
    logs: list[dict[str, Any]] = [log for log in trainer.state.log_history if "reward" in log]
    assert len(logs) == 2
    for log in logs:
        assert log["rewards/accuracy/mean"] == log["rewards/format/mean"] == 0.0  # 8 tokens
        assert log["rewards/brevity/mean"] >= 0.5
        assert log["accuracy/timeout"] == log["accuracy/error"] == 0.0
        assert 0.0 <= log["accuracy/unparseable"] <= 1.0
    outcomes = trainer._logs["extra"]["accuracy/outcome"]
    assert outcomes and set(outcomes) <= {"wrong", "unparseable"}
