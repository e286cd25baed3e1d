"""Rules on what a stage names: an earlier one, of a kind that puts out what is asked of it.

Folders and runs outside are not looked at: that needs the disk.
"""

from collections.abc import Iterator, Mapping
from itertools import takewhile

from grpo.recipe.base import KeyPath
from grpo.recipe.references import BASE, STAGE, is_outside, no_such, references
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Compare, Distill, Evaluate, Reject, RewardModel, Sft

Earlier = Mapping[str, AnyStage | None]
"""The stages that one may name; None stands for the base."""

CONVERSATIONS, PREFERENCES, REWARD_MODEL, LANGUAGE_MODEL, SCORES = (
    "conversations", "preferences", "rewards", "text", "scores",
)  # fmt: skip
"""What a stage may be named for."""

_WANTED = {
    CONVERSATIONS: "a reject stage, which writes conversations",
    PREFERENCES: "a compare stage, which writes preferences",
    REWARD_MODEL: "a reward_model stage",
    SCORES: "an evaluate stage",
    LANGUAGE_MODEL: "a stage whose weights write text, which a reward model's do not",
}


def wrong_links(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """What `stage` names and cannot have: (key inside the stage, sentence)."""
    earlier = _earlier(recipe, stage)
    if stage.parents[:1] == (BASE,) and BASE not in earlier:
        yield "parent", f"the recipe has no model, so there is no {BASE!r}; name a stage"
    if isinstance(earlier.get(stage.parent), RewardModel) and not isinstance(stage, RewardModel):
        yield "parent", _wrong_kind(stage.parent, earlier, LANGUAGE_MODEL)
    for at, name in references(stage.model_dump(mode="json")):
        key, wanted = ".".join(map(str, at)), wanted_at(stage, at)
        if wanted is None:
            yield key, f"no stage's output can stand here, got {STAGE + name!r}"
        elif name not in earlier:
            yield key, no_such(name, stage.name, _names(recipe), earlier)
        elif not _is(wanted, earlier[name]):
            yield key, _wrong_kind(name, earlier, wanted)
    yield from _taught(stage)
    yield from _compared(recipe, stage, earlier)


def lent_links(recipe: Recipe) -> Iterator[tuple[KeyPath, str]]:
    """`stage:NAME` in what the recipe lends to all its stages: (key, sentence)."""
    tree = recipe.model_dump(mode="json", exclude={"stages"})
    for at, name in references(tree):
        yield at, f"{STAGE + name!r} is for one stage; give the stages that take it knobs of theirs"


def wanted_at(stage: AnyStage, at: KeyPath) -> str | None:
    """What a stage named at `at` must put out: a key of _WANTED; None where none can be named."""
    if isinstance(stage, RewardModel) and at in (("data", "path"), ("beside", "path")):
        return PREFERENCES
    if at == ("beside", "path") or (at == ("data", "path") and isinstance(stage, Sft)):
        return CONVERSATIONS
    if at == ("teacher", "path") or (at == ("teacher",) and isinstance(stage, Distill)):
        return LANGUAGE_MODEL
    return REWARD_MODEL if "rewards" in at[:-2] and at[-1] == "path" else None


def _taught(stage: AnyStage) -> Iterator[tuple[str, str]]:
    key, name = "teacher.path", ""
    if isinstance(stage, Distill):
        key, name = "teacher", stage.teacher
    elif isinstance(stage, Sft) and stage.teacher:
        name = stage.teacher.path
    if name and not name.startswith(STAGE) and not is_outside(name):
        yield key, f"write {STAGE + name!r} for a stage, {'./' + name!r} for a folder"


def _compared(recipe: Recipe, stage: AnyStage, earlier: Earlier) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Evaluate) or stage.against is None:
        return
    if stage.against not in earlier:
        yield "against", no_such(stage.against, stage.name, _names(recipe), earlier)
    elif not isinstance(earlier[stage.against], Evaluate):
        yield "against", _wrong_kind(stage.against, earlier, SCORES)


def _earlier(recipe: Recipe, stage: AnyStage) -> Earlier:
    before = takewhile(lambda other: other.name != stage.name, recipe.stages)
    named: dict[str, AnyStage | None] = {other.name: other for other in before}
    return {BASE: None, **named} if recipe.model else named


def _is(wanted: str, stage: AnyStage | None) -> bool:
    if wanted in (CONVERSATIONS, PREFERENCES):
        return isinstance(stage, Reject if wanted == CONVERSATIONS else Compare)
    return isinstance(stage, RewardModel) == (wanted == REWARD_MODEL)


def _names(recipe: Recipe) -> list[str]:
    return [stage.name for stage in recipe.stages]


def _wrong_kind(name: str, earlier: Earlier, wanted: str) -> str:
    stage = earlier[name]
    kind = "what the recipe starts from" if stage is None else f"of kind {stage.kind}"
    return f"must name {_WANTED[wanted]}; {name!r} is {kind}"
