"""The exported folder: all that transformers needs and no more, and a card that claims no more."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import small_students
import torch
from huggingface_hub import ModelCard, metadata_load
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from grpo import cli
from grpo.checkpoint.mark import write_mark
from grpo.errors import UserError
from grpo.export import export_checkpoint
from grpo.run.identity import weights_hash

RECIPE = """\
name: small-zero
seed: 5
model: {path: owner/base}
data: {path: "tiny:all"}
rewards: {accuracy: 1.0, format: {weight: 0.5, variant: think}}
prompt: {system: Think first., user: "{question} In short.", prefill: "<think>"}
stages:
- {name: before, kind: evaluate, parent: base}
- {name: zero, kind: rl, parent: base, steps: 60}
- {name: after, kind: evaluate, parent: zero}
- {name: other, kind: rl, parent: base, steps: 9}
- {name: elsewhere, kind: evaluate, parent: other}
"""


def estimate(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n_questions": 1000, "n_samples": 1000}


def results(sha256: str, strict: float) -> dict[str, Any]:
    found = {
        "k": 1, "questions": 1000, "verdict": "strict", "truncated": 0.031,
        "warnings": ["3% were cut off"],
        "mean_tokens": 41.5, "by": {}, "pass": {}, "cons": {},
        "avg": estimate(strict, strict - 0.02, strict + 0.03),
        "scores": {"format": estimate(0.9, 0.88, 0.92)},
    }  # fmt: skip
    sampling = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 2048}
    return {
        "format": 1, "checkpoint": {"path": "x", "sha256": sha256}, "knobs": {"sampling": sampling},
        "benchmarks": {"held-out": found},
    }  # fmt: skip


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as `grpo run` leaves it, around a small checkpoint that is really there."""
    root = tmp_path / "run"
    folder = root / "checkpoints" / "zero" / "step-000060"
    small_students.save_student(folder, small_students.tokenizer())
    (folder / "trainer").mkdir()
    (folder / "trainer" / "optimizer.safetensors").write_bytes(b"moments")
    write_mark(folder, 0.7)
    base = tmp_path / "hub" / "models--owner--base" / "snapshots" / "1a2b"
    base.mkdir(parents=True)
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
    trained = {"kind": "rl", "parents": {"base": "b" * 64}, "parent": "base", "status": "done"}
    asked = {"kind": "evaluate", "status": "done", "seconds": 9.0}
    stages = {
        "before": {**asked, "parents": {"base": "b" * 64}},
        "zero": {**trained, "steps": 60, "seconds": 480.0, "sha256": weights_hash(folder)},
        "after": {**asked, "parents": {"zero": weights_hash(folder)}},
        "other": {**trained, "steps": 9, "seconds": 30.0, "sha256": "c" * 64},
    }
    versions = {"grpo-reasoning": "not installed", "torch": "2.13.0", "vllm": "0.32.0"}
    manifest = {
        "name": "small-zero", "seed": 5, "versions": versions, "stages": stages,
        "base": {"path": str(base), "sha256": "b" * 64},
    }  # fmt: skip
    write(root / "manifest.json", manifest)
    (root / "recipe.yaml").write_text(RECIPE)
    write(root / "evaluations" / "before" / "results.json", results("b" * 64, 0.183))
    write(root / "evaluations" / "after" / "results.json", results(weights_hash(folder), 0.712))
    write(root / "evaluations" / "elsewhere" / "results.json", results("c" * 64, 0.999))
    return root


def card(folder: Path) -> str:
    return (folder / "README.md").read_text()


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    part = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_folder_holds_the_model_and_not_the_trainer(run: Path, tmp_path: Path) -> None:
    out = export_checkpoint(f"{run}:zero", "folder", out=tmp_path / "out")
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json",
        "model.safetensors", "recipe.yaml", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    checkpoint = run / "checkpoints" / "zero" / "step-000060"
    model, copied = map(AutoModelForCausalLM.from_pretrained, (checkpoint, out))
    words = AutoTokenizer.from_pretrained(out)
    ids = torch.tensor([words("What is 3 + 4?")["input_ids"]])
    assert torch.equal(model(ids).logits, copied(ids).logits)
    assert weights_hash(out) == weights_hash(checkpoint)
    assert out.joinpath("recipe.yaml").read_text() == RECIPE


def test_the_front_matter_is_what_the_hub_reads(run: Path, tmp_path: Path) -> None:
    out = export_checkpoint(f"{run}:zero", "folder", out=tmp_path / "out")
    assert metadata_load(out / "README.md") == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": "apache-2.0",
        "base_model": "owner/base",
        "base_model_relation": "finetune",
        "tags": ["grpo-reasoning", "grpo"],
    }
    assert ModelCard.load(out / "README.md").data.base_model == "owner/base"


