"""The stages a recipe may list, each with every knob it reads.

R1-Zero is `evaluate, rl, evaluate`. A stage names its parent (`base`, or an earlier stage) and
takes the recipe's `data` and `rewards` unless it brings its own.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from grpo.recipe.base import Section, knob
from grpo.recipe.paid import Paid
from grpo.recipe.sections import (
    Architecture,
    Checkpoints,
    Conversations,
    Data,
    Objective,
    Optimizer,
    Reference,
    Sampling,
    Selection,
)


class Stage(Section):
    """What all stages have; `reads` are the recipe's own sections its result hangs on."""

    reads: ClassVar[tuple[str, ...]] = ("model", "data", "prompt", "sampler")

    name: str = knob(..., "the stage's name, a folder of the run", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    parent: str = knob("base", "where its weights come from: `base` or an earlier stage's name")

    @property
    def parents(self) -> tuple[str, ...]:
        """The stages it hangs on, the one its weights come from first."""
        return (self.parent,)


class Pretrain(Stage):
    """Make a small base from nothing: tokenizer, DeepSeek-V3 weights, balanced experts, MTP."""

    reads: ClassVar[tuple[str, ...]] = ("data",)

    kind: Literal["pretrain"]
    architecture: Architecture = Architecture()
    vocab_size: int = knob(
        1024, "tokens in the byte-level BPE vocabulary, specials included", ge=300
    )
    documents: int = knob(..., "documents drawn from the generators; each is read once", ge=1)
    steps: int = knob(..., "optimizer steps", ge=1)
    tokens_per_step: int = knob(8192, "tokens a step, padding included", ge=256)
    optimizer: Optimizer = Optimizer(lr=2e-3, schedule="cosine", weight_decay=0.1)
    bias_speed: float = knob(0.001, "gamma: how far a router bias moves a step (V3: 0.001)", ge=0)
    bias_still: float = knob(0.1, "share of the last steps with gamma 0, as V3 ends", ge=0, le=1)
    balance: float = knob(1e-4, "alpha of the sequence-wise balance loss (V3: 1e-4)", ge=0)
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
    mtp_weight: float = knob(
        0.0, "lambda of the multi-token-prediction loss; 0: the layer is carried as it is", ge=0
    )
    balance: float = knob(0.0, "alpha of the sequence-wise balance loss (V3: 1e-4)", ge=0)
    router_bias: Literal["freeze", "update"] = knob(
        "freeze", "aux-free router bias while tuning: kept, or moved by `bias_speed`"
    )
    bias_speed: float = knob(0.001, "gamma, when router_bias is `update`", ge=0)
    evaluate_every: int = knob(0, "steps between looks at the held-out loss; 0: never", ge=0)
    checkpoint: Checkpoints = Checkpoints(every=50)


class Rl(Stage):
    """Group relative policy optimisation of a checkpoint against rewards."""

    reads: ClassVar[tuple[str, ...]] = (*Stage.reads, "rewards")

    kind: Literal["rl"]
    data: Data | None = knob(None, "this stage's problems; none: the recipe's")
    rewards: dict[str, Paid] | None = knob(None, "this stage's rewards; none: the recipe's")
    steps: int = knob(..., "rollouts, each followed by its updates", ge=1)
    prompts: int = knob(32, "problems a rollout (R1-Zero: 32)", ge=1)
    group_size: int = knob(16, "G, completions a problem (R1-Zero: 16)", ge=2)
    minibatches: int = knob(1, "optimizer steps a pass over the rollout (R1: 16 a 8,192)", ge=1)
    epochs: int = knob(1, "passes over each rollout (R1: 1)", ge=1)
    tokens_per_microbatch: int = knob(8192, "padded tokens in one forward and backward", ge=16)
    sampling: Sampling = Sampling(max_tokens=1024)
    objective: Objective = Objective()
    optimizer: Optimizer = Optimizer(lr=3e-6)
    reference: Reference = Reference()
    router_bias: Literal["freeze", "update"] = knob(
        "freeze", "aux-free router bias during RL: kept, or moved by `bias_speed`"
    )
    bias_speed: float = knob(0.001, "gamma, when router_bias is `update`", ge=0)
    evaluate_every: int = knob(0, "steps between looks at held-out problems; 0: never", ge=0)
    evaluate_problems: int = knob(128, "held-out problems in such a look", ge=1)
    checkpoint: Checkpoints = Checkpoints()


class Evaluate(Stage):
    """Score a checkpoint on held-out problems."""

    kind: Literal["evaluate"]
    data: Data | None = knob(None, "the problems; none: the recipe's held-out ones")
    problems: int = knob(1000, "held-out problems scored, the first in file order", ge=1)
    samples: int = knob(1, "k, samples a problem; the score is the mean over them", ge=1)
    sampling: Sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=1024)
    selection: Selection = Selection()


AnyStage = Annotated[Pretrain | Sft | Rl | Evaluate, Field(discriminator="kind")]
