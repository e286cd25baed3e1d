"""The stages a recipe may list, each with every knob it reads.

R1-Zero is `evaluate, rl, evaluate`. A stage names its parent (`base`, or an earlier stage) and
takes the recipe's `data` and `rewards` unless it brings its own.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from grpo.recipe.base import Section, knob
from grpo.recipe.chain import Domain, Keeping, Preferences, Teacher
from grpo.recipe.paid import Paid
from grpo.recipe.references import BASE, NAME, bare, references
from grpo.recipe.sections import (
    Architecture,
    Checkpoints,
    Conversations,
    Data,
    Llama,
    Objective,
    Optimizer,
    Reference,
    Refill,
    Sampling,
    Selection,
)
from grpo.recipe.side import (
    Balance,
    BiasSpeed,
    ExpertBalance,
    MtpDetach,
    MtpWeight,
    RouterBias,
)


class Stage(Section):
    """What all stages have; `reads` are the recipe's own sections its result hangs on."""

    reads: ClassVar[tuple[str, ...]] = ("model", "data", "prompt", "sampler")

    name: str = knob(..., "the stage's name, a folder of the run", pattern=NAME)
    parent: str = knob(
        BASE, "where its weights come from: `base`, an earlier stage, a folder, or RUN:STAGE"
    )

    @property
    def parents(self) -> tuple[str, ...]:
        """What it hangs on: stages, `base`, and checkpoints from outside of the run.

        Its weights come from the first.
        """
        named = (name for _, name in references(self.model_dump(mode="json")))
        return tuple(dict.fromkeys((self.parent, *named, *map(bare, self._beside))))

    @property
    def _beside(self) -> tuple[str, ...]:
        """What it hangs on without saying `stage:`."""
        return ()


class Pretrain(Stage):
    """Make a small base from nothing: tokenizer, weights, balanced experts, MTP.

    A DeepSeek-V3, or a dense Llama, which has neither experts nor MTP.
    """

    reads: ClassVar[tuple[str, ...]] = ("data",)

    kind: Literal["pretrain"]
    architecture: Architecture = Architecture()
    llama: Llama | None = knob(None, "a dense Llama; then `architecture` is unused")
    tokenizer: str | None = knob(
        None, "the folder or shipped model whose tokenizer it takes; none: one is trained"
    )
    vocab_size: int = knob(
        1024, "tokens in the byte-level BPE that is trained, specials included", ge=300
    )
    documents: int = knob(..., "documents drawn from the generators; each is read once", ge=1)
    steps: int = knob(..., "optimizer steps", ge=1)
    tokens_per_step: int = knob(8192, "tokens a step, padding included", ge=256)
    optimizer: Optimizer = Optimizer(lr=2e-3, schedule="cosine", weight_decay=0.1)
    router_bias: RouterBias = "update"
    bias_speed: BiasSpeed = 0.001
    bias_still: float = knob(0.1, "share of the last steps with gamma 0, as V3 ends", ge=0, le=1)
    balance: Balance = 1e-4
    expert_balance: ExpertBalance = 0.0
    mtp_weight: float = knob(0.3, "lambda of the multi-token-prediction loss (V3: 0.3)", ge=0)
    checkpoint: Checkpoints = Checkpoints(every=500, keep_last=1)

    @property
    def parents(self) -> tuple[str, ...]:
        """None: it makes the base."""
        return ()


class Sft(Stage):
    """Supervised fine-tuning of a checkpoint on conversations, the loss on completions alone."""

    reads: ClassVar[tuple[str, ...]] = ("model", "prompt")

    kind: Literal["sft"]
    data: Conversations = knob(..., "the conversations")
    epochs: int = knob(2, "passes over the conversations (R1: 2 to 3)", ge=1)
    batch: int = knob(128, "conversations a step (R1: 128)", ge=1)
    tokens_per_microbatch: int = knob(8192, "padded tokens in one forward and backward", ge=16)
    packing: int = knob(
        0, "tokens of a row that conversations share, blind to each other; 0: a row each", ge=0
    )
    optimizer: Optimizer = Optimizer(lr=5e-5, schedule="cosine")
    teacher: Teacher | None = knob(None, "a model to distil from; none: the completions alone")
    mtp_weight: MtpWeight = 0.0
    router_bias: RouterBias = "freeze"
    bias_speed: BiasSpeed = 0.001
    balance: Balance = 0.0
    expert_balance: ExpertBalance = 0.0
    evaluate_every: int = knob(0, "steps between looks at the held-out loss; 0: never", ge=0)
    checkpoint: Checkpoints = Checkpoints(every=50)

    @property
    def _beside(self) -> tuple[str, ...]:
        return (self.teacher.path,) if self.teacher else ()