def test_the_card_tells_stages_and_scores(run: Path, tmp_path: Path) -> None:
    text = card(export_checkpoint(f"{run}:zero", "folder", out=tmp_path / "out"))
    # 512 x 64 embeddings and as many for the head, 2 x 30,720 of layers, 5 x 64 of norms.
    assert (
        "LlamaForCausalLM with 0.1 million weights, from stage `zero` (step 60) of the run " in text
    )
    assert "`small-zero` on the base `owner/base`." in text
    assert rows(text, "How it was made") == [["zero", "rl", "base", "60", "8.0 min"]]
    assert [row[:5] for row in rows(text, "Scores")] == [
        ["base", "held-out", "strict: right, and in the form asked for", "18.3%", "16.3–21.3"],
        ["base", "held-out", "in the form asked for", "90.0%", "88.0–92.0"],
        [
            "this model",
            "held-out",
            "strict: right, and in the form asked for",
            "71.2%",
            "69.2–74.2",
        ],
        ["this model", "held-out", "in the form asked for", "90.0%", "88.0–92.0"],
    ]
    assert rows(text, "Scores")[0][5:] == ["1,000 x 1", "3.1%"]
    assert [line for line in text.splitlines() if line.startswith("- held-out")] == [
        f"- held-out ({policy}): {note}"
        for policy in ("base", "this model")
        for note in ("temperature 0.6, top-p 0.95, up to 2,048 tokens", "3% were cut off")
    ]
    assert "Problems: `tiny:all`.\n\nRewards: `accuracy`, `format`.\n" in text
    assert "grpo run recipe.yaml" in text
    assert "seed 5" in text
    assert rows(text, "How to make it again") == [["torch", "2.13.0"], ["vllm", "0.32.0"]]


def test_the_card_tells_how_the_model_was_asked(run: Path, tmp_path: Path) -> None:
    text = card(export_checkpoint(f"{run}:zero", "folder", out=tmp_path / "out"))
    part = text.partition("## How it was asked in training\n")[2].partition("\n## ")[0]
    assert re.findall(r"```text\n(.*)\n```", part) == [
        "Think first.", "{question} In short.", "<think>",
    ]  # fmt: skip


def test_an_earlier_step_is_not_given_the_last_one_s_scores(run: Path, tmp_path: Path) -> None:
    early = run / "checkpoints" / "zero" / "step-000020"
    model = small_students.save_student(early, small_students.tokenizer())
    with torch.no_grad():
        model.lm_head.weight.add_(1.0)
    model.save_pretrained(early)
    text = card(export_checkpoint(str(early), "folder", out=tmp_path / "out"))
    assert rows(text, "How it was made") == [["zero", "rl", "base", "20", ""]]
    assert [row[0] for row in rows(text, "Scores")] == ["base", "base", *["zero, step 60"] * 2]


def test_nothing_is_claimed_of_a_checkpoint_from_elsewhere(tmp_path: Path) -> None:
    small_students.save_student(tmp_path / "m", small_students.tokenizer())
    out = export_checkpoint(str(tmp_path / "m"), "folder", out=tmp_path / "out")
    assert card(out) == (
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\n"
        "tags:\n- grpo-reasoning\n---\n\n# m\n\nLlamaForCausalLM with 0.1 million weights.\n"
    )


def result_folder(path: Path, sha256: str) -> Path:
    from grpo.eval.result import PLAN, RESULTS, SAMPLES
    from grpo.eval.row import write_rows

    write(path / PLAN, {"tasks": {}})
    write(path / RESULTS, results(sha256, 0.5))
    write_rows(path / SAMPLES, [])
    return path


def test_a_result_of_these_weights_goes_on_the_card(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "zero" / "step-000060"
    mine = result_folder(tmp_path / "mine", weights_hash(checkpoint))
    words = ["export", f"{run}:zero", "--to", "folder", "--result", str(mine)]
    done = CliRunner().invoke(cli.app, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Folder: {tmp_path / 'out'}; its card: {tmp_path / 'out/README.md'}\n"
    assert [row[3] for row in rows(card(tmp_path / "out"), "Scores")][-2:] == ["50.0%", "90.0%"]
    other = result_folder(tmp_path / "other", "d" * 64)
    with pytest.raises(UserError, match="is a result of other weights"):
        export_checkpoint(f"{run}:zero", "folder", out=tmp_path / "out2", results=[other])
    with pytest.raises(UserError, match="is no result"):
        export_checkpoint(f"{run}:zero", "folder", out=tmp_path / "out2", results=[tmp_path])


def test_without_out_it_goes_under_runs(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = export_checkpoint(f"{run}:zero", "folder")
    assert out == Path("runs/export/small-zero-zero-step-000060")
    assert (out / "README.md").is_file()


@pytest.mark.slow
def test_the_card_of_a_real_run(straight: Path, tmp_path: Path) -> None:
    out = export_checkpoint(f"{straight}:zero", "folder", out=tmp_path / "out")
    found = json.loads((straight / "evaluations" / "after" / "results.json").read_text())
    strict = found["benchmarks"]["held-out"]["avg"]["value"]
    scores = rows(card(out), "Scores")
    assert {row[0] for row in scores} == {"this model"}
    assert scores[0][3] == f"{100 * strict:.1f}%"
    assert rows(card(out), "How it was made")[0][:4] == ["zero", "rl", "base", "6"]
    assert AutoModelForCausalLM.from_pretrained(out).config.model_type == "deepseek_v3"
