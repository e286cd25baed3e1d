"""The laws of the update as pure tensor functions: advantages, log-probs, losses, KL, correction.

No trainer, no recipe, no model class and no device placement live here: tensors and plain keyword
arguments come in, tensors go out, so that every law can be checked with a pencil.

In the order they meet a batch:

    rewards_PG             -> group_advantages                  -> advantages_PG
    scores_PGK of steps    -> process_advantages                -> advantages_PGT
    sampler's logprobs_BT  -> importance_weights                -> correction_BT
    hidden_ND              -> chunked_logprobs                  -> logprobs_N, entropy_N, hits_N
    two models' hidden_ND  -> chunked_kl                        -> kl_N
    mask_BT                -> objective.weights                 -> weights_BT  (before any split)
    all of these           -> objective(logprobs, entropy, batch) -> loss, stats  (a micro-batch)

Shapes, everywhere: P prompts, G group size, B completions (P * G, or some of them), T tokens of the
longest completion, N tokens of the batch in one row, D model width, V vocabulary.
`mask_BT` is 1 on the completion's tokens, its end token included, and 0 on padding.
"""

from grpo.objective.advantages import SCALES, dead_groups, group_advantages
from grpo.objective.aggregation import AGGREGATIONS, token_weights
from grpo.objective.batch import Objective, ObjectiveBatch, PolicyBatch
from grpo.objective.correction import LEVELS, MODES, importance_weights
from grpo.objective.divergence import DIRECTIONS, Side, chunked_kl
from grpo.objective.kl import KL, kl_shaped_rewards, token_kl
from grpo.objective.logprobs import chunked_logprobs
from grpo.objective.losses import POLICY_LOSSES, Clip, PolicyLoss, PolicyTerm
from grpo.objective.objective import GrpoObjective
from grpo.objective.process import process_advantages
from grpo.objective.sft import SftObjective
from grpo.objective.stats import Stat, Stats, mean_stats, merge_stats

__all__ = [
    "AGGREGATIONS",
    "DIRECTIONS",
    "KL",
    "LEVELS",
    "MODES",
    "POLICY_LOSSES",
    "SCALES",
    "Clip",
    "GrpoObjective",
    "Objective",
    "ObjectiveBatch",
    "PolicyBatch",
    "PolicyLoss",
    "PolicyTerm",
    "SftObjective",
    "Side",
    "Stat",
    "Stats",
    "chunked_kl",
    "chunked_logprobs",
    "dead_groups",
    "group_advantages",
    "importance_weights",
    "kl_shaped_rewards",
    "mean_stats",
    "merge_stats",
    "process_advantages",
    "token_kl",
    "token_weights",
]
