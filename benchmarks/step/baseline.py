"""Ours against what it was: a step's time as a share of TRL's in the same run.

Shares, so that a slow machine does not cry wolf. Without TRL's side it is a step's time in matrix
products, as fast as the machine made them in that run. Each has its interval, and ours got slower
where the new one lies wholly above the old.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from step.place import ROOT
from step.ratios import Ratio, ratio

BASELINE = ROOT / "benchmarks" / "baseline.json"
SHARES = {"of_trl": "of TRL's step", "in_products": "GFLOP of float32 products"}


def shares(run: Mapping[str, Any]) -> dict[str, Ratio]:
    """Ours as a share of what it is measured by; less is better."""
    seconds = {
        side: [step["seconds"] for step in made[run["warmup"] :]]
        for side, made in run["steps"].items()
    }
    ours = seconds["ours"]
    found = {"in_products": ratio(ours, [1 / run["roof"]["float32_gflops"]] * len(ours))}
    if "trl" in seconds:
        found["of_trl"] = ratio(ours, seconds["trl"])
    return found


def stored() -> dict[str, Any]:
    """The baseline, by run and share; empty where there is none."""
    return json.loads(BASELINE.read_text()) if BASELINE.is_file() else {}


def keep(run: Mapping[str, Any]) -> None:
    """Make the run the baseline of its name."""
    made = {name: asdict(share) for name, share in shares(run).items()}
    whole = stored() | {run["name"]: {"place": run["place"], **made}}
    BASELINE.write_text(json.dumps(dict(sorted(whole.items())), indent=1) + "\n")


def compared(run: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, bool]:
    """A sentence on the run beside the baseline `before`, and whether ours got slower.

    Where both have TRL's side that counts, else the matrix products. A baseline of another device
    is none.
    """
    name, now = run["name"], shares(run)
    was = before.get(name, {})
    if was and was["place"]["device"] != run["place"]["device"]:
        return f"{name}: the baseline is of {was['place']['device']}", False
    unit = next((unit for unit in ("of_trl", "in_products") if unit in now and unit in was), None)
    if unit is None:
        return f"{name}: no baseline to compare with", False
    old = Ratio(**was[unit])
    said = f"{name}: a step is {now[unit]} {SHARES[unit]}, it was {old}"
    if now[unit].low > old.high:
        return f"{said}: SLOWER than the baseline, by more than the noise", True
    faster = now[unit].high < old.low
    return f"{said}: {'faster' if faster else 'as before'}", False
