"""What a recipe says of one reward: its weight, and the knobs that are the reward's own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict, model_serializer, model_validator

from grpo.recipe.base import Section, knob


class Paid(Section):
    """One reward's weight and knobs; written as a number where there is a weight alone.

    Which knobs a reward has is not known here: `grpo.inputs` asks the reward.

    >>> Paid(weight=0.5, variant="think")
    """

    model_config = ConfigDict(extra="allow")
    shorthand: ClassVar[str | None] = "weight"

    weight: float = knob(1.0, "what the reward is multiplied by; 0: it only looks on")

    @property
    def knobs(self) -> dict[str, Any]:
        """The reward's own knobs."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, written: Any) -> Any:
        return written if isinstance(written, Mapping | cls) else {"weight": written}

    @model_serializer
    def _short(self) -> float | dict[str, Any]:
        return {"weight": self.weight, **self.knobs} if self.knobs else self.weight
