"""Updates on this process's share of some sequences, and what came of them: python ranks.py FOLDER

Alone it is the whole batch; launched by torchrun, each process writes its own view to a file.
"""

import json
import sys
from pathlib import Path
from typing import Any

import tiny_moe
import torch
from small_policies import policy, sequences

from grpo.objective import ObjectiveBatch, SftObjective
from grpo.train.distributed import Share, global_means
from grpo.train.side import SideLosses
from grpo.train.update import update

BATCHES = (9, 3, 1)
GAMMA = 0.01


def outcome(count: int) -> dict[str, Any]:
    """Two updates on `count` sequences, of which some processes may have none of their own."""
    side = SideLosses(balance=0.05, expert_balance=0.1)
    held, rows, objective = policy(tiny_moe.model(), side=side), sequences(count), SftObjective()
    share = Share.of(range(count), held.accelerator)
    mine = rows.rows(share.rows)
    mask_BT = mine.mask_BT & share.counts
    weights_BT = objective.weights(
        mask_BT, total_sequences=count, total_tokens=sum(map(len, rows.completions))
    )
    loads = []
    for _ in range(2):
        done = update(
            held, mine, ObjectiveBatch(mask_BT, weights_BT), objective,
            temperature=1.0, budget=40, max_grad_norm=1.0, bias_speed=GAMMA,
        )  # fmt: skip
        assert done.load_LE is not None
        loads.append(done.load_LE.tolist())
    biases = torch.stack([router.e_score_correction_bias for router in held.watch.routers])
    means = global_means(held.accelerator, done.stats)
    processes = held.accelerator.num_processes
    return {"processes": processes, "loads": loads, "biases": biases.tolist(), "means": means}


if __name__ == "__main__":
    found = {count: outcome(count) for count in BATCHES}
    rank = torch.distributed.get_rank()
    (Path(sys.argv[1]) / f"rank-{rank}.json").write_text(json.dumps(found))
