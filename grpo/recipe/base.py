"""What every section of a recipe shares: frozen, strict, each knob with its meaning beside it."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

KeyPath = tuple[str | int, ...]
"""Where a key stands: ("stages", 0, "sampling", "top_p")."""


class Misplaced(ValueError):
    """A rule across keys is broken; `at` is the key to mend, so that its line can be named."""

    def __init__(self, at: KeyPath, sentence: str) -> None:
        super().__init__(sentence)
        self.at = at


class Section(BaseModel):
    """A frozen part of a recipe; an unknown key is an error, never silently dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, strict=False)

    shorthand: ClassVar[str | None] = None
    """The knob that a lone value in the section's place stands for."""


def knob(default: Any, meaning: str, **limits: Any) -> Any:
    """A field with its default, its meaning (unit included) and its limits."""
    return Field(default, description=meaning, **limits)
