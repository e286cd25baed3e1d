"""Programs that would rather be paid than be right: each is paid nothing, and harms nothing."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jails
import pytest

from grpo_rewards.sandbox import FunctionTests, ScriptTests

pytestmark = pytest.mark.slow

ZERO = "\ndef add(a, b):\n    return 0\n"
RIGHT = "def add(a, b):\n    return a + b\n"

FORGERIES = {
    "leaves before the tests": "import os\nos._exit(0)",
    "exits before the tests": "import sys\nsys.exit(0)",
    "exits by the built-in": "exit(0)",
    "leaves during a test": "def add(a, b):\n    import os\n    os._exit(0)",
    "exits during a test": "def add(a, b):\n    raise SystemExit(0)",
    "prints what a pass prints": """
import os, sys
said = b'{"passed": 1, "total": 1, "state": "judged"}'
for fd in range(64):
    for data in (said, len(said).to_bytes(4, "big") + said, b"OK", b"1 passed"):
        try:
            os.write(fd, data)
        except OSError:
            pass
print("Ran 1 test in 0.001s\\n\\nOK", file=sys.stderr)
"""
    + ZERO,
    "forges answers to come": """
import os
true = b'{"value": true}'
for fd in range(3, 64):
    try:
        os.write(fd, (len(true).to_bytes(4, "big") + true) * 9)
    except OSError:
        pass
"""
    + ZERO,
    "replaces the built-ins": """
import builtins
class Never(BaseException):
    pass
builtins.AssertionError = Never
builtins.isinstance = builtins.all = builtins.bool = lambda *given: True
builtins.exit = builtins.quit = lambda *given: None
"""
    + ZERO,
    "replaces unittest": """
import unittest
for name in dir(unittest.TestCase):
    if name.startswith("assert"):
        setattr(unittest.TestCase, name, lambda *given, **named: None)
unittest.TestResult.wasSuccessful = lambda self: True
"""
    + ZERO,
    "defines the check": "def check(candidate):\n    pass\n" + ZERO,
    "equals everything": """
class Yes:
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = lambda *given: True
def add(a, b):
    return Yes()
""",
    "is an int that equals everything": """
class Yes(int):
    __eq__ = lambda self, other: True
    __hash__ = int.__hash__
def add(a, b):
    return Yes(0)
""",
    "is a tuple of everything": """
class Yes(tuple):
    __eq__ = lambda self, other: True
    __hash__ = tuple.__hash__
def add(a, b):
    return Yes()
""",
    "works at exit": """
import atexit, os
atexit.register(lambda: os.write(1, b'{"passed": 1, "total": 1, "state": "judged"}'))
"""
    + ZERO,
    "looks for the tests in frames, modules and objects": """
import gc, sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for values in (frame.f_locals, frame.f_globals):
            for name in ("passed", "total", "tests", "verdict", "expected"):
                if name in values:
                    return values[name]
        frame = frame.f_back
    for one in gc.get_objects():
        if isinstance(one, dict) and "def check" in str(one.get("tests", "")):
            one["tests"] = []
    for module in list(sys.modules.values()):
        for name in ("judged", "_passes", "_verdict"):
            if hasattr(module, name):
                setattr(module, name, lambda *given: True)
    return 0
""",
    "traces": """
import sys
def trace(frame, event, given):
    for name in ("value", "result", "request"):
        frame.f_locals[name] = 7
    return trace
sys.settrace(trace)
sys.setprofile(trace)
"""
    + ZERO,
    "rewrites the harness it runs in": """
import sys
from grpo_rewards.sandbox.inside import candidate, judge, plain, wire
plain.encode = lambda value, refer: {"value": True}
judge.judged = lambda *given: {"passed": 1, "total": 1, "state": "judged"}
wire.send(sys.stdout.buffer, {"passed": 1, "total": 1, "state": "judged"})
"""
    + ZERO,
    "answers from a thread": """
import os, threading
def shout():
    said = b'{"value": 7}'
    while True:
        for fd in range(3, 16):
            try:
                os.write(fd, len(said).to_bytes(4, "big") + said)
            except OSError:
                pass
threading.Thread(target=shout, daemon=True).start()
"""
    + ZERO,
    "closes every descriptor": "import os\nos.closerange(0, 64)" + ZERO,
    "sends a message without end": """
import os
for fd in range(3, 16):
    try:
        os.write(fd, b"\\xff\\xff\\xff\\xff")
    except OSError:
        pass
"""
    + ZERO,
    "sends brackets without end": """
