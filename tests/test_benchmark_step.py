"""The yardstick measures what it says: turns, ratios, shares, lines, needs; and both sides run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

ROOT = Path(__file__).parents[1]
BASE = ROOT / "data" / "models" / "tiny-base"
sys.path.insert(0, str(ROOT / "benchmarks"))

from scaling_tables import placed  # noqa: E402
from step.baseline import compared, shares  # noqa: E402
from step.endless import endless  # noqa: E402
from step.fit import fit  # noqa: E402
from step.learnt import difference, taken, verdict  # noqa: E402
from step.need import counted, needs  # noqa: E402
from step.ratios import Ratio, ratio  # noqa: E402
from step.spec import Spec, our_problems, their_problems, write_problems  # noqa: E402
from step.spread import spread  # noqa: E402
from step.stacks import place_of  # noqa: E402
from step.summary import line_of  # noqa: E402
from step.theirs import Clock  # noqa: E402

from grpo_data.mixture import Stream  # noqa: E402
from grpo_data.sources import load_problems  # noqa: E402


def step(seconds: float, **parts: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "parts": parts,
        "completion_tokens": 100.0,
        "peak_bytes": int(seconds * 1e9),
        "gpu_peak_bytes": 0,
        "reward": 0.5,
        "live": 1.0,
    }


def run(ours: list[float], trl: list[float]) -> dict[str, Any]:
    """A run whose first step, the warm-up, is slow."""
    steps = {
        "ours": [step(s, sampling=s / 2) for s in (99.0, *ours)],
        "trl": [step(s, sampling=s / 4) for s in (99.0, *trl)],
    }
    roof = {"float32_gflops": 50.0}
    return {"name": "x", "warmup": 1, "place": {"device": "a"}, "roof": roof, "steps": steps}


# --- ratios ---


def test_a_ratio_is_of_medians_and_its_interval_of_the_turns() -> None:
    # medians 6 and 2
    found = ratio([6.0, 4.0, 8.0], [2.0, 1.0, 4.0])
    assert found.value == 3.0
    # whatever turns are drawn, a median over another is one of 4/1, 6/2, 8/4: turns stay together
    assert (found.low, found.high) == (2.0, 4.0)
    assert ratio([6.0, 4.0], [3.0, 2.0]) == Ratio(2.0, 2.0, 2.0)
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])


def test_lines_leave_the_warm_up_out_and_say_how_much_better_ours_is() -> None:
    found = run([1.0, 1.0, 2.0], [2.0, 2.0, 4.0])
    assert line_of(found, "step").values == {"ours": 1.0, "trl": 2.0}
    assert line_of(found, "step").ratio == Ratio(2.0, 2.0, 2.0)
    # 0.5 s of ours, 2/4 s of TRL's
    assert line_of(found, "sampling").ratio == Ratio(1.0, 1.0, 1.0)
    # 100/1 against 100/2 tokens a second: twice as many, not half
    assert line_of(found, "tokens a second").ratio == Ratio(2.0, 2.0, 2.0)
    # peaks at the last step: 2 and 4 GB
    assert line_of(found, "peak memory").values == {"ours": 2.0, "trl": 4.0}
    assert line_of(found, "peak memory").ratio == Ratio(2.0, 2.0, 2.0)
    assert line_of(found, "all else").values == {"ours": 0.5, "trl": 1.5}
    # neither side has it: no ratio of nothing
    assert line_of(found, "weight sync").ratio is None


def test_ours_got_slower_only_beyond_the_noise() -> None:
    before = run([1.0, 1.1, 1.2], [2.0, 2.2, 2.4])
    # 0.5 of TRL's in each turn; 1.1 s at 50 GFLOP/s
    assert shares(before)["of_trl"] == Ratio(0.5, 0.5, 0.5)
    assert shares(before)["in_products"].value == pytest.approx(55.0)
    made = {name: vars(share) for name, share in shares(before).items()}
    kept = {"x": {"place": {"device": "a"}, **made}}
    slow_machine = run([10.0, 11.0, 12.0], [20.0, 22.0, 24.0])
    noisy = run([1.0, 1.5, 0.8], [2.0, 2.0, 2.0])
    slower = run([1.5, 1.6, 1.7], [2.0, 2.2, 2.4])
    assert [compared(now, kept)[1] for now in (slow_machine, noisy, slower)] == [False, False, True]
    assert "SLOWER" in compared(slower, kept)[0]
    assert "faster" in compared(run([0.5, 0.5, 0.5], [2.0, 2.0, 2.0]), kept)[0]
    assert "no baseline" in compared(slower, {})[0]
    assert compared({**slower, "place": {"device": "b"}}, kept) == (
        "x: the baseline is of a",
        False,
    )
    # without TRL's side the matrix products count: 10 times the time on the same machine
    alone = {**slow_machine, "steps": {"ours": slow_machine["steps"]["ours"]}}
    assert compared(alone, kept)[1]


# --- what is asked of both ---


def test_both_sides_meet_the_same_problems_in_the_same_order(tmp_path: Path) -> None:
    spec = Spec(str(BASE), "tiny:all", prompts=3, steps=4, seed=7)
    write_problems(spec, tmp_path)
    ours = Stream(load_problems(str(our_problems(tmp_path))), seed=7)
    met = [problem.question for s in range(4) for problem in ours.batch(s, 3)]
    rows = [json.loads(line) for line in their_problems(tmp_path).read_text().splitlines()]
    assert [row["question"] for row in rows] == met


def test_an_endless_model_ends_with_a_token_that_no_prompt_holds(tmp_path: Path) -> None:
    folder = endless(BASE, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = [{"role": "user", "content": "Add 5."}]
    told = AutoTokenizer.from_pretrained(BASE).apply_chat_template(asked, tokenize=False)
    assert tokenizer.apply_chat_template(asked, tokenize=False) == told
    assert tokenizer.eos_token == "<|system|>"
    assert tokenizer.pad_token == "<|pad|>"
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text())["eos_token_id"] == 2
    assert json.loads((BASE / "config.json").read_text())["eos_token_id"] == 1
    assert (folder / "model.safetensors").resolve() == BASE / "model.safetensors"


def test_the_reward_without_meaning_tells_completions_apart() -> None:
    said = [[{"role": "assistant", "content": text}] for text in ("7", "8", "7")]
    first, second, third = spread(["?"] * 3, said)
    assert first == third != second
    assert all(0 <= value <= 1 for value in (first, second))


def test_a_part_does_not_count_what_is_timed_inside_it() -> None:
    clock = Clock()
    inner = clock.timed(lambda: time.sleep(0.05), "sync")
    outer = clock.timed(lambda: (time.sleep(0.02), inner(), inner()), "sampling")
    outer()
    assert clock.seconds["sync"] >= 0.1
    assert 0.02 <= clock.seconds["sampling"] < 0.1


# --- learning, growth, needs ---


def test_sides_differ_where_the_interval_leaves_0_out() -> None:
    # variances 0.01 and 0.01; half = t(4) sqrt(0.01 * 2/3) = 2.776 * 0.08165 = 0.2267
    found = difference("all", [0.4, 0.5, 0.6], [0.3, 0.4, 0.5])
    assert found.low == pytest.approx(0.1 - 0.2267, abs=1e-4)
    assert found.high == pytest.approx(0.1 + 0.2267, abs=1e-4)
    assert found.within_noise
    assert not difference("all", [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]).within_noise
    with pytest.raises(ValueError):
        difference("all", [0.4], [0.3, 0.4])


def test_the_verdict_looks_at_the_end_too() -> None:
    def side(*ends: float) -> list[dict[str, Any]]:
        return [{"steps": [{"reward": 0.5}] * 7 + [{"reward": end}]} for end in ends]

    ours = [*side(0.50, 0.52, 0.54)]
    # 8 steps: the last quarter is 2 of them
    assert "3 seeds a side: within noise" in verdict({"ours": ours, "trl": ours})
    assert "not within noise" in verdict({"ours": ours, "trl": side(0.1, 0.12, 0.14)})
    assert "no test" in verdict({"ours": ours[:1], "trl": ours[:1]})


def test_training_times_leave_the_first_step_out() -> None:
    def side(*seconds: float) -> list[dict[str, Any]]:
        return [{"steps": [{"seconds": 99.0, "live": 1.0}, {"seconds": s, "live": 0.5}]}
                for s in seconds]  # fmt: skip

    said = taken({"ours": side(1.0, 2.0, 4.0), "trl": side(3.0, 8.0, 8.0)})
    assert "2 s of ours and 8 s" in said
    assert "3.00 times as long (2.00 to 4.00); 75% of the groups taught" in said


def test_a_line_s_largest_miss_is_a_share() -> None:
    exact = fit([100, 200, 400], [1.5, 2.5, 4.5])
    assert exact.start == pytest.approx(0.5) and exact.slope == pytest.approx(0.01)
    assert exact.deviation == pytest.approx(0.0, abs=1e-9)
    assert fit([1, 2, 3, 4], [1.0, 2.0, 3.0, 8.0]).deviation > 0.15


def test_the_floor_is_the_longer_of_operations_and_bytes() -> None:
    row = {
        "flops/drawing": 2e9,
        "flops/reference": 2e9,
        "flops/policy": 6e9,
        "completions/max_length": 100.0,
        "time/sampling": 3.0,
        "time/logprobs": 1.0,
        "time/update": 2.0,
    }
    roof = {"float32_gflops": 10.0, "copy_gbs": 5.0}
    draw, reference, policy = needs(counted([row, row], 40_000_000), roof, "float32")
    # 2/10 s of operations; 0.04 GB read 100 times at 5 GB/s is 0.8 s
    assert (draw.floor, draw.seconds) == (pytest.approx(0.8), 3.0)
    # 0.2 s of operations, 0.008 s of bytes
    assert reference.floor == pytest.approx(0.2)
    # 0.6 s; forward, backward and the optimizer's seven passes are 0.36 GB, 0.072 s
    assert (policy.floor, policy.gbytes) == (pytest.approx(0.6), pytest.approx(0.36))


def test_a_stack_belongs_to_its_innermost_known_place() -> None:
    space: dict[str, Any] = {}
    inner = "def forward(f):\n    return f()\n"
    exec(compile(inner, "/x/site-packages/vllm/v1/attention/backends/cpu.py", "exec"), space)
    forward = space["forward"]
    outer = "def step(f, g):\n    return f(g)\n"
    exec(compile(outer, "/x/site-packages/vllm/v1/engine/core.py", "exec"), space)
    assert space["step"](forward, lambda: place_of(sys._getframe())) == "engine: attention"
    assert space["step"](lambda f: f(), lambda: place_of(sys._getframe())).startswith("engine: req")
    assert place_of(None) == "elsewhere"


def test_a_table_finds_its_place_by_either_end() -> None:
    page = "a\n<!-- bench -->\nold\n<!-- end bench -->\nb\n<!-- x -->\n<!-- end -->\n"
    found = placed(placed(page, "bench", "new"), "x", "|1|")
    assert found == (
        "a\n<!-- bench -->\n\nnew\n\n<!-- end bench -->\nb\n<!-- x -->\n\n|1|\n\n<!-- end -->\n"
    )


@pytest.mark.slow
def test_both_sides_run_and_say_the_same_of_a_step(tmp_path: Path) -> None:
    """With our plain engine, for the sake of time; the numbers are no measurement."""
    out = tmp_path / "run.json"
    words = ["tiny-float32", "--steps", "1", "--warmup", "1", "--prompts", "2", "--group", "2"]
    words += ["--max-tokens", "8", "--no-ends", "--our", "sampler.engine=plain", "--out", str(out)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "rewards"), str(ROOT / "data")])
    done = subprocess.run(
        [sys.executable, "benchmarks/step_time.py", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    written = json.loads(out.read_text())
    assert written["place"]["versions"]["trl"] and written["roof"]["float32_gflops"] > 0
    for made in written["steps"].values():
        assert [one["completion_tokens"] for one in made] == [32.0, 32.0]
        assert all(one["live"] == 1.0 and one["peak_bytes"] > 10**8 for one in made)
        for one in made:
            assert {"sampling", "rewards", "logprobs", "update"} <= one["parts"].keys()
            assert sum(one["parts"].values()) <= one["seconds"] * 1.001
