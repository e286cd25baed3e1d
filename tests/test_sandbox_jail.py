"""The jail is the best that can be built; with none the sandbox refuses; and what it may use."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import jails
import pytest

from grpo_rewards import RewardError, Scorer
from grpo_rewards.sandbox import FunctionTests, Jail, Limits, ScriptTests, backend, choose

pytestmark = pytest.mark.slow

ADD = "def add(a, b):\n    return a + b\n"


@pytest.fixture
def chosen_anew() -> Iterator[None]:
    """The choice is made again in this test, and again after it."""
    choose.cache_clear()
    yield
    choose.cache_clear()


@pytest.fixture
def bare_machine(
    chosen_anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """A machine without bubblewrap and util-linux."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


def test_bubblewrap_goes_first_and_the_log_says_so(
    chosen_anew: None, caplog: pytest.LogCaptureFixture
) -> None:
    jails.named("bubblewrap")
    caplog.set_level(logging.INFO, "grpo_rewards")
    assert [backend(), backend()] == ["bubblewrap", "bubblewrap"]
    assert caplog.messages == ["code sandbox: untrusted programs run in bubblewrap"]


def test_namespaces_go_where_there_is_no_bubblewrap(
    chosen_anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jails.named("namespaces")
    for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for tool in ("env", "setpriv", "unshare"):
            path = Path(folder, tool)
            if path.exists() and not (tmp_path / tool).exists():
                (tmp_path / tool).symlink_to(path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert backend() == "namespaces"


def test_it_refuses_where_no_jail_can_be_built(bare_machine: pytest.MonkeyPatch) -> None:
    with pytest.raises(RewardError, match=r"found no jail.*bubblewrap: No such file.*apt install"):
        choose()


def test_a_run_that_pays_for_code_stops_before_it_begins(bare_machine: pytest.MonkeyPatch) -> None:
    with Scorer({"code": 1.0}) as scorer, pytest.raises(RewardError, match="found no jail"):
        scorer.start()


def test_a_jail_that_breaks_is_an_error_and_no_wrong_answer() -> None:
    broken = Jail("broken", lambda drops_user: ["false"], drops_user=False)
    for tests in (jails.ADD, ScriptTests((("3 4", "7"),))):
        report = tests.run(ADD, broken, jails.LIMITS, to_the_end=False)
        assert (report.outcome, report.share) == ("error", 0.0)


def test_plain_limits_have_to_be_accepted_and_the_log_warns(
    bare_machine: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert backend(accept_rlimits=True) == "rlimits"
    assert "they can READ this machine's files" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_plain_limits_still_bound_a_program_and_leave_no_file() -> None:
    jail = jails.named("rlimits")
    before = sorted(Path(os.environ.get("TMPDIR", "/tmp")).glob("grpo-code-*"))
    programs = {
        ADD: "correct",
        "while True:\n    pass": "timeout",
        "held = []\nwhile True:\n    held.append(bytearray(10**7))": "wrong",
        "import os\nos.fork()": "wrong",
        "import os\nos.kill(os.getppid(), 9)": "wrong",
        "import socket\nsocket.socket()": "wrong",
        "open('a', 'w')\nimport os\nassert os.listdir() == ['a']\n" + ADD: "correct",
    }
    for program, outcome in programs.items():
        report = jails.ADD.run(program, jail, jails.LIMITS, to_the_end=False)
        assert (program, report.outcome) == (program, outcome)
    assert sorted(Path(os.environ.get("TMPDIR", "/tmp")).glob("grpo-code-*")) == before


def test_what_a_program_may_use_is_what_its_limits_say() -> None:
    limits = Limits(cpu_s=2, wall_s=30.0, memory_mb=193, files_mb=2, threads=9)
    tests = FunctionTests(
        (
            "assert used() == (2, 193 * 2**20, 2 * 2**20, 9)",
            "assert filled() == 2 * 2**20",
            # The thread that starts the others is one of the nine.
            "assert started() == 8",
        )
    )
    program = """
import resource, threading
def used():
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC)
    soft, hard = zip(*map(resource.getrlimit, kinds))
    return soft if soft == hard else None
def filled():
    total = 0
    try:
        for name in "ab":
            with open(name, "wb", buffering=0) as file:
                while True:
                    total += file.write(bytes(4096))
    except OSError:
        return total
def started():
    threading.stack_size(65536)
    count, done = 0, threading.Event()
    try:
        while True:
            threading.Thread(target=done.wait, daemon=True).start()
            count += 1
    except RuntimeError:
        done.set()
    return count
"""
    report = tests.run(program, jails.best(), limits, to_the_end=True)
    assert (report.passed, report.total) == (3, 3)


@pytest.mark.parametrize("wrong", [{"cpu_s": 0}, {"wall_s": -1.0}, {"memory_mb": 8}])
def test_limits_nobody_could_keep_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RewardError, match=r"above zero|at least 64"):
        Limits(**wrong)  # type: ignore[arg-type]


def test_a_script_may_use_threads_exit_and_much_input() -> None:
    program = """
import sys, threading
def main():
    print(sum(map(int, sys.stdin)))
threading.stack_size(2**26)
thread = threading.Thread(target=main)
thread.start()
thread.join()
exit()
"""
    # 1 + 2 + ... + 100000 = 100000 x 100001 / 2
    given = "\n".join(map(str, range(1, 100_001)))
    tests = ScriptTests(((given, "5000050000"),))
    assert tests.run(program, jails.best(), jails.LIMITS, to_the_end=False).outcome == "correct"


def test_a_thousand_calls_take_no_thousand_starts() -> None:
    tests = FunctionTests(("assert [add(n, n) for n in range(1000)][-1] == 1998",))
    began = time.monotonic()
    assert jails.judged(ADD, tests).outcome == "correct"
    assert time.monotonic() - began < 10
