"""Stored samples graded by rewards and models, their curves, and `grpo scale`."""

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluations import Scripted, problem, task
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification
from transformers import LlamaForTokenClassification as LlamaSteps
from typer.testing import CliRunner, Result

from grpo import cli
from grpo.errors import UserError
from grpo.eval.conduct import Evaluation, conduct
from grpo.eval.grading import Grader, grader
from grpo.eval.result import read_result
from grpo.eval.row import Row
from grpo.eval.scaled import document, scaled, table_of
from grpo.eval.scaling import scaling
from grpo.eval.score import by_question
from grpo.eval.task import HELD_OUT
from grpo.recipe.sections import Sampling
from grpo.report.scaling_picture import draw_scaled
from grpo_rewards.reward_model import RewardModel, Settings
from grpo_rewards.workers import Scorer

TOKENIZER = Path(__file__).parents[1] / "data" / "models" / "tiny-base"
CHAIN = {"steps": ["7+5=12", "12*2=24"], "language": "en"}

RIGHT = "<think>First, 7+5=12. Then 12*2=24. So 24.</think><answer>24</answer>"
SLIPPED = "<think>First, 7+5=13. Then 13*2=26. So 26.</think><answer>26</answer>"
GUESSED = "<answer>24</answer>"
UNTAGGED = "First, 7+5=12. Then 12*2=24. So the result is 24."
TEXTS = [RIGHT, SLIPPED, GUESSED, UNTAGGED]


def row(text: str, sample: int = 0, **changes: Any) -> Row:
    tagged = text.startswith("<think>")
    answer = text.partition("<answer>")[2].partition("<")[0] or None
    right = {"24": "correct", None: "unparseable"}.get(answer, "wrong")
    outcomes = {
        "accuracy": right,
        "format": "correct" if tagged else "wrong",
        "accuracy_lenient": "correct" if "24" in text[-40:] else "wrong",
    }
    return replace(
        Row("held-out", "q1", "Start with 7 ...?", "24", "en", None, None, sample, 1,
            "<|user|>Start with 7 ...?<|end|><|assistant|>", text, "stop", 10, -5.0,
            extracted=answer, outcome=right, correct=tagged and right == "correct",
            outcomes=json.dumps(outcomes), columns=json.dumps(CHAIN)),
        **changes,
    )  # fmt: skip


ROWS = [row(text, number) for number, text in enumerate(TEXTS)]


# --- graders ---


def test_the_policy_s_own_probability_a_token() -> None:
    rows = [row("x", tokens=10, logprob=-5.0), row("x", tokens=4, logprob=-1.0)]
    assert grader("logprob").grade(rows) == pytest.approx([math.exp(-0.5), math.exp(-0.25)])
    with pytest.raises(UserError, match="no log-probabilities"):
        grader("logprob").grade([row("x", logprob=None)])


@pytest.mark.parametrize(
    ("steps", "scores"),
    [("last", [1.0, 0.0, 0.0, 1.0]), ("mean", [1.0, 0.0, 0.0, 1.0]), ("min", [1.0, 0.0, 0.0, 1.0])],
)
def test_the_checker(steps: str, scores: list[float]) -> None:
    assert grader("checker", steps).grade(ROWS) == scores
    assert grader("checker", steps).kind == f"process reward ({steps} step)"


def test_how_steps_become_one_matters_for_what_was_taken_back() -> None:
    corrected = row("First, 7+5=13. Wait, 7+5=12. Then 12*2=24.")
    found = {how: grader("checker", how).grade([corrected])[0] for how in ("last", "min", "mean")}
    assert found == pytest.approx({"last": 1.0, "min": 0.0, "mean": 2 / 3})


def test_a_reward_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert grader("format").grade(ROWS) == [1.0, 1.0, 0.0, 0.0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "def brevity(completions, **columns):\n"
        "    return [None if '<' not in c else 50.0 - len(c) for c in completions]\n"
    )
    found = grader("mine.py:brevity").grade(ROWS)
    # 50 - len, through 1 / (1 + exp(-x)), because two of them are no shares.
    assert found[:3] == pytest.approx([1 / (1 + math.exp(len(text) - 50)) for text in TEXTS[:3]])
    assert found[3] is None


