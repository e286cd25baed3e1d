"""Worker processes: what hangs, dies, bloats or misbehaves costs one sample and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grpo_rewards import RewardError, Scorer, Verdict

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
GOOD = "<think>3 + 4 = 7</think><answer>7</answer>"
SLOW = "\\boxed{\\int_0^x \\frac{\\sin(t^7)\\log(1+t^5)\\sqrt{1+t^3}}{1+t^{11}e^{t^2}} dt}"
"""An answer within all bounds that sympy ponders for minutes."""

REWARDS = """
import asyncio, os, subprocess, time

def brevity(prompts, completions, **columns):
    return [1 - len(c) / 100 for c in completions]

def fussy(prompts, completions, answer, **columns):
    out = []
    for text in completions:
        if text == "hang":
            while True:
                pass
        if text == "grind":
            7 ** 10**9  # in C, where Python's own handlers do not run
        if text == "sleep":
            time.sleep(600)
        if text == "raise":
            raise KeyError("no such thing")
        if text == "exit":
            os._exit(3)
        if text == "quit":
            raise SystemExit
        if text == "bomb":
            bytearray(10**12)
        if text == "orphan":
            child = subprocess.Popen(["sleep", "600"])
            open(__file__ + ".child", "w").write(str(child.pid))
            time.sleep(600)  # with a child
        out.append({"nan": float("nan"), "word": "good", "none": None}.get(text, 0.5))
    return out[:-1] if "short" in completions else out

def always(completions, **columns):
    return [1 / 0 for _ in completions]

def batch_size(completions, **columns):
    return [float(len(completions))] * len(completions)

def process(completions, **columns):
    return [float(os.getpid())] * len(completions)

async def later(completions, **columns):
    await asyncio.sleep(0)
    return [0.25] * len(completions)
