"""`grpo eval` on the shipped tiny base with the plain engine: what it asks, records and refuses."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer
from typer.testing import CliRunner, Result

from grpo import cli
from grpo.checkpoint.mark import write_mark
from grpo.eval.marker import judged
from grpo.eval.result import read_result
from grpo.recipe.load import dump_recipe, parse_recipe
from grpo.recipe.shipped import shipped_model
from grpo_rewards.workers import Scorer

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parent / "fixtures" / "benchmarks"
FEW = ("--engine", "plain", "--max-tokens", "6", "runtime.threads=1")

RECIPE = """\
name: small
model: {path: tiny-base}
data: {path: "tiny:chain", size: 80, held_out: 0.5}
prompt: {user: "Solve: {question}"}
rewards: {accuracy: 1}
sampler: {max_model_len: 128, engine: plain}
stages:
  - {kind: rl, name: zero, steps: 3, sampling: {max_tokens: 9}}
  - {kind: evaluate, name: after, parent: zero, problems: 3, sampling: {max_tokens: 8}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRPO_DATA", str(FIXTURES))
    return tmp_path


def grpo(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "80"})


def evaluated(*words: object) -> dict[str, Any]:
    done = grpo("eval", "tiny-base", *words, *FEW, "--out", "r")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(Path("r/results.json").read_text())
    return found


@pytest.fixture
def run(folder: Path) -> Path:
    """A run with a checkpoint of its stage `zero`, which is the base itself."""
    base = shipped_model("tiny-base")
    assert base is not None
    checkpoint = folder / "runs/x/checkpoints/zero/step-000003"
    shutil.copytree(base, checkpoint)
    write_mark(checkpoint, None)
    stages = {"after": {"checkpoint": "checkpoints/zero/step-000003"}}
    (folder / "runs/x/manifest.json").write_text(json.dumps({"stages": stages}))
    (folder / "runs/x/recipe.yaml").write_text(dump_recipe(parse_recipe(RECIPE)))
    return folder / "runs/x"


def test_benchmarks_are_asked_in_r1_s_way_and_what_is_not_is_recorded() -> None:
    found = evaluated("--benchmarks", "math500,cmath", "-k", 2)
    math, cmath = found["benchmarks"]["math500"], found["benchmarks"]["cmath"]
    assert (math["questions"], math["k"], cmath["questions"]) == (2, 2, 1)
    assert math["source"] == str(FIXTURES / "math500.jsonl")
    assert found["deviations"] == [
        "max_tokens 6 (R1: 32,768)",
        "math500: 2 samples a question (R1: 16)",
    ]
    sampling = found["knobs"]["sampling"]
    assert (sampling["temperature"], sampling["top_p"]) == (0.6, 0.95)
    first = read_result(Path("r")).rows[0]
    assert first.prompt == (
        "<|user|>What is $2^3 \\cdot 3$?\nPlease reason step by step, and put your final answer "
        "within \\boxed{}.<|end|><|assistant|>"
    )


def test_every_knob_reaches_the_prompt_and_the_record() -> None:
    found = evaluated(
        "--benchmarks", "gsm8k", "--limit", 1, "--system", "Be brief.", "--prompt", "Q: {question}",
        "--prefill", "<think>", "--temperature", 1, "--top-p", 1, "--seed", 5, "-k", 3,
        "--stop", "</answer>", "--stop", "####", "--reward", "accuracy_lenient",
        "runtime.reward_deadline=5",
    )  # fmt: skip
    rows = read_result(Path("r")).rows
    assert len(rows) == 3
    assert rows[0].prompt.startswith("<|system|>Be brief.<|end|><|user|>Q: A tram sells")
    assert rows[0].prompt.endswith("<|assistant|><think>")
    assert found["knobs"]["seed"] == 5
    assert found["deviations"] == [
        "temperature 1 (R1: 0.6)",
        "top-p 1 (R1: 0.95)",
        "max_tokens 6 (R1: 32,768)",
        "answers end after '</answer>' or '####' (R1: at its end alone)",
        "a system text (R1: none)",
        "prompt 'Q: {question}' (R1: '{question}\\nPlease reason step by step, and put your "
        "final answer within \\\\boxed{}.')",
        "answers begin with '<think>' (R1: nothing)",
        "gsm8k: judged by accuracy_lenient (its own: accuracy)",
    ]
    assert found["knobs"]["sampling"]["stop"] == ["</answer>", "####"]
    assert found["knobs"]["judging"] == {"reward_deadline": 5.0, "reward_memory_mib": 1024}


def test_greedy_decoding_draws_the_same_whatever_the_seed() -> None:
    words = ("--benchmarks", "gsm8k", "-k", 1, "--temperature", 0)
    texts = []
    for seed in (0, 1):
        evaluated(*words, "--seed", seed)
        texts.append([row.completion for row in read_result(Path("r")).rows])
        shutil.rmtree("r")
    assert texts[0] == texts[1]


