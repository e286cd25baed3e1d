"""What `grpo export` cannot do is one sentence and exit code 2, and nothing is left behind."""

import importlib.util
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import small_students
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from grpo import cli
from grpo.checkpoint.mark import write_mark
from grpo.errors import UserError
from grpo.export import export_checkpoint

needs_gguf = pytest.mark.skipif(
    importlib.util.find_spec("gguf") is None, reason="the gguf package is absent"
)


@pytest.fixture(scope="module")
def words() -> Any:
    return small_students.tokenizer()


@pytest.fixture
def student(tmp_path: Path, words: Any) -> Path:
    small_students.save_student(tmp_path / "m", words)
    return tmp_path / "m"


def changed(folder: Path, **knobs: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | knobs))


def refusal(folder: Path | str, *options: object) -> str:
    """The one sentence on stderr."""
    words = ["export", str(folder), *map(str, options)]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@needs_gguf
def test_the_tiny_base_is_no_dense_model(tmp_path: Path) -> None:
    said = refusal("tiny-base", "--to", "gguf", "--out", tmp_path / "m.gguf")
    assert said == (
        "DeepseekV3ForCausalLM is a mixture of experts with latent attention (MLA): GGUF is "
        "written for dense models (LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM); "
        "`--to folder` takes any model"
    )
    assert list(tmp_path.iterdir()) == []


@needs_gguf
@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel is not a model that GGUF is"),
        ({"architectures": None}, "a model that names no architecture is not"),
        ({"num_local_experts": 8}, "LlamaForCausalLM is a mixture of experts: GGUF"),
        ({"hidden_act": "gelu"}, r"a llama model with hidden_act 'gelu' \(known: silu\)"),
        (
            {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}},
            r"with rope_type 'yarn' \(known: default, linear, llama3\)",
        ),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4,
                                 "partial_rotary_factor": 0.5}},
            "with partial_rotary_factor 0.5",
        ),
        ({"quantization_config": {"quant_method": "fp8"}}, "with quantized weights"),
        ({"vocab_size": 500}, r"lm_head\.weight in .* is \[512, 64\], and \[500, 64\]"),
        ({"num_hidden_layers": 3}, r"lacks 9 tensors, the first is model\.layers\.2\."),
    ],
)  # fmt: skip
def test_models_that_the_file_could_not_say(
    student: Path, tmp_path: Path, knobs: dict[str, Any], said: str
) -> None:
    changed(student, **knobs)
    with pytest.raises(UserError, match=said):
        export_checkpoint(str(student), "gguf", out=tmp_path / "m.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@needs_gguf
def test_a_window_that_slides_is_refused(tmp_path: Path, words: Any) -> None:
    small_students.save_student(tmp_path / "m", words, "qwen2")
    changed(
        tmp_path / "m", use_sliding_window=True, sliding_window=16, max_window_layers=1,
        layer_types=["full_attention", "sliding_attention"],
    )  # fmt: skip
    with pytest.raises(UserError, match="a qwen2 model with sliding-window attention"):
        export_checkpoint(str(tmp_path / "m"), "gguf", out=tmp_path / "m.gguf")


@needs_gguf
def test_numbers_too_large_for_sixteen_bits(student: Path, tmp_path: Path) -> None:
    weights = load_file(student / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = 1e5
    save_file(weights, student / "model.safetensors", metadata={"format": "pt"})
    said = refusal(student, "--to", "gguf", "--out", tmp_path / "m.gguf")
    assert said == (
        "blk.1.ffn_up.weight has numbers up to 1e+05, and float16 ends at 65,504: give --dtype f32"
    )
    assert not list(tmp_path.glob("*.gguf"))
    assert not list(tmp_path.glob(".tmp*"))
    export_checkpoint(str(student), "gguf", out=tmp_path / "m.gguf", dtype="f32")


@needs_gguf
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), "cannot be read: "),
        (lambda file: file.unlink(), "holds no weights"),
    ],
)
def test_weights_that_are_damaged(
    student: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(student / "model.safetensors")
    assert said in refusal(student, "--to", "gguf", "--out", tmp_path / "m.gguf")


@pytest.mark.parametrize("to", ["gguf", "folder"])
def test_a_checkpoint_that_is_not_what_was_written(student: Path, tmp_path: Path, to: str) -> None:
    write_mark(student, None)
    weights = student / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    said = refusal(student, "--to", to, "--out", tmp_path / "m.gguf")
    assert said == f"the checkpoint {student} is broken: model.safetensors is not what was " + (
        "written (its SHA-256 differs)"
    )


@needs_gguf
def test_where_a_gguf_may_go(student: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_text("a diary")
    (tmp_path / "folder.gguf").mkdir()
    for name, said in (
        ("mine.gguf", "is there and is no GGUF file"),
        ("folder.gguf", "is a folder"),
        ("m.bin", "ends in .gguf"),
    ):
        assert said in refusal(student, "--to", "gguf", "--out", tmp_path / name)
    assert (tmp_path / "mine.gguf").read_text() == "a diary"
    for _ in range(2):  # one of ours is replaced
        export_checkpoint(str(student), "gguf", out=tmp_path / "m.gguf")


def test_where_a_folder_may_go(student: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear")
    said = refusal(student, "--to", "folder", "--out", tmp_path / "mine")
    assert said.endswith("is there and not empty: give another --out, or delete it")
    assert (tmp_path / "mine" / "diary.txt").read_text() == "dear"


def test_knobs_of_the_other_form(student: Path, tmp_path: Path) -> None:
    assert "--dtype is for --to gguf" in refusal(student, "--to", "folder", "--dtype", "f16")
    assert "goes on a model card" in refusal(student, "--to", "gguf", "--result", tmp_path)


def test_no_such_model_and_no_such_stage(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "nowhere", "--to", "gguf")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text('{"stages": {"zero": {}}}')
    assert "has no stage 'zerro'" in refusal(f"{tmp_path / 'run'}:zerro", "--to", "gguf")


def test_without_the_gguf_package_the_way_out_is_named(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gguf"):
        export_checkpoint(str(student), "gguf", out=tmp_path / "m.gguf")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB; the small Llama has about half a megabyte in float32."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@needs_gguf
def test_a_full_disk_under_a_gguf(student: Path, small_disk: Path) -> None:
    said = refusal(student, "--to", "gguf", "--dtype", "f32", "--out", small_disk / "m.gguf")
    assert said.startswith(f"disk full while writing {small_disk / 'm.gguf'}: needs about 0.5 MB")
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_under_a_folder(student: Path, small_disk: Path) -> None:
    said = refusal(student, "--to", "folder", "--out", small_disk / "m")
    assert said.startswith(f"disk full while writing {small_disk / 'm'}: needs about 0.5 MB")
    assert list(small_disk.iterdir()) == []
