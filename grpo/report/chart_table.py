"""The table of charts: what each shows, in which words, and which meaning its y-axis has.

No chart has two meanings on one axis. How a chart is filled is in charts.py, how it looks in
plot.py.
"""

from dataclasses import dataclass
from typing import Literal

Scale = Literal["free", "zero", "share", "whole", "log"]
Line = Literal["smooth", "exact", "marked"]


@dataclass(frozen=True)
class Chart:
    """What a chart shows: `keys` are (key or pattern, label), `*` standing for what it matched.

    Scales: `free`; `zero` (the axis begins at 0); `share` (percent, begins at 0); `whole` (0 to
    100%); `log`. Lines: `smooth` over raw dots; `exact`, no dots, for what is no measurement;
    `marked`, not smoothed, each value a mark. A `stacked` chart's series add up.

    >>> Chart("Entropy", "nats a token", (("entropy", "entropy"),), "zero")
    """

    title: str
    note: str
    keys: tuple[tuple[str, str], ...]
    scale: Scale = "free"
    stacked: bool = False
    line: Line = "smooth"


EVALUATED = (
    ("eval/strict", "strict"),
    ("eval/lenient", "lenient"),
    ("eval/accuracy_given_format", "accuracy given format"),
    ("eval/format", "format"),
)
OUTCOMES = ("correct", "wrong", "unparseable", "timeout", "error")


def outcome_chart(reward: str) -> Chart:
    """The chart of what the reward function called `reward` found, in shares of completions."""
    known = tuple((f"outcomes/{reward}/{outcome}", outcome) for outcome in OUTCOMES)
    keys = (*known, (f"outcomes/{reward}/*", "*"))
    note = "share of completions by what the reward function found"
    return Chart(f"Outcomes of {reward}", note, keys, "whole", stacked=True)


REWARDS = (
    Chart(
        "Held-out accuracy",
        "share of problems; diamonds with bars are the full evaluations and their 95% intervals",
        EVALUATED,
        "whole",
        line="marked",
    ),
    Chart(
        "Reward",
        "mean over the step's completions: the sum, and each part before its weight",
        (("reward", "reward"), ("rewards/*/mean", "*")),
        "zero",
    ),
    Chart(
        "Spread of rewards",
        "standard deviation",
        (("reward_std", "reward"), ("rewards/*/std", "*")),
        "zero",
    ),
)
OTHERS = (
    Chart(
        "Reward by domain",
        "mean over the step's completions of the domain; two domains' scales are not one",
        (("domains/*/reward", "*"),),
        "zero",
    ),
    Chart(
        "Completion length",
        "tokens",
        (
            ("completions/mean_length", "mean"),
            ("completions/mean_terminated_length", "mean of those that ended"),
            ("completions/max_length", "longest"),
            ("completions/min_length", "shortest"),
        ),
        "zero",
    ),
    Chart(
        "Cut off",
        "share of completions that ran into the length limit",
        (("completions/clipped_ratio", "cut off"),),
        "share",
    ),
    Chart("KL to the reference or teacher", "nats a token", (("kl", "KL"),), "zero"),
    Chart("Entropy", "nats a token", (("entropy", "entropy"),), "zero"),
    Chart(
        "Clip fractions",
        "share of tokens whose probability ratio was clipped",
        (
            ("clip_ratio/region_mean", "either side"),
            ("clip_ratio/low_mean", "below"),
            ("clip_ratio/high_mean", "above"),
        ),
        "share",
    ),
    Chart(
        "Dead groups",
        "share of groups whose rewards are all equal, so that nothing can be learnt from them",
        (("frac_reward_zero_std", "dead groups"),),
        "share",
    ),
    Chart(
        "Groups",
        "what a step learnt from, what it drew, and what it left for the next",
        (
            ("refill/effective_batch", "learnt from"),
            ("refill/prompts", "drawn"),
            ("refill/bank", "banked"),
        ),
        "zero",
        line="exact",
    ),
    Chart(
        "Loss",
        "the objective in RL; nats a token in pretraining and fine-tuning",
        (
            ("loss", "loss"),
            ("eval_loss", "held out"),
            ("nll", "hard labels"),
            ("soft_loss", "soft labels"),
            ("mtp_loss", "multi-token prediction"),
            ("mtp_loss/*", "multi-token prediction, depth *"),
        ),
    ),
    Chart(
        "Token accuracy",
        "share of the tokens to be learnt that no other token was likelier than",
        (("mean_token_accuracy", "accuracy"),),
        "share",
    ),
    Chart("Gradient norm", "before clipping", (("grad_norm", "norm"),), "zero"),
    Chart(
        "Updates", "optimizer steps a rollout", (("num_updates", "updates"),), "zero", line="exact"
    ),
    Chart("Learning rate", "a step", (("learning_rate", "rate"),), "zero", line="exact"),
    Chart(
        "Balance loss",
        "summed over layers, each 1 where routing is even",
        (("balance_loss", "sequence-wise"), ("expert_balance_loss", "V2's expert-level")),
    ),
    Chart(
        "Busiest expert",
        "its load above the mean load, as a multiple of the mean",
        (("max_vio", "MaxVio"), ("moe/max_vio", "MaxVio")),
        "zero",
    ),
    Chart(
        "Dead experts",
        "share of experts that no token of the step went to, and of those that had some at first",
        (("moe/dead", "dead"), ("moe/died", "died in this stage")),
        "share",
    ),
    Chart(
        "Draft",
        "share of the tokens proposed by the MTP draft that the policy accepted",
        (("sampler/draft_acceptance", "accepted"),),
        "whole",
    ),
    Chart(
        "Parity of sampler and trainer",
        "gap between the two in a token's log-probability, nats",
        (
            ("parity/mean", "gate, mean"),
            ("parity/max", "gate, largest"),
            ("sampling/sampling_logp_difference/mean", "rollout, mean"),
            ("sampling/sampling_logp_difference/max", "rollout, largest"),
        ),
        "log",
    ),
    Chart(
        "Routing of sampler and trainer",
        "share of tokens for which the trainer's own routers choose other experts than the sampler",
        (
            ("sampling/routing_difference", "in any layer"),
            ("sampling/routing_difference/*", "*"),
        ),
        "share",
    ),
    Chart("Time", "seconds a step", (("time/*", "*"),), "zero", stacked=True),
    Chart("Tokens", "seen so far", (("num_tokens", "tokens"),), "zero", line="exact"),
    Chart(
        "Compute",
        "floating-point operations so far, drawing and scoring among them",
        (("compute/flops_so_far", "FLOPs"),),
        "zero",
        line="exact",
    ),
    Chart("Compute a step", "floating-point operations", (("compute/flops", "FLOPs"),), "zero"),
)

LOAD = Chart(
    "Load of experts",
    "layers down, experts across; no colour is the layer's mean, full blue no token at all, full "
    "orange three times the mean",
    (),
)
