"""The tables of docs/base.md: counts and percentages against sums by hand, and the forms' gap."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from grpo.model.load import load_model
from grpo.recipe.sections import Model

ROOT = Path(__file__).parents[1]
BASE = ROOT / "data" / "models" / "tiny-base"
PLACE = (
    "# Base\n\n<!-- cache -->\nold\n<!-- end cache -->\n\n<!-- replay -->\n<!-- end replay -->\n"
)


def script(name: str) -> ModuleType:
    file = ROOT / "benchmarks" / "base" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_base_{name}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cache() -> ModuleType:
    return script("cache")


def test_the_published_configs_give_93_3(cache: ModuleType) -> None:
    before, (full, half, deployed) = cache.published()
    # 95 layers x 2 x 8 heads x 128, at 2 bytes
    assert (before.numbers, before.bytes) == (194_560, 389_120)
    # 60 layers x 128 heads x (192 + 128)
    assert full.numbers == 2_457_600
    # 60 layers x (512 + 64): 1 - 34,560 / 194,560, and 1 - 34,560 x 6 / (194,560 x 16)
    assert half.numbers == deployed.numbers == 34_560
    assert round(100 * (1 - half.bytes / before.bytes), 1) == 82.2
    assert round(100 * (1 - deployed.bytes / before.bytes), 1) == 93.3


def test_what_is_measured_is_what_the_config_says(cache: ModuleType) -> None:
    model, ids = load_model(Model(path=str(BASE)), BASE).eval(), torch.arange(10, 40)[None]
    latent, full = cache.latent(model, ids), cache.expanded(model, ids)
    # 4 layers x (48 + 8), and 4 layers x 4 heads x (32 + 32), in float32
    assert (latent.layers, latent.numbers, latent.bytes) == (4, 224, 896)
    assert (full.layers, full.numbers, full.bytes) == (4, 1024, 4096)
    # The model is as it was.
    assert cache.latent(model, ids) == latent
    assert cache.absorbed_gap(model, ids) < 1e-5


def test_the_table_goes_into_its_place(
    cache: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "use_threads", lambda threads: None)
    document = tmp_path / "base.md"
    document.write_text(PLACE)
    cache.main(str(BASE), engine=False, into=str(document))
    text = document.read_text()
    assert "old" not in text and text.count("<!-- end cache -->") == 1
    assert "| transformers, latents | 4 | 224 | 32 | 896 | 78.1% |" in text
    assert "93.3%" in text and text.endswith("<!-- replay -->\n<!-- end replay -->\n")


@pytest.mark.slow
def test_the_replay_table_has_a_line_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = script("replay")
    monkeypatch.setattr(replay, "use_threads", lambda threads: None)
    monkeypatch.setattr(replay, "PAIRS", (("plain bfloat16", "bfloat16"),))
    document = tmp_path / "base.md"
    document.write_text(PLACE)
    replay.main(str(BASE), completions=6, into=str(document))
    rows = [line for line in document.read_text().splitlines() if line.startswith("| plain")]
    assert [row.split("|")[3].strip() for row in rows] == ["trainer", "sampler (replay)"]
