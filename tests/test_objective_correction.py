"""Sampler-to-trainer importance weights, every mode at both levels, by hand."""

import math

import pytest
import torch

from grpo.objective import importance_weights

MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])
RATIO = torch.tensor([[4.0, 0.5, 9.0], [1.0, 1.25, 2.0]])  # trainer / sampler
OLD = torch.full((2, 3), -1.0)
SAMPLER = OLD - RATIO.log()

WEIGHTS = {
    ("off", "token"): [[1, 1, 0], [1, 1, 1]],
    ("truncate", "token"): [[3, 0.5, 0], [1, 1.25, 2]],  # 4 is cut to 3
    ("mask", "token"): [[0, 0.5, 0], [1, 1.25, 2]],  # 4 is dropped
    # products: 4 * .5 = 2; 1 * 1.25 * 2 = 2.5
    ("off", "sequence"): [[1, 1, 0], [1, 1, 1]],
    ("truncate", "sequence"): [[2, 2, 0], [2.25, 2.25, 2.25]],
    ("mask", "sequence"): [[2, 2, 0], [0, 0, 0]],
}
CAP = {"token": 3.0, "sequence": 2.25}


@pytest.mark.parametrize(("mode", "level"), WEIGHTS)
def test_weights_by_hand(mode: str, level: str) -> None:
    weights, _ = importance_weights(OLD, SAMPLER, MASK, mode=mode, level=level, cap=CAP[level])
    torch.testing.assert_close(weights, torch.tensor(WEIGHTS[mode, level], dtype=torch.float32))


def test_metrics_of_tokens() -> None:
    _, metrics = importance_weights(OLD, SAMPLER, MASK, mode="truncate", level="token", cap=3.0)
    # |ln| of 4, .5, 1, 1.25, 2: 2 + 1 + 0 + 1 times ln 2, and ln 1.25, over five tokens
    assert metrics == {
        "sampling/sampling_logp_difference/mean": pytest.approx(
            (4 * math.log(2) + math.log(1.25)) / 5, rel=1e-5
        ),
        "sampling/sampling_logp_difference/max": pytest.approx(math.log(4), rel=1e-5),
        "sampling/importance_sampling_ratio/min": pytest.approx(0.5, rel=1e-5),
        "sampling/importance_sampling_ratio/mean": pytest.approx(7.75 / 5, rel=1e-5),
        "sampling/importance_sampling_ratio/max": pytest.approx(3.0, rel=1e-5),
    }


def test_metrics_of_completions_count_each_once() -> None:
    _, metrics = importance_weights(OLD, SAMPLER, MASK, mode="mask", level="sequence", cap=9.0)
    assert metrics["sampling/importance_sampling_ratio/mean"] == pytest.approx(2.25, rel=1e-5)
    assert metrics["sampling/importance_sampling_ratio/min"] == pytest.approx(2.0, rel=1e-5)


def test_an_unscored_token_counts_as_no_gap() -> None:
    sampler = SAMPLER.clone()
    sampler[0, 0] = torch.nan
    sampler[0, 2] = torch.nan  # padding
    weights, metrics = importance_weights(OLD, sampler, MASK, mode="mask", level="token", cap=3.0)
    torch.testing.assert_close(weights[0], torch.tensor([1.0, 0.5, 0.0]))
    assert metrics["sampling/sampling_logp_difference/max"] == pytest.approx(math.log(2), rel=1e-5)


def test_a_product_beyond_floats_is_still_cut_or_dropped() -> None:
    sampler, mask = OLD - 50.0, torch.ones(2, 3)  # e^150 is infinite in float32
    cut, _ = importance_weights(OLD, sampler, mask, mode="truncate", level="sequence", cap=2.0)
    dropped, _ = importance_weights(OLD, sampler, mask, mode="mask", level="sequence", cap=2.0)
    assert cut.eq(2).all() and dropped.eq(0).all()


def test_no_tokens_report_nothing() -> None:
    weights, metrics = importance_weights(
        OLD, SAMPLER, torch.zeros(2, 3), mode="truncate", level="sequence", cap=2.0
    )
    assert weights.eq(0).all() and metrics == {}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="mode is 'clip'; choose one of: off, truncate, mask"):
        importance_weights(OLD, SAMPLER, MASK, mode="clip", level="token", cap=2.0)
    with pytest.raises(ValueError, match="level is 'batch'; choose one of: token, sequence"):
        importance_weights(OLD, SAMPLER, MASK, mode="off", level="batch", cap=2.0)