"""


def line_of(code: str) -> int:
    """The line of REWARDS that begins with `code`."""
    return [line.strip().startswith(code) for line in REWARDS.splitlines()].index(True) + 1


FUSSY = line_of("def fussy")


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(REWARDS)
    return str(path)


def score(scorer: Scorer, texts: list[str], gold: str = "7") -> list[Verdict]:
    return scorer.score(["q"] * len(texts), texts, [{"answer": gold}] * len(texts))


def test_weights_parts_and_outcomes(mine: str) -> None:
    name = f"{mine}:brevity"
    with Scorer({"accuracy": 1.0, "format": 0.5, name: 0.2}) as scorer:
        (one,) = score(scorer, [GOOD])
    brevity = 1 - len(GOOD) / 100
    assert one.parts == {"accuracy": 1.0, "format": 1.0, name: pytest.approx(brevity)}
    assert one.outcomes == {"accuracy": "correct", "format": "correct", name: "correct"}
    assert one.reward == pytest.approx(1.0 + 0.5 + 0.2 * brevity)


def test_skipped_parts_count_for_nothing() -> None:
    with Scorer({"accuracy": 1.0, "format": 0.5}) as scorer:
        (one,) = scorer.score(["q"], [GOOD], [{"answer": None}])
        assert (one.reward, one.parts["accuracy"]) == (0.5, None)
    with Scorer({"accuracy": 1.0}) as scorer:
        assert scorer.score(["q"], [GOOD], [{"answer": None}])[0].reward is None
        assert scorer.score([], [], []) == []


def test_a_tiny_step_needs_no_worker() -> None:
    texts = [GOOD, GOOD.replace(">7<", ">8<"), "7", "<think>3"] * 128
    with Scorer({"accuracy": 1.0, "format": 1.0, "language_consistency": 0.1}) as scorer:
        verdicts = score(scorer, texts)
        assert scorer.worker_pids == []
    assert [one.parts["accuracy"] for one in verdicts] == [1.0, 0.0, 0.0, 0.0] * 128


def test_algebra_is_judged_in_workers_and_in_order() -> None:
    golds = [f"(x+{n})^2" for n in range(40)]
    texts = [f"\\boxed{{x^2+{2 * n}x+{n * n if n % 3 else n * n + 1}}}" for n in range(40)]
    with Scorer({"accuracy": 1.0}) as scorer:
        verdicts = scorer.score(["q"] * 40, texts, [{"answer": gold} for gold in golds])
        assert scorer.worker_pids
    assert [one.reward for one in verdicts] == [1.0 if n % 3 else 0.0 for n in range(40)]


def test_hostile_answers_cost_their_neighbours_nothing() -> None:
    hostile = [
        "2^{2^{36}}",
        "99999999!",
        "\\binom{10^8}{5\\cdot 10^7}",
        "(" * 1_000_000,
        "{" * 10_000 + "}" * 10_000,
        "\x00" * 100,
        "\u202e7\u202d!!!!",
        "__import__('os').system('true')",
    ]
    texts = [GOOD] * 56
    for at, answer in enumerate(hostile):
        texts.insert(at * 8, f"<think>a</think><answer>{answer}</answer>")
    with Scorer({"accuracy": 1.0}) as scorer:
        verdicts = score(scorer, texts)
        assert scorer.worker_pids == []  # refused by static bounds: no parser saw them
    expected = ["correct" if text == GOOD else "unparseable" for text in texts]
    assert [one.outcomes["accuracy"] for one in verdicts] == expected


def test_slow_algebra_meets_the_deadline_and_the_rest_is_judged() -> None:
    texts = ["\\boxed{x^2+2x+1}", SLOW, "\\boxed{x(x+2)+1}", "\\boxed{x^2}"]
    with Scorer({"accuracy": 1.0}, workers=1, deadline_s=1.0) as scorer:
        verdicts = score(scorer, texts, gold="(x+1)^2")
    assert [one.outcomes["accuracy"] for one in verdicts] == [
        "correct",
        "timeout",
        "correct",
        "wrong",
    ]
    assert [one.reward for one in verdicts] == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "outcome", "message"),
    [
        ("hang", "timeout", "still running at its deadline (0.5 s of CPU)"),
        ("grind", "timeout", f"mine.py:{line_of('7 ** 10**9')}: still running"),
        ("raise", "error", f"mine.py:{line_of('raise KeyError')}: KeyError: 'no such thing'"),
        ("exit", "error", "the worker exited with code 3"),
        ("quit", "error", f"mine.py:{line_of('raise SystemExit')}: SystemExit"),
        ("bomb", "error", "out of memory"),
        ("nan", "error", f"mine.py:{FUSSY}: BadReturn: returned nan"),
        ("word", "error", f"mine.py:{FUSSY}: BadReturn: returned 'good'"),
        ("short", "error", f"mine.py:{FUSSY}: BadReturn: returned 0 values for 1 completions"),
    ],
)
def test_a_failure_costs_its_sample_and_says_where(
    mine: str, text: str, outcome: str, message: str
) -> None:
    name = f"{mine}:fussy"
    with Scorer({name: 1.0, "format": 0.5}, workers=1, deadline_s=0.5) as scorer:
        verdicts = score(scorer, ["a", text, GOOD, "none"])
        assert any(message in said for said in scorer.messages), scorer.messages
    outcomes = [one.outcomes[name] for one in verdicts]
    assert outcomes == ["correct", outcome, "correct", "skipped"]
    assert [one.parts[name] for one in verdicts] == [0.5, None, 0.5, None]
    assert [one.reward for one in verdicts] == [0.5, 0.0, 1.0, 0.0]


def test_what_sleeps_is_ended_by_the_clock_with_all_it_started(mine: str) -> None:
    name = f"{mine}:fussy"
    with Scorer({name: 1.0}, workers=1, deadline_s=0.1) as scorer:
        verdicts = score(scorer, ["a", "orphan"])
        assert [one.outcomes[name] for one in verdicts] == ["correct", "timeout"]
        here = f"mine.py:{line_of('time.sleep(600)  # with a child')}: still running"
        assert any(here in said for said in scorer.messages), scorer.messages
    assert ends(int(Path(mine + ".child").read_text()))


def test_a_user_s_function_sees_the_whole_batch_at_once(mine: str) -> None:
    with Scorer({f"{mine}:batch_size": 1.0}) as scorer:
        assert [one.reward for one in score(scorer, ["a"] * 40)] == [40.0] * 40


def test_a_coroutine_function_is_awaited(mine: str) -> None:
    with Scorer({f"{mine}:later": 1.0}) as scorer:
        assert [one.reward for one in score(scorer, ["a", "b"])] == [0.25, 0.25]


def test_a_reward_that_always_fails_stops_the_run(mine: str) -> None:
    with Scorer({f"{mine}:always": 1.0}) as scorer:
        why = rf"all 3 completions.*mine\.py:{line_of('return [1 / 0')}: ZeroDivisionError"
        with pytest.raises(RewardError, match=why):
            score(scorer, ["a", "b", "c"])
        with pytest.raises(RewardError, match="failed on all 1"):
            score(scorer, ["a"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n", "cannot be loaded: SyntaxError"),
        ("import no_such_module_of_mine\n", "cannot be loaded: ModuleNotFoundError"),
        ("g = 1\n", "has no function 'f'"),
        ("import os; os._exit(4)\n", "died while it started: the worker exited with code 4"),
    ],
)
def test_a_reward_that_cannot_be_loaded_is_told_at_the_start(
    tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    scorer = Scorer({f"{tmp_path}/broken.py:f": 1.0})
    with pytest.raises(RewardError, match=message):
        scorer.start()
    assert scorer.worker_pids == []


def test_bad_settings_are_refused(mine: str) -> None:
    with pytest.raises(RewardError, match="did you mean 'format'"):
        Scorer({"formt": 1.0})
    with pytest.raises(RewardError, match="no reward is named"):
        Scorer({})
    with pytest.raises(RewardError, match="above zero"):
        Scorer({"format": 1.0}, workers=0)
    with Scorer({"format": 1.0}) as scorer, pytest.raises(ValueError, match="got \[1, 2, 1\]"):
        scorer.score(["q"], ["a", "b"], [{}])


def test_text_no_codec_likes_travels_whole(mine: str) -> None:
    texts = ["\ud800", "\x00", "\u202e", "🙂" * 3]
    with Scorer({f"{mine}:brevity": 1.0}) as scorer:
        assert [one.reward for one in score(scorer, texts)] == [0.99, 0.99, 0.99, 0.97]


def test_large_batches_do_not_block_the_pipe(mine: str) -> None:
    texts = ["x" * 100_000] * 100
    with Scorer({f"{mine}:brevity": 1.0}) as scorer:
        assert [one.reward for one in score(scorer, texts)] == [1 - 1000.0] * 100


def test_a_worker_killed_between_batches_is_replaced(mine: str) -> None:
    with Scorer({f"{mine}:process": 1.0}, workers=1) as scorer:
        first = score(scorer, ["a"])[0].reward
        assert first == scorer.worker_pids[0] == score(scorer, ["a"])[0].reward
        os.kill(scorer.worker_pids[0], signal.SIGKILL)
        time.sleep(0.2)
        assert score(scorer, ["a"])[0].reward != first


def test_closing_leaves_no_process_and_no_file_open(mine: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Scorer({f"{mine}:fussy": 1.0}, workers=2, deadline_s=0.2) as scorer:
            score(scorer, ["a", "hang", "exit", "bomb"])
            score(scorer, ["a"])
            pids = scorer.worker_pids
        assert pids and not any(alive(pid) for pid in pids)
    assert len(os.listdir("/proc/self/fd")) == before


def test_workers_die_with_a_killed_parent(mine: str, tmp_path: Path) -> None:
    code = (
        "import sys; from grpo_rewards import Scorer\n"
        f"scorer = Scorer({{{mine + ':fussy'!r}: 1.0}}, workers=1, deadline_s=100)\n"
        "scorer.start(); print(*scorer.worker_pids, flush=True)\n"
        "scorer.score(['q'], ['sleep'], [{'answer': '7'}])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "rewards")}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
    assert ends(worker)


def test_trl_s_own_rewards_run_in_a_worker() -> None:
    pytest.importorskip("trl")
    names = ["trl.rewards.accuracy_reward", "trl.rewards.think_format_reward"]
    turns = [
        [{"role": "assistant", "content": text}]
        for text in ("<think>a</think>\\boxed{7}", "\\boxed{8}")
    ]
    with Scorer({names[0]: 1.0, names[1]: 0.5}, workers=1, memory_mb=4096) as scorer:
        verdicts = scorer.score(["q"] * 2, turns, [{"solution": "7"}] * 2)
    assert [one.reward for one in verdicts] == [1.5, 0.0]


def ends(pid: int, within_s: float = 20.0) -> bool:
    """Whether a process is gone, or goes within a time."""
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process runs (one that is dead and not reaped yet does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
