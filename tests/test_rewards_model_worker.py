"""A reward model has a worker to itself: loaded once, at the start, whatever becomes of others."""

from pathlib import Path

import pytest
from test_rewards_workers import ROOT, SLOW, score

from grpo_rewards import RewardError, Scorer
from grpo_rewards.reward_model import reward_model
from grpo_rewards.verdict import Sample

pytestmark = pytest.mark.slow


def test_a_model_has_a_worker_of_its_own_which_outlives_the_others(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 1024}
    config = transformers.LlamaConfig(**sizes, **heads, num_labels=1, pad_token_id=0)
    transformers.LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    tiny_base = ROOT / "data/models/tiny-base"
    transformers.AutoTokenizer.from_pretrained(tiny_base).save_pretrained(tmp_path)
    knobs = {"path": str(tmp_path), "device": "cpu"}
    texts = [f"\\boxed{{(x+1)^2+{n}}}" for n in range(69)] + [SLOW]
    rewards = {"accuracy": 1.0, "reward_model@tiny": {"weight": 0.5, **knobs}}
    with Scorer(rewards, workers=1, deadline_s=2.0) as scorer:
        scorer.start()
        (model,) = scorer.worker_pids  # algebra waits until it is needed
        verdicts = score(scorer, texts, gold="x^2+2x+1")
        assert scorer.worker_pids == [model]
    expected = reward_model(**knobs).judge_all([Sample("q", text) for text in texts])  # type: ignore[arg-type]
    logits = [one.parts["reward_model@tiny"] for one in verdicts]
    assert logits == pytest.approx([one.value for one in expected], abs=1e-5)
    assert verdicts[0].reward == pytest.approx(1.0 + 0.5 * (logits[0] or 0.0))
    assert verdicts[-1].outcomes["accuracy"] == "timeout"


def test_a_model_that_cannot_be_loaded_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no_such_type", "id2label": {"0": "x"}}')
    with Scorer({"reward_model": {"path": str(tmp_path)}}) as scorer:
        with pytest.raises(RewardError, match="cannot be loaded"):
            scorer.start()
        assert scorer.worker_pids == []