import os
said = b"[" * 50_000
for fd in range(3, 16):
    try:
        os.write(fd, len(said).to_bytes(4, "big") + said)
    except OSError:
        pass
"""
    + ZERO,
    "is no number": "def add(a, b):\n    return float('nan')",
    "does nothing": "pass",
    "defines another name": "def plus(a, b):\n    return a + b",
}

HARM = {
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "fork bomb in a shell": "import os\nwhile True:\n    os.system(':(){ :|:& };:')",
    "daemon": """
import os, time
try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
except OSError:
    pass
"""
    + ZERO,
    "threads": """
import threading, time
threading.stack_size(32768)
try:
    while True:
        threading.Thread(target=time.sleep, args=(600,)).start()
except RuntimeError:
    pass
"""
    + ZERO,
    "endless loop": "while True:\n    pass",
    "endless loop in a call": "def add(a, b):\n    while True:\n        pass",
    "endless loop in C": "7 ** 10**9",
    "deaf to signals": """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""",
    "memory bomb": "held = []\nwhile True:\n    held.append(bytearray(10**7))",
    "memory bomb in a call": "def add(a, b):\n    return 'x' * 10**11",
    "shared memory": "import mmap\nheld = []\nwhile True:\n    held.append(mmap.mmap(-1, 10**7))",
    "endless output": "while True:\n    print('x' * 10**5)",
    "endless answer": "def add(a, b):\n    return ['x' * 10**6] * 60",
    "huge file": """
with open("big", "wb") as file:
    while True:
        file.write(bytes(10**6))
""",
    "a million files": "for number in range(10**6):\n    open(str(number), 'w').close()",
    "deep recursion": """
import sys
sys.setrecursionlimit(10**9)
def add(a, b):
    return add(a, b)
""",
    "deep answer": """
deep = []
for _ in range(10**5):
    deep = [deep]
def add(a, b):
    return deep
""",
    "its own killer": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nos.abort()",
}


@pytest.mark.parametrize("program", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_pass_pays_nothing(program: str) -> None:
    report = jails.judged(program)
    assert (report.outcome == "correct", report.share) == (False, 0.0)


@pytest.mark.parametrize("program", HARM.values(), ids=HARM)
def test_harm_pays_nothing_ends_in_time_and_leaves_no_process(program: str) -> None:
    began = time.monotonic()
    report = jails.judged(program)
    assert (report.outcome == "correct", report.share) == (False, 0.0)
    assert time.monotonic() - began < jails.LIMITS.wall_s + 6
    assert jails.left_behind() == []


def test_the_table_refuses_because_of_what_the_programs_do() -> None:
    assert jails.judged(RIGHT).outcome == "correct"


def test_unittest_and_bare_asserts_are_no_easier_to_replace() -> None:
    case = """
