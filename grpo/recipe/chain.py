"""Sections that only the stages of a chain use: what is kept, preferred, taught, paid by domain."""

import math
from fractions import Fraction
from typing import Any

from grpo.recipe.base import Section, knob
from grpo.recipe.paid import Paid


class Keeping(Section):
    """Which samples a reject stage keeps."""

    at_most: int = knob(4, "K, samples kept a prompt", ge=1)
    least: dict[str, float] = knob(
        {"accuracy": 1.0}, "the least value of each reward named here, before its weight"
    )
    paragraph: int = knob(2000, "longest paragraph of a kept sample, characters; 0: any", ge=0)
    code_blocks: bool = knob(False, "keep samples with a fenced block of code")
    repeated: float = knob(
        0.5, "share of a sample's 10-grams that may have stood in it before", ge=0, le=1
    )


class Preferences(Section):
    """Where preferences come from: rows of `prompt`, `chosen` and `rejected`."""

    path: str = knob(..., "a .jsonl/.json/.parquet/.csv file, a hub name, or tiny:helpful, ...")
    split: str = knob("train", "the hub data set's split")
    subset: str | None = knob(None, "the hub data set's configuration")
    size: int | None = knob(None, "how many pairs to read or generate; none: all there are", ge=1)
    held_out: float = knob(0.1, "share held out, by a hash of what is asked", ge=0, lt=1)
    held_out_path: str | None = knob(
        None, "a source of its own for held-out; then `held_out` is unused"
    )
    config: dict[str, Any] = knob({}, "settings of the generator `path` names, its seed among them")
    held_out_config: dict[str, Any] = knob(
        {}, "settings of the generator `held_out_path` names, as {paraphrases: held_out}"
    )


class Teacher(Section):
    """Whose distribution an sft stage learns beside the completions' tokens."""

    path: str = knob(..., "a folder, `RUN:STAGE`, or `stage:NAME`; its tokenizer is the student's")
    temperature: float = knob(2.0, "softens both distributions; the loss is scaled back", gt=0)
    weight: float = knob(0.5, "of the soft labels; the hard ones have 1 minus it", ge=0, le=1)


class Domain(Section):
    """What pays for the prompts of one domain, and when they come."""

    rewards: dict[str, Paid] = knob(
        {}, "name, file.py:function or dotted path -> weight, or {weight, knobs}"
    )
    share: float | None = knob(
        None, "of a step's prompts while it comes; none: what the others leave", gt=0, le=1
    )
    after: float = knob(
        0.0, "share of the steps before its first prompt (R1's preferences: 0.76)", ge=0, lt=1
    )

    def first(self, steps: int) -> int:
        """The step (from 0) of `steps` at which it comes: the last one at the latest."""
        return math.floor(Fraction(str(self.after)) * steps)
