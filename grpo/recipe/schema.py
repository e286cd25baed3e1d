"""The recipe: one frozen object that holds every number a run uses."""

from pydantic import model_validator

from grpo.recipe.base import Misplaced, Section, knob
from grpo.recipe.paid import Paid
from grpo.recipe.references import BASE, is_outside, no_such
from grpo.recipe.sections import Data, Model, Prompt, Runtime, SamplerConfig, Track
from grpo.recipe.stages import AnyStage


class Recipe(Section):
    """A run: what it starts from, what it learns on, what pays, and its stages in order."""

    name: str = knob(..., "the run's name; runs/NAME by default", pattern=r"^[A-Za-z0-9][\w.-]*$")
    seed: int = knob(0, "every draw of the run is derived from it", ge=0)
    model: Model | None = knob(None, "the base; none only where the first stage makes it")
    data: Data = knob(..., "the problems")
    prompt: Prompt = Prompt()
    rewards: dict[str, Paid] = knob(
        {}, "name, file.py:function or dotted path -> weight, or {weight, knobs}"
    )
    sampler: SamplerConfig = SamplerConfig()
    runtime: Runtime = Runtime()
    track: Track = Track()
    stages: tuple[AnyStage, ...] = knob(..., "in the order they run", min_length=1)

    @model_validator(mode="after")
    def _stages_chain(self) -> "Recipe":
        seen = {BASE}
        for index, stage in enumerate(self.stages):
            if stage.name in seen:
                taken = "what the recipe starts from" if stage.name == BASE else "another stage"
                raise Misplaced(("stages", index, "name"), f"{stage.name!r} is {taken}")
            if stage.parent not in seen and not is_outside(stage.parent):
                names = [one.name for one in self.stages]
                sentence = no_such(stage.parent, stage.name, names, seen)
                raise Misplaced(("stages", index, "parent"), sentence)
            seen.add(stage.name)
        if self.model is None and self.stages[0].kind != "pretrain":
            sentence = "model.path is missing: only a pretrain stage starts from nothing"
            raise Misplaced(("model",), sentence)
        return self
