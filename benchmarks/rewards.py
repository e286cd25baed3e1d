"""Throughput of `accuracy` beside math-verify alone, on the same completions and on one core.

Each contender runs in a process of its own, so that no cache is shared, and in every round all of
them judge the same completions, which no round before has seen. The rounds are interleaved, and a
ratio is taken within a round, so that a slow minute of the machine hits everybody. What groups add
(one reference for many completions, hence more hits in the caches) is left out: every completion
here has its own reference.

    python benchmarks/rewards.py --n 200 --rounds 9 --out rewards.json
"""

import json
import os
import platform
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

SHARED = Path(__file__).parents[2] / "shared" / "data"
PACKAGES = ("math-verify", "sympy", "latex2sympy2_extended")
TARGETS = {"gsm8k": 10.0, "math": 3.0}
RESAMPLES = 2000


@dataclass(frozen=True)
class Row:
    """One completion, its reference, and whether its answer is the reference.

    >>> Row("<think>3 + 4 = 7</think><answer>7</answer>", "7", is_right=True)
    """

    text: str
    gold: str
    is_right: bool


@dataclass(frozen=True)
class Round:
    """What one contender needed for one round (by the wall clock, and of the processor's time, its
    worker's included), and whom it paid.

    >>> Round(seconds=0.52, cpu_s=0.49, paid=[True, False, True, False])
    """

    seconds: float
    cpu_s: float
    paid: list[bool]


# Contenders: each judges (texts, golds) and says whom it pays.


def scorer(texts: list[str], golds: list[str]) -> list[bool]:
    """Ours as a run uses it: at once where that is safe, else in a worker that can be killed."""
    verdicts = _STATE["scorer"].score([""] * len(texts), texts, [{"answer": g} for g in golds])
    return [verdict.reward == 1.0 for verdict in verdicts]


def in_process(texts: list[str], golds: list[str]) -> list[bool]:
    """Ours without the worker: what the judging itself costs. Not for untrusted text."""
    from grpo_rewards.verdict import Sample

    rows = zip(texts, golds, strict=True)
    judged = [_STATE["accuracy"].judge(Sample("", text, {"answer": gold})) for text, gold in rows]
    return [one.value == 1.0 for one in judged]


def math_verify(texts: list[str], golds: list[str]) -> list[bool]:
    """math-verify on the whole completion, a box going before all else it may find there."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    where = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    rows = zip(texts, golds, strict=True)
    return [verify(parse(rf"\boxed{{{gold}}}"), parse(text, where)) for text, gold in rows]


def math_verify_told(texts: list[str], golds: list[str]) -> list[bool]:
    """math-verify shown nothing but the answer block: what is left once the search is spared."""
    return math_verify([text.partition("<answer>")[2] for text in texts], golds)


CONTENDERS: dict[str, Callable[[list[str], list[str]], list[bool]]] = {
    "Scorer": scorer,
    "accuracy in process": in_process,
    "math-verify": math_verify,
    "same, answer only": math_verify_told,
}
BASELINE = "math-verify"
_STATE: dict[str, Any] = {}


def _open(name: str) -> None:
    """Start one contender and pay for its imports; runs in the contender's own process."""
    from grpo_rewards import Scorer
    from grpo_rewards.table import find, load

    if name == "Scorer":
        _STATE["scorer"] = Scorer({"accuracy": 1.0}, workers=1)
    _STATE["accuracy"] = load(find("accuracy"))
    CONTENDERS[name]([r"<think>a</think><answer>\boxed{\frac{1}{2}+x}</answer>"], ["x+0.5"])


def _round(name: str, texts: list[str], golds: list[str]) -> Round:
    start, cpu_start = time.perf_counter(), _cpu_s()
    paid = CONTENDERS[name](texts, golds)
    return Round(time.perf_counter() - start, _cpu_s() - cpu_start, paid)


def _cpu_s() -> float:
    """Processor seconds of this process and of the workers that live now."""
    workers = _STATE["scorer"].worker_pids if "scorer" in _STATE else ()
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers]
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


# What is judged.


def gsm8k(folder: Path) -> list[Row]:
    """GSM8K's solutions as thoughts, without the calculator's marks; its answers are numbers."""
    rows = _read(folder / "gsm8k" / "train.jsonl")
    split = [re.sub(r"<<.*?>>", "", row["answer"]).split("\n#### ") for row in rows]
    return _half_wrong([thought for thought, _ in split], [gold for _, gold in split])


def math(folder: Path) -> list[Row]:
    """MATH's solutions as thoughts, their boxes opened; its answers are what they are."""
    rows = _read(folder / "math" / "test.jsonl")
    thoughts = [row["solution"].replace(r"\boxed", "") for row in rows]
    return _half_wrong(thoughts, [row["answer"] for row in rows])


def tiny_world(_: Path) -> list[Row]:
    """The project's own problems, for for where the benchmark files are not."""
    from grpo_data.sources import load_problems

    problems = load_problems("tiny:all", limit=4000)
    thoughts = [". ".join(problem.columns["steps"]) for problem in problems]
    return _half_wrong(thoughts, [problem.answer for problem in problems])