class Rl(Stage):
    """Group relative policy optimisation of a checkpoint against rewards."""

    reads: ClassVar[tuple[str, ...]] = (*Stage.reads, "rewards")

    kind: Literal["rl"]
    data: Data | None = knob(None, "this stage's problems; none: the recipe's")
    rewards: dict[str, Paid] | None = knob(None, "this stage's rewards; none: the recipe's")
    domains: dict[str, Domain] | None = knob(
        None, "what pays by the problems' `domain` column; none: `rewards` for all"
    )
    steps: int = knob(..., "rollouts, each followed by its updates", ge=1)
    prompts: int = knob(32, "problems a rollout (R1-Zero: 32)", ge=1)
    group_size: int = knob(16, "G, completions a problem (R1-Zero: 16)", ge=2)
    refill: Refill | None = knob(
        None, "draw on in place of groups of equal reward (DAPO); none: they are left out"
    )
    ahead: int = knob(
        0, "rollouts drawn ahead of the update, beside it: 1 is one step off-policy", ge=0, le=1
    )
    minibatches: int = knob(1, "optimizer steps a pass over the rollout (R1: 16 a 8,192)", ge=1)
    epochs: int = knob(1, "passes over each rollout (R1: 1)", ge=1)
    tokens_per_microbatch: int = knob(8192, "padded tokens in one forward and backward", ge=16)
    share_prompts: bool = knob(
        False, "the trainer reads a prompt once for all its completions in a micro-batch"
    )
    sampling: Sampling = Sampling(max_tokens=1024)
    objective: Objective = Objective()
    optimizer: Optimizer = Optimizer(lr=3e-6)
    reference: Reference = Reference()
    mtp_weight: MtpWeight = 0.0
    mtp_detach: MtpDetach = True
    router_bias: RouterBias = "freeze"
    bias_speed: BiasSpeed = 0.001
    balance: Balance = 0.0
    expert_balance: ExpertBalance = 0.0
    router_replay: bool = knob(
        False, "R3: the trainer's tokens take the experts that the sampler chose for them"
    )
    evaluate_every: int = knob(0, "steps between looks at held-out problems; 0: never", ge=0)
    evaluate_problems: int = knob(128, "held-out problems in such a look", ge=1)
    checkpoint: Checkpoints = Checkpoints()

    @property
    def paid(self) -> dict[str, Paid] | None:
        """Its own rewards, those of all its domains together; None: the recipe's."""
        if self.domains is None:
            return self.rewards
        return {name: paid for one in self.domains.values() for name, paid in one.rewards.items()}


class Drawn(Stage):
    """What is made of completions of the training problems, drawn from its parent and judged.

    The weights pass through unchanged; what it puts out is `data/NAME.jsonl`.
    """

    reads: ClassVar[tuple[str, ...]] = (*Stage.reads, "rewards")

    data: Data | None = knob(None, "this stage's problems; none: the recipe's")
    rewards: dict[str, Paid] | None = knob(None, "this stage's rewards; none: the recipe's")
    problems: int = knob(..., "training problems sampled, the first in file order", ge=1)
    samples: int = knob(16, "completions drawn a problem", ge=1)
    sampling: Sampling = Sampling(temperature=1.0, max_tokens=1024)


class Reject(Drawn):
    """Rejection sampling: write the best of many completions down as conversations."""

    kind: Literal["reject"]
    keep: Keeping = Keeping()
    beside: Conversations | None = knob(
        None, "conversations put beside what was kept (R1: 200k that need no reasoning)"
    )