def test_the_table_fits_80_columns_and_says_what_bent_the_score() -> None:
    done = grpo("eval", "tiny-base", "--benchmarks", "mawps,aime25", "-k", 1, *FEW, "--out", "r")
    assert done.exit_code == 0, done.output
    table = done.stdout[done.stdout.index("benchmark ") : done.stdout.index("Not as R1: ")]
    assert max(map(len, table.splitlines())) <= 80
    assert "mawps_multiarith" in table
    said = " ".join(done.stdout.split())
    assert "aime25: its reader was tested on the published form alone" in said
    assert "Not as R1: max_tokens 6 (R1: 32,768)" in said


def test_the_same_command_goes_on_by_itself() -> None:
    words = ("eval", "tiny-base", "--benchmarks", "gsm8k", "-k", 1, *FEW)
    first = grpo(*words)
    assert first.exit_code == 0, first.output
    (result,) = Path("runs/eval").iterdir()
    assert result.name.startswith("tiny-base-")
    again = grpo(*words)
    assert again.exit_code == 0, again.output
    assert list(Path("runs/eval").iterdir()) == [result]
    assert json.loads((result / "results.json").read_text())["samples_kept"] == 2
    assert grpo(*words, "--seed", 1).exit_code == 0
    assert len(list(Path("runs/eval").iterdir())) == 2


def test_any_file_by_its_columns(folder: Path) -> None:
    (folder / "mine.jsonl").write_text('{"q": "3 + 4?", "a": "so #### 7", "level": 2}\n')
    found = evaluated("--data", "mine.jsonl", "--question", "q", "--answer", "a",
                      "--answer-after", "####", "-k", 2)  # fmt: skip
    assert found["benchmarks"]["mine"]["k"] == 2
    (row, _) = read_result(Path("r")).rows
    assert (row.gold, row.level, row.question) == ("7", "2", "3 + 4?")


def test_reasoning_gym_is_judged_by_its_own_scorer() -> None:
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    source = "reasoning_gym:leg_counting"
    done = grpo("eval", "tiny-base", "--data", source, "--limit", 2, "-k", 1, *FEW, "--out", "r")
    assert done.exit_code == 0, done.output
    assert "\nleg_counting " in done.stdout  # of a long name what tells it from others
    result = read_result(Path("r"))
    assert result.benchmarks[source]["verdict"] == "reasoning_gym"
    assert result.rows[0].prompt.endswith("within \\boxed{}.<|end|><|assistant|>")
    right = [replace(row, completion=f"so \\boxed{{{row.gold}}}") for row in result.rows]
    with Scorer({"reasoning_gym": 1.0}, workers=1) as scorer:
        again = judged(right, result.marking(source), scorer)
    assert [(row.correct, row.extracted) for row in again] == [(True, row.gold) for row in right]
    words = (*FEW, "--limit", 1, "-k", 1, "--reward", "accuracy", "--out", "s")
    assert grpo("eval", "tiny-base", "--data", source, *words).exit_code == 0
    assert read_result(Path("s")).benchmarks[source]["verdict"] == "accuracy"


def test_a_model_that_never_boxes_is_told_from_one_that_is_wrong(folder: Path) -> None:
    rows = ({"question": f"Start with {n}. Add 5. Result?", "answer": n + 5} for n in range(9))
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("--data", "sums.jsonl", "-k", 1, *FEW, "--max-tokens", 60, "--out", "r")
    done = grpo("eval", "tiny-base", *words)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = " ".join(done.stdout.split())
    assert " of those have no \\boxed{} and no <answer>; read leniently the score is" in said


def test_a_reward_of_one_s_own_judges(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "def half(prompts, completions, **_):\n    return [0.5 for _ in prompts]\n"
    )
    found = evaluated("--benchmarks", "gsm8k", "-k", 1, "--reward", "mine.py:half")
    assert found["benchmarks"]["gsm8k"]["verdict"] == "mine.py:half"
    assert [row.reward for row in read_result(Path("r")).rows] == [0.5, 0.5]


# --- a checkpoint of a run ---


def test_a_run_s_checkpoint_is_asked_its_own_held_out_problems(run: Path) -> None:
    done = grpo("eval", "runs/x:zero", "--out", "r")
    assert done.exit_code == 0, done.output
    assert "strict pass@1" in done.stdout and "format compliance" in done.stdout
    rows = read_result(Path("r")).rows
    assert len(rows) == 3
    assert all(row.prompt.startswith("<|user|>Solve: ") for row in rows)
    assert all(row.tokens <= 8 for row in rows)
    fewer = grpo("eval", "runs/x:after", "--limit", 2, "-k", 2, "--out", "s")
    assert fewer.exit_code == 0, fewer.output
    kept = read_result(Path("s")).rows
    assert [row.question_id for row in kept[::2]] == [row.question_id for row in rows[:2]]
    # The same noise: the first sample of a question is the one that was drawn before.
    assert [row.completion for row in kept[::2]] == [row.completion for row in rows[:2]]


