"""The table of balance in docs/base.md: its figures by hand, and that the bent base is bent."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from grpo.model.balance import RouterWatch
from grpo.model.load import base_folder, load_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def balance() -> ModuleType:
    file = ROOT / "benchmarks" / "base" / "balance.py"
    spec = importlib.util.spec_from_file_location("benchmark_base_balance", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_interval_of_four_seeds_by_hand(balance: ModuleType) -> None:
    # Mean 2.5, deviations -1.5, -0.5, 0.5, 1.5: sd sqrt(5 / 3) = 1.29099; 3.182 x 1.29099 / 2.
    assert balance._between([1.0, 2.0, 3.0, 4.0]) == "2.500 (0.446 to 4.554)"
    assert balance._between([-1.0, 1.0], signed=True) == "+0.000 (-12.706 to +12.706)"


def test_the_step_from_which_a_router_is_balanced(balance: ModuleType) -> None:
    runs = {
        "early": balance.Ended(1.0, 0.1, (3.0, 0.9, 1.0, 0.5)),
        "back and again": balance.Ended(1.0, 0.1, (3.0, 0.9, 1.1, 0.5)),
        "never": balance.Ended(1.0, 0.1, (3.0, 0.9, 0.8, 1.5)),
    }
    early, again, never = runs.values()
    assert balance._balanced([again, early]) == "2 to 4"
    assert balance._balanced([early, never]) == "2 to never"
    assert balance._balanced([never, never]) == "never"


def test_two_experts_a_layer_are_preferred_and_chance_says_which(balance: ModuleType) -> None:
    plain = load_model(balance.BASE, base_folder(balance.BASE))
    found = []
    for seed in (1, 1, 2):
        pairs = zip(
            RouterWatch(balance.bent(seed)).routers, RouterWatch(plain).routers, strict=True
        )
        lifted = [(a.e_score_correction_bias - b.e_score_correction_bias) for a, b in pairs]
        assert all(sorted(one.tolist()) == pytest.approx([0] * 6 + [0.5] * 2) for one in lifted)
        found.append([one.argsort()[-2:].sort().values.tolist() for one in lifted])
    assert found[0] == found[1] != found[2]