def llama(kind: Any, folder: Path, labels: int) -> Path:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3}
    config = LlamaConfig(**sizes, **heads, vocab_size=1024, num_labels=labels, pad_token_id=0)
    config.step_ends, config.step_holding = [".", "。"], "="
    kind(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(folder)
    return folder


def test_a_model_s_folder_is_what_its_config_says(tmp_path: Path) -> None:
    outcome = llama(LlamaForSequenceClassification, tmp_path / "orm", 1)
    judge = RewardModel(Settings(str(outcome), None, True, "cpu", "float32", 1, 4096))
    found = grader(str(outcome))
    assert (found.name, found.kind) == ("orm", "reward model")
    turns = [
        [{"role": "user", "content": r.question}, {"role": "assistant", "content": r.completion}]
        for r in ROWS
    ]
    assert found.grade(ROWS) == pytest.approx(
        [1 / (1 + math.exp(-logit)) for logit in judge(turns)], abs=1e-5
    )
    steps = grader(str(llama(LlamaSteps, tmp_path / "prm", 2)), "min")
    assert (steps.name, steps.kind) == ("prm", "process reward (min step)")
    scores = steps.grade(ROWS)
    assert scores[2] == 0.0 and all(scores[place] for place in (0, 1, 3))


def test_what_is_no_score(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no model in 'no/such'"):
        grader("no/such")
    with pytest.raises(UserError, match="holds no model: it has no config"):
        grader(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(UserError, match="holds a LlamaForCausalLM; a reward model is a sequence"):
        grader(str(tmp_path))
    with pytest.raises(UserError, match=r"by last, min, mean, product; got 'first'"):
        grader("checker", "first")


# --- tables of samples ---


def test_a_sample_without_an_answer_has_no_score_and_no_vote() -> None:
    table = table_of([ROWS], HELD_OUT, "strict", [grader("checker"), grader("logprob")])
    assert table.correct == [[True, False, False, False]]
    # A right one votes for the reference; a right answer in a wrong layout for the same.
    assert table.answers == [["24", "26", "24", None]]
    assert table.scores["checker"] == [[1.0, 0.0, 0.0, None]]
    assert table.scores["logprob"][0] == pytest.approx([math.exp(-0.5)] * 3 + [None], nan_ok=True)


def test_another_verdict_reads_other_answers() -> None:
    table = table_of([ROWS], HELD_OUT, "lenient", [grader("checker")])
    assert table.correct == [[True, False, True, True]]
    assert table.answers == [["24", "26", "24", "24"]]
    assert table.scores["checker"] == [[1.0, 0.0, 0.0, 1.0]]
    bare = table_of([ROWS], HELD_OUT, "format", [grader("checker")])
    assert bare.answers is None and bare.scores["checker"] == [[1.0, 0.0, 0.0, 1.0]]


def test_what_the_samples_do_not_allow() -> None:
    with pytest.raises(UserError, match="not judged by 'exact'; their verdicts are strict, lenien"):
        table_of([ROWS], HELD_OUT, "exact")
    with pytest.raises(UserError, match="two scores have one name: logprob, logprob"):
        table_of([ROWS], HELD_OUT, "strict", [grader("logprob")] * 2)


# --- the curves of a result ---


def evaluated(folder: Path, k: int = 4, names: Sequence[str] = ("world",)) -> Path:
    """A result of two questions a benchmark; question 1 as TEXTS in some order, 2 always wrong."""
    asked = [problem("q1", "one?", "24", **CHAIN), problem("q2", "two?", "9", **CHAIN)]
    left = {(name, "one?"): list(TEXTS) for name in names}

    def reply(put: str, seed: int) -> str:
        texts = next((left[key] for key in left if put.startswith("one?") and left[key]), None)
        return texts.pop() if texts else "I guess <answer>8</answer>"

    tasks = [task(name, asked, k=k, by=HELD_OUT) for name in names]
    evaluation = Evaluation(tuple(tasks), Sampling(max_tokens=64), 0, {"path": "m", "sha256": "a"})
    with Scorer(HELD_OUT.rewards, workers=1) as scorer:
        conduct(folder, evaluation, Scripted(reply), lambda _: scorer)
    return folder


def test_curves_are_those_of_the_statistics(tmp_path: Path) -> None:
    result = read_result(evaluated(tmp_path / "r"))
    (found,) = scaled(result, [grader("checker")])
    assert (found.benchmark, found.verdict, found.questions, found.samples) == (
        "world", "strict", 2, 8,
    )  # fmt: skip
    table = table_of(by_question(result.rows), HELD_OUT, "strict", [grader("checker")])
    assert found.scaling == scaling(table.correct, table.answers, table.scores)
    at = {name: [point.value for point in curve.values()] for name, curve in
          found.scaling.curves.items()}  # fmt: skip
    # One of four is right strictly, of one of two questions: k/4 of them, halved.
    assert at["coverage"] == pytest.approx([1 / 8, 1 / 4, 1 / 2])
    # The checker's one best among the answered; the untagged one ranks last.
    assert at["best-of-n by checker"] == pytest.approx([1 / 8, 1 / 4, 1 / 2])
    # 24 wins over 26 by two votes of three: half of them strictly right.
    assert at["majority"][-1] == pytest.approx(1 / 4)
    # 24 is worth 1/2 and has the only weight once the right sample is among those drawn.
    assert at["weighted majority by checker"][-1] == pytest.approx(1 / 4)


def test_each_benchmark_by_its_verdict_or_all_by_one(tmp_path: Path) -> None:
    result = read_result(evaluated(tmp_path / "r", names=("a", "b")))
    found = scaled(result, [], "lenient")
    assert [(one.benchmark, one.verdict) for one in found] == [("a", "lenient"), ("b", "lenient")]
    plain = document(found, [Grader("prm", "process reward (last step)", lambda rows: [])])
    assert plain["scores"] == {"prm": "process reward (last step)"}
    curves = json.loads(json.dumps(plain))["benchmarks"]["a"]["curves"]
    assert curves["coverage"]["4"]["value"] == 0.5
    # Leniently three of four are right, of one of two questions: 3/8, 1/2, 1/2.
    assert plain["benchmarks"]["a"]["law"]["form"] == "exp(a n^b)"
    assert plain["benchmarks"]["a"]["law"]["fitted"] == (1, 2, 4)


@pytest.mark.parametrize("panels", [1, 4])
def test_a_picture_of_every_benchmark(panels: int, tmp_path: Path) -> None:
    names = [f"b{number}" for number in range(panels)]
    found = scaled(read_result(evaluated(tmp_path / "r", names=names)), [grader("checker")])
    for name in ("curves.svg", "curves.png"):
        draw_scaled(found, tmp_path / name)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    text = "".join(ET.parse(tmp_path / "curves.svg").getroot().itertext())
    for word in ("best-of-n by checker", "coverage by its law", *(f"{n}, strict" for n in names)):
        assert word in text
    draw_scaled(found, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "curves.svg").read_bytes()


# --- the verb ---


def grpo(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "80"})


def test_the_verb_writes_its_documents_and_fits_80_columns(tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "r")
    done = grpo("scale", folder, "--by", "checker", "--by", "logprob", "--out", tmp_path / "o")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines if str(tmp_path) not in line) <= 80
    coverage = next(line for line in lines if line.startswith("coverage"))
    assert coverage.split()[1:4] == ["12.5", "25.0", "50.0"]
    assert "world: 2 questions, 8 samples, judged by strict" in done.stdout
    written = json.loads((tmp_path / "o" / "scaling.json").read_text())
    assert (written["format"], written["by"]) == (1, ["checker", "logprob"])
    assert written["checkpoint"] == {"path": "m", "sha256": "a"}
    world = written["benchmarks"]["world"]
    assert set(world["curves"]) == {
        "coverage", "majority",
        "best-of-n by checker", "weighted majority by checker",
        "best-of-n by logprob", "weighted majority by logprob",
    }  # fmt: skip
    assert world["curves"]["coverage"]["2"]["value"] == pytest.approx(1 / 4)
    assert (tmp_path / "o" / "scaling.svg").is_file()
    assert not (folder / "scaling.json").exists()


def test_beside_the_samples_unless_told_otherwise(tmp_path: Path) -> None:
    folder = evaluated(tmp_path / "r")
    done = grpo("scale", folder, "--verdict", "lenient")
    assert done.exit_code == 0, done.output
    assert json.loads((folder / "scaling.json").read_text())["by"] == []
    assert {"scaling.json", "scaling.svg", "results.json"} <= {f.name for f in folder.iterdir()}
    assert read_result(folder).benchmarks["world"]["questions"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("none",), "none is no result"),
        (("r", "--by", "no/such"), "there is no model in 'no/such'"),
        (("r", "--by", "nonsense"), "nonsense"),
        (("r", "--verdict", "kind"), "were not judged by 'kind'"),
        (("r", "--by", "checker", "--steps", "all"), "got 'all'"),
    ],
)
def test_bad_input_is_one_sentence(
    words: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(evaluated(tmp_path / "r").parent)
    done = grpo("scale", *words)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ") and sentence in " ".join(done.stderr.split())
    assert done.stderr.count("\n") == 1