def test_a_run_s_checkpoint_is_asked_benchmarks_in_the_run_s_way(run: Path) -> None:
    checkpoint = run / "checkpoints/zero/step-000003"
    done = grpo("eval", checkpoint, "--benchmarks", "gsm8k", "-k", 1)
    assert done.exit_code == 0, done.output
    (folder,) = Path("runs/eval").iterdir()
    assert folder.name.startswith("x-zero-step-000003-")
    result = read_result(folder)
    assert result.rows[0].prompt.startswith("<|user|>Solve: A crate holds")
    assert any("prompt 'Solve: {question}'" in one for one in result.results["deviations"])


def test_a_stage_that_is_not_there_is_named_with_the_nearest(run: Path) -> None:
    done = grpo("eval", "runs/x:aftr")
    assert done.exit_code == 2
    assert done.stderr == "error: the run runs/x has no stage 'aftr', did you mean 'after'?\n"


# --- what is refused ---


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "the checkpoint lies in no run, so say what to ask: --benchmarks"),
        (("--benchmarks", "gsm8"), "no benchmark is called 'gsm8', did you mean 'gsm8k'?"),
        (("--benchmarks", "gsm8k,gsm8k"), "benchmark 'gsm8k' is named twice"),
        (("--data", "none.jsonl"), "benchmark 'none': no file none.jsonl"),
        (("--benchmarks", "gsm8k", "-k", "2", "--temperature", "0"), "temperature 0 draws the"),
        (("--benchmarks", "gsm8k", "--prompt", "Hello"), "the prompt 'Hello' has no {question}"),
        (("--benchmarks", "gsm8k", "sampler.kv_cash_gib=2"), "'sampler.kv_cash_gib=2' is no knob"),
        (("--benchmarks", "gsm8k", "runtime.threads=many"), "key 'runtime.threads': Input should"),
        (("--benchmarks", "gsm8k", "seven"), "'seven' is no override; write"),
        (("--benchmarks", "gsm8k", "--reward", "acuracy"), "unknown reward 'acuracy'"),
        (
            ("--benchmarks", "gsm8k", "--no-chat", "--system", "x"),
            "a system text needs chat: true",
        ),
        (("--benchmarks", "gsm8k", "sampler.max_model_len=16"), "problem '0' is "),
        (
            ("--data", "bad.jsonl"),
            "bad: the answers of 1 of 2 rows cannot be read, so no completion could match them: "
            "bad.jsonl:2 (",
        ),
        (("--data", "twice.jsonl"), "benchmark 'twice': twice.jsonl:2: the id 'x' is that of"),
        (("--data", "good.jsonl", "--answer", "anser"), "benchmark 'good': good.jsonl:1: no col"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_drawn(
    words: tuple[str, ...], sentence: str
) -> None:
    good = '{"question": "3 + 4?", "answer": "7", "id": "x"}\n'
    Path("good.jsonl").write_text(good)
    Path("twice.jsonl").write_text(good * 2)
    Path("bad.jsonl").write_text(good + '{"question": "?", "answer": "\\\\frac{"}\n')
    done = grpo("eval", "tiny-base", *words, "--engine", "plain")
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: {sentence}")
    assert done.stderr.count("\n") == 1
    assert not list(Path().glob("runs/eval/*/samples*"))


def test_a_model_without_a_chat_template_says_so(folder: Path) -> None:
    base = shipped_model("tiny-base")
    assert base is not None
    shutil.copytree(base, "bare")
    tokenizer = AutoTokenizer.from_pretrained("bare")
    tokenizer.chat_template = None
    shutil.rmtree("bare")
    shutil.copytree(base, "bare", ignore=shutil.ignore_patterns("chat_template*"))
    tokenizer.save_pretrained("bare")
    words = ("eval", "bare", "--benchmarks", "gsm8k", "-k", 1, *FEW, "--out", "r")
    done = grpo(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: the model's tokenizer has no chat template")
    assert grpo(*words, "--no-chat").exit_code == 0
    assert read_result(Path("r")).rows[0].prompt.startswith("A crate holds 12 jars.")


def test_another_evaluation_in_the_folder_is_refused() -> None:
    evaluated("--benchmarks", "gsm8k", "-k", 1)
    done = grpo("eval", "tiny-base", "--benchmarks", "gsm8k", "-k", 1, "--seed", 1, *FEW,
                "--out", "r")  # fmt: skip
    assert done.exit_code == 2
    assert "error: r holds another evaluation (seed is 0 there and 1 here)" in done.stderr


def test_benchmarks_are_listed() -> None:
    done = grpo("benchmarks")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines if not line.startswith("Files are")) <= 80
    assert ["gsm8k", "1,319", "4", "accuracy", "yes", "gsm8k.jsonl"] in map(str.split, lines)