class Compare(Drawn):
    """Have the rewards judge which of two completions is better: preferences for a reward model,
    drawn from the model whose answers it is to judge."""

    kind: Literal["compare"]
    samples: int = knob(8, "completions drawn a problem", ge=2)
    pairs: int = knob(2, "pairs written a problem, at most", ge=1)
    gap: float = knob(0.5, "by how much the better one's reward is higher, at least", gt=0)


class RewardModel(Stage):
    """Train a scalar head on a checkpoint to prefer what people preferred (Bradley-Terry)."""

    reads: ClassVar[tuple[str, ...]] = ("model",)

    kind: Literal["reward_model"]
    data: Preferences = knob(..., "the preferences")
    beside: Preferences | None = knob(None, "preferences of a second source, learnt with them")
    part: Literal["completion", "answer"] = knob(
        "completion", "what it sees: all, or what follows the thought (R1: helpfulness)"
    )
    epochs: int = knob(1, "passes over the preferences (R1: 1)", ge=1)
    batch: int = knob(256, "pairs a step (R1: 256)", ge=1)
    microbatch: int = knob(16, "pairs in one forward and backward, dividing batch", ge=1)
    max_length: int = knob(
        4096, "tokens of a conversation it is shown, the last ones (R1: 8192)", ge=16
    )
    evaluate_pairs: int = knob(
        1000, "held-out pairs of a source judged at the end, the first in order", ge=1
    )
    optimizer: Optimizer = Optimizer(lr=6e-6)
    checkpoint: Checkpoints = Checkpoints(every=50)


class Distill(Stage):
    """On-policy distillation: the reverse KL to a teacher on the student's own samples."""

    kind: Literal["distill"]
    teacher: str = knob(
        ..., "a folder, `RUN:STAGE`, or `stage:NAME`; its tokenizer is the student's"
    )
    data: Data | None = knob(None, "this stage's problems; none: the recipe's")
    steps: int = knob(..., "rollouts, each followed by its updates", ge=1)
    prompts: int = knob(64, "problems a rollout", ge=1)
    samples: int = knob(1, "completions a problem", ge=1)
    minibatches: int = knob(1, "optimizer steps a rollout", ge=1)
    tokens_per_microbatch: int = knob(8192, "padded tokens in one forward and backward", ge=16)
    temperature: float = knob(1.0, "softens both distributions", gt=0)
    sampling: Sampling = Sampling(max_tokens=1024)
    optimizer: Optimizer = Optimizer(lr=1e-5)
    mtp_weight: MtpWeight = 0.0
    mtp_detach: MtpDetach = True
    router_bias: RouterBias = "freeze"
    bias_speed: BiasSpeed = 0.001
    balance: Balance = 0.0
    expert_balance: ExpertBalance = 0.0
    evaluate_every: int = knob(0, "steps between looks at held-out problems; 0: never", ge=0)
    evaluate_problems: int = knob(128, "held-out problems in such a look", ge=1)
    checkpoint: Checkpoints = Checkpoints()

    @property
    def _beside(self) -> tuple[str, ...]:
        return (self.teacher,)


class Evaluate(Stage):
    """Score a checkpoint on held-out problems."""

    kind: Literal["evaluate"]
    data: Data | None = knob(None, "the problems; none: the recipe's held-out ones")
    rewards: dict[str, Paid] | None = knob(
        None, "rewards that look on, each reported by its mean; none: accuracy and format alone"
    )
    against: str | None = knob(
        None, "an earlier evaluate stage on the same problems, to count wins over by each reward"
    )
    problems: int = knob(1000, "held-out problems scored, the first in file order", ge=1)
    samples: int = knob(1, "k, samples a problem; the score is the mean over them", ge=1)
    sampling: Sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=1024)
    selection: Selection = Selection()

    @property
    def _beside(self) -> tuple[str, ...]:
        return (self.against,) if self.against else ()


AnyStage = Annotated[
    Pretrain | Sft | Rl | Reject | Compare | RewardModel | Distill | Evaluate,
    Field(discriminator="kind"),
]