import unittest
class Adds(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(add(3, 4), 7)
"""
    for tests in map(FunctionTests, [(case,), ("assert add(3, 4) == 7",)]):
        assert jails.judged(RIGHT, tests).outcome == "correct"
        for name in ("replaces the built-ins", "replaces unittest", "equals everything"):
            assert jails.judged(FORGERIES[name], tests).outcome == "wrong"


def test_one_that_sleeps_is_killed_at_the_deadline() -> None:
    limits = jails.Limits(cpu_s=1, wall_s=1.5, memory_mb=jails.LIMITS.memory_mb)
    began = time.monotonic()
    assert jails.judged("import time\ntime.sleep(600)", limits=limits).outcome == "timeout"
    assert 1.4 < time.monotonic() - began < 7.5
    assert jails.left_behind() == []


@pytest.mark.parametrize("kind", jails.ISOLATING)
def test_nothing_of_this_machine_can_be_seen_or_changed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jail = jails.named(kind)
    monkeypatch.setenv("SECRET_TOKEN", "hf_secret")
    secret, target = tmp_path / "secret", tmp_path / "target"
    secret.write_text("hf_secret")
    hidden = [str(secret), __file__, str(Path.home() / ".ssh"), "/etc/passwd", "/etc/shadow",
              "/proc/1/environ", "/proc/self/environ", "/root/.bashrc", "/home"]  # fmt: skip
    tests = FunctionTests(
        (
            f"assert seen({hidden!r}) == []",
            "assert environment() == {}",
            f"assert written({[str(target), '/usr/x', '/harness/x', '/x', '/dev/x']!r}) == []",
            "assert kept('notes', 'for now') == 'for now'",
        )
    )
    program = """
import os
def seen(paths):
    return [path for path in paths if os.path.exists(path)]
def environment():
    return dict(os.environ)
def written(paths):
    done = []
    for path in paths:
        try:
            with open(path, "w") as file:
                file.write("was here")
            done.append(path)
        except OSError:
            pass
    return done
def kept(path, text):
    with open(path, "w") as file:
        file.write(text)
    return open(path).read()
"""
    report = tests.run(program, jail, jails.LIMITS, to_the_end=True)
    assert (report.passed, report.total) == (4, 4)
    assert not target.exists()


@pytest.mark.parametrize("kind", jails.ISOLATING)
def test_nobody_can_be_called_or_killed(kind: str) -> None:
    jail = jails.named(kind)
    hosts = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0grpo-reasoning-sandbox-test-" + str(os.getpid()))
    unix.listen()
    tests = FunctionTests(
        (
            f"assert called({hosts.getsockname()[1]}, {unix.getsockname()!r}) == []",
            f"assert killed({os.getpid()}) == []",
        )
    )
    program = """
import os, signal, socket
def done(attempts):
    names = []
    for name, attempt in attempts.items():
        try:
            attempt()
            names.append(name)
        except OSError:
            pass
    return names
def called(port, name):
    return done({
        "tcp": lambda: socket.create_connection(("127.0.0.1", port), 1),
        "unix": lambda: socket.socket(socket.AF_UNIX).connect(name),
        "name": lambda: socket.getaddrinfo("example.org", 80),
    })
def killed(pid):
    return done({
        "parent": lambda: os.kill(os.getppid(), signal.SIGKILL),
        "all": lambda: os.kill(-1, signal.SIGKILL),
        "group": lambda: os.killpg(0, signal.SIGKILL),
        "the test": lambda: os.kill(pid, signal.SIGKILL),
    })
"""
    with hosts, unix:
        report = tests.run(program, jail, jails.LIMITS, to_the_end=True)
        assert (report.passed, report.total) == (2, 2)
        for server in (hosts, unix):
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.accept()


@pytest.mark.parametrize("kind", jails.ISOLATING)
def test_every_jail_ends_its_programs(kind: str) -> None:
    jail = jails.named(kind)
    assert jails.ADD.run(RIGHT, jail, jails.LIMITS, to_the_end=False).outcome == "correct"
    ends = {"deaf to signals": "timeout", "memory bomb": "wrong", "daemon": "wrong"}
    for name, outcome in ends.items():
        report = jails.ADD.run(HARM[name], jail, jails.LIMITS, to_the_end=False)
        assert report.outcome == outcome
    assert jails.left_behind() == []


SCRIPT = ScriptTests((("3 4\n", "7\n"), ("1 1\n", "2\n")))

BAD_SCRIPTS = {
    "nothing": "pass",
    "a prefix": "a, b = map(int, input().split())\nif a > 1:\n    print(a + b)",
    "more after it": "print(sum(map(int, input().split())))\nprint('and more')",
    "all numbers": "print(*range(100))",
    "right, then a crash": "print(sum(map(int, input().split())))\n1 / 0",
    "right, then an exit code": "print(sum(map(int, input().split())))\nexit(1)",
    "output without end": "while True:\n    print('7')",
    "to stderr": "import sys\nprint(sum(map(int, input().split())), file=sys.stderr)",
}


@pytest.mark.parametrize("program", BAD_SCRIPTS.values(), ids=BAD_SCRIPTS)
def test_a_script_is_paid_for_exactly_its_output(program: str) -> None:
    assert SCRIPT.run(program, jails.best(), jails.LIMITS, to_the_end=False).outcome == "wrong"
    assert jails.left_behind() == []


@pytest.mark.parametrize("after_s", [0.0, 1.0])
def test_programs_die_with_the_worker_that_runs_them(tmp_path: Path, after_s: float) -> None:
    jail = jails.best()
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import jails
print("begins", flush=True)
jails.ADD.run("import time\\ntime.sleep(600)", jails.best(), jails.LIMITS, to_the_end=False)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path)
    assert jail.isolates and worker.stdout and worker.stdout.readline() == b"begins\n"
    _wait_until(lambda: len(jails.left_behind()) >= 2)
    time.sleep(after_s)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    _wait_until(lambda: jails.left_behind() == [])


def _wait_until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_program_cannot_become_root_again() -> None:
    tries = "import os\ntry:\n    os.setuid(0)\nexcept OSError:\n    add = lambda a, b: a + b\n"
    assert jails.judged(tries).outcome == "correct"
