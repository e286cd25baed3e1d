"""The run's one engine: other weights are pushed into it, a model of another kind opens it anew."""

from pathlib import Path

import pytest
import tiny_moe
from small_policies import llama

from grpo.checkpoint.weights import save_weights
from grpo.model.names import checkpoint_tensors
from grpo.recipe.sections import SamplerConfig, Sampling
from grpo.sampler import Sampler, open_sampler
from grpo.types import Request
from grpo.workbench.engine import Engine, model_kind

CONFIG = SamplerConfig(engine="plain", dtype="float32", max_model_len=128)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A teacher, a student, and the student trained on."""
    tiny_moe.save(tiny_moe.model(seed=5), tmp_path / "teacher")
    student, trained = llama(), llama(seed=1)
    student.save_pretrained(tmp_path / "student")
    for name in ("teacher", "student"):
        tiny_moe.tokenizer().save_pretrained(tmp_path / name)
    trained.config.architectures = [type(trained).__name__]
    tensors = checkpoint_tensors(trained)
    save_weights(tmp_path / "trained", tensors, trained.config, tiny_moe.tokenizer())
    return tmp_path


def drawn(sampler: Sampler) -> list[tuple[int, ...]]:
    requests = [Request((5, 6, 7 + seed), seed) for seed in range(4)]
    return [one.token_ids for one in sampler.sample(requests, Sampling(max_tokens=8))]


def test_each_checkpoint_is_sampled_as_by_an_engine_of_its_own(root: Path) -> None:
    engine, seen = Engine(CONFIG), {}
    for name in ("student", "trained", "teacher", "student"):
        sampler = seen[name] = engine.holding(root / name)
        assert drawn(sampler) == drawn(open_sampler(root / name, CONFIG)), name
    assert seen["trained"] is not seen["teacher"] is not seen["student"]
    assert engine.holding(root / "student") is engine.holding(root / "trained")
    engine.close()


def test_a_kind_is_architecture_size_and_tokenizer(root: Path) -> None:
    kind = model_kind(root / "student")
    assert kind == model_kind(root / "trained") != model_kind(root / "teacher")
    config = root / "trained" / "config.json"
    text = config.read_text()
    for old, new, same in (
        ('"use_cache": true', '"use_cache": false', True),
        ('"num_hidden_layers": 2', '"num_hidden_layers": 1', False),
    ):
        assert old in text
        config.write_text(text.replace(old, new))
        assert (model_kind(root / "trained") == kind) is same
    config.write_text(text)
    (root / "trained" / "tokenizer.json").write_text("{}")
    assert model_kind(root / "trained") != kind