SETS: dict[str, Callable[[Path], list[Row]]] = {"gsm8k": gsm8k, "math": math, "tiny": tiny_world}


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _half_wrong(thoughts: Sequence[str], golds: Sequence[str]) -> list[Row]:
    """R1's layout; every second row gives the answer of another, one that is written otherwise."""
    rng, rows = random.Random("rewards"), []
    for number, (thought, gold) in enumerate(zip(thoughts, golds, strict=True)):
        is_right, answer = number % 2 == 0, gold
        while not is_right and answer == gold:
            answer = rng.choice(golds)
        text = f"<think>{thought}</think>\n<answer>\\boxed{{{answer}}}</answer>"
        rows.append(Row(text, gold, is_right))
    rng.shuffle(rows)
    return rows


# The measurement.


def measure(rows: Sequence[Row], rounds: int) -> dict[str, list[Round]]:
    """The rounds of every contender, the order turned each time.

    The rows are dealt to one part more than there are rounds: with the first part everybody warms
    up (workers start, parsers fill their tables), and it does not count.
    """
    names, size = list(CONTENDERS), len(rows) // (rounds + 1)
    pools = {name: ProcessPoolExecutor(1, get_context("spawn"), _open, (name,)) for name in names}
    found: dict[str, list[Round]] = {name: [] for name in names}
    for part in range(rounds + 1):
        mine = rows[part * size : (part + 1) * size]
        texts, golds = [row.text for row in mine], [row.gold for row in mine]
        for name in names[part % len(names) :] + names[: part % len(names)]:
            found[name].append(pools[name].submit(_round, name, texts, golds).result())
    for pool in pools.values():
        pool.shutdown()
    return {name: timed[1:] for name, timed in found.items()}


def summary(rows: Sequence[Row], found: dict[str, list[Round]]) -> dict[str, dict[str, float]]:
    """What the rounds say of each contender; `rows` are those that were judged in them.

    Completions a second and the ratio to math-verify are medians over the rounds, the ratio with a
    95% interval; `ratio_in_all` and `cpu_ratio` compare the sums, so that no slow sample is lost.
    `right` and `agrees` are the shares of verdicts that are true and that are math-verify's.
    """
    baseline = found[BASELINE]
    told = {name: [p for one in rounds for p in one.paid] for name, rounds in found.items()}
    truth = [row.is_right for row in rows]
    table = {}
    for name, rounds in found.items():
        pairs = zip(baseline, rounds, strict=True)
        ratios = [theirs.seconds / ours.seconds for theirs, ours in pairs]
        low, high = _interval(ratios)
        table[name] = {
            "completions_per_s": statistics.median(len(r.paid) / r.seconds for r in rounds),
            "ratio": statistics.median(ratios),
            "ratio_low": low,
            "ratio_high": high,
            "ratio_in_all": _total(baseline, "seconds") / _total(rounds, "seconds"),
            "cpu_ratio": _total(baseline, "cpu_s") / _total(rounds, "cpu_s"),
            "right": _share(told[name], truth),
            "agrees": _share(told[name], told[BASELINE]),
        }
    return table


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95% bootstrap interval of the median, by drawing the rounds again."""
    rng = random.Random(0)
    draws = (rng.choices(values, k=len(values)) for _ in range(RESAMPLES))
    medians = sorted(map(statistics.median, draws))
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def _total(rounds: Sequence[Round], what: str) -> float:
    return sum(getattr(one, what) for one in rounds)


def _share(first: Sequence[bool], second: Sequence[bool]) -> float:
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


# What is said.


def machine() -> dict[str, Any]:
    """The processor, the versions, and how busy the machine was at the start."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def rendered(name: str, table: dict[str, dict[str, float]]) -> Table:
    """One set's table for the terminal."""
    target = f", wanted {TARGETS[name]:g}x" if name in TARGETS else ""
    shown = Table(title=f"{name}{target}", title_justify="left", box=None, pad_edge=False)
    shown.add_column("on one core")
    for column in ("per s", "ratio", "95%", "in all", "of CPU", "right", "agrees"):
        shown.add_column(column, justify="right")
    for contender, row in table.items():
        interval = f"{row['ratio_low']:.1f}-{row['ratio_high']:.1f}"
        shares = (f"{row['right']:.1%}", f"{row['agrees']:.1%}")
        sums = (f"{row['ratio_in_all']:.1f}", f"{row['cpu_ratio']:.1f}")
        speed, ratio = f"{row['completions_per_s']:,.0f}", f"{row['ratio']:.1f}"
        shown.add_row(contender, speed, ratio, interval, *sums, *shares)
    return shown


def main(
    n: Annotated[int, typer.Option(min=1, help="Completions a round.")] = 200,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds.")] = 9,
    data: Annotated[Path, typer.Option(help="Folder of gsm8k/ and math/.")] = SHARED,
    out: Annotated[Path | None, typer.Option(help="Where the numbers go, as JSON.")] = None,
) -> None:
    """Measure, print a table a set, and write one JSON file."""
    console = Console(highlight=False, width=80)
    about = machine()
    console.print(", ".join(f"{key} {value}" for key, value in about.items()))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    names = ("gsm8k", "math") if data.is_dir() else ("tiny",)
    results = {}
    for name in names:
        rows = SETS[name](data)[: n * (rounds + 1)]
        size = len(rows) // (rounds + 1)
        judged = rows[size : size * (rounds + 1)]
        results[name] = summary(judged, measure(rows, rounds))
        console.print("", rendered(name, results[name]))
    if out:
        out.write_text(json.dumps({"machine": about, "n": n, "rounds": rounds, "sets": results}))


if __name__ == "__main__":
    typer.run(main)
