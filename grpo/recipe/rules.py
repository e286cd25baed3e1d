"""Rules between knobs that no single field can state: a recipe that breaks one cannot run well.

What is legal but unwise is in lint; what needs the disk is in preflight.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grpo.errors import UserError
from grpo.recipe.base import KeyPath
from grpo.recipe.domains import table_faults
from grpo.recipe.drawing import drawing_faults
from grpo.recipe.linked import lent_links, wrong_links
from grpo.recipe.process import process_faults
from grpo.recipe.recomputed import recomputed_faults
from grpo.recipe.replay import replay_faults
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Architecture, Data, Llama
from grpo.recipe.sharing import sharing_faults
from grpo.recipe.stages import (
    AnyStage,
    Distill,
    Drawn,
    Evaluate,
    Pretrain,
    Reject,
    RewardModel,
    Rl,
    Sft,
)
from grpo.recipe.walk import key_name


@dataclass(frozen=True)
class Finding:
    """Something to say about a key: where it stands, what it is called, and one sentence.

    >>> Finding(("stages", 0, "group_size"), "stages.zero.group_size", "2 completions a group ...")
    """

    at: KeyPath
    key: str
    sentence: str

    def __str__(self) -> str:
        return f"key {self.key!r}: {self.sentence}"


Check = Callable[[Recipe, AnyStage], Iterator[tuple[str, str]]]
"""Yields (key inside the stage, sentence) for each thing it finds in one stage of a recipe."""


def check_semantics(recipe: Recipe) -> None:
    """Raises UserError with every broken rule, a line each. `load_recipe` has done this already."""
    findings = broken_rules(recipe)
    if findings:
        raise UserError("\n".join(map(str, findings)))


def broken_rules(recipe: Recipe) -> list[Finding]:
    """Every rule the recipe breaks, in the order of its stages."""
    return [*_prompt(recipe), *_lent(recipe), *stage_findings(recipe, RULES)]


def stage_findings(recipe: Recipe, checks: tuple[Check, ...]) -> list[Finding]:
    """What `checks` find in each stage; what a stage takes from the recipe is named there."""
    tree = recipe.model_dump(mode="json")
    findings = []
    for index, stage in enumerate(recipe.stages):
        for check in checks:
            for key, sentence in check(recipe, stage):
                steps = key.split(".")
                is_inherited = getattr(stage, steps[0], stage) is None
                path: KeyPath = (*steps,) if is_inherited else ("stages", index, *steps)
                findings.append(Finding(path, key_name(path, tree), sentence))
    return list(dict.fromkeys(findings))


def _prompt(recipe: Recipe) -> Iterator[Finding]:
    if recipe.prompt.system is not None and not recipe.prompt.chat:
        sentence = "a system message needs prompt.chat true; else put it into prompt.user"
        yield Finding(("prompt", "system"), "prompt.system", sentence)


def _lent(recipe: Recipe) -> Iterator[Finding]:
    tree = recipe.model_dump(mode="json")
    for at, sentence in lent_links(recipe):
        yield Finding(at, key_name(at, tree), sentence)


def _room_for_prompt(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    sampling = getattr(stage, "sampling", None)
    if sampling is None:
        return
    room, longest = recipe.sampler.max_model_len, sampling.max_tokens
    if longest >= room:
        yield (
            "sampling.max_tokens",
            f"{longest} tokens leave no room for the prompt in sampler.max_model_len {room}; "
            "raise that or lower this",
        )


def _enough_groups(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if isinstance(stage, Rl) and stage.prompts < stage.minibatches:
        yield (
            "minibatches",
            f"{stage.minibatches} minibatches cannot be made of {stage.prompts} groups, "
            "which are never split; raise prompts or lower minibatches",
        )
    if isinstance(stage, Distill) and stage.prompts * stage.samples < stage.minibatches:
        yield (
            "minibatches",
            f"{stage.minibatches} minibatches cannot be made of {stage.prompts * stage.samples} "
            "completions; raise prompts or lower minibatches",
        )


def _paid(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl):
        return
    if stage.domains is not None:
        if stage.rewards is not None:
            sentence = "`domains` stands beside it and says what pays; leave one of the two out"
            yield "rewards", sentence
        yield from table_faults(stage.domains)
    elif not (recipe.rewards if stage.rewards is None else stage.rewards):
        yield (
            "rewards",
            "an rl stage needs at least one reward, such as `rewards: {accuracy: 1.0}`",
        )


def _something_held_out(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Evaluate | Rl | Distill):
        return
    if not isinstance(stage, Evaluate) and stage.evaluate_every == 0:
        return
    data = stage.data or recipe.data
    if data.held_out == 0 and data.held_out_path is None:
        yield (
            "problems" if isinstance(stage, Evaluate) else "evaluate_every",
            "no problem is held out to look at; set data.held_out above 0, or data.held_out_path",
        )


def _tunable(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Sft):
        return
    if stage.evaluate_every and stage.data.held_out == 0:
        sentence = "no conversation is held out to look at; set the stage's data.held_out above 0"
        yield "evaluate_every", sentence
    if (share := _problems_kept(stage)) < recipe.data.held_out and _is_tiny(recipe.data.path):
        yield (
            "data.config",
            f"conversations would be about problems that data.held_out {recipe.data.held_out:g} "
            f"keeps apart, of which the generator leaves out {share:g}; set held_out here as high",
        )


def _problems_kept(stage: Sft) -> float:
    """The share of problems that the stage's generator keeps out of its conversations."""
    share = stage.data.config.get("held_out", Data.model_fields["held_out"].default)
    is_share = _is_tiny(stage.data.path) and isinstance(share, int | float)
    return share if is_share else 1.0


def _is_tiny(source: str) -> bool:
    return source.startswith("tiny:")


def _comparable(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    """Whether wins can be counted; that `against` names an evaluate stage is for `linked`."""
    if not isinstance(stage, Evaluate) or stage.against is None:
        return
    if not stage.rewards:
        yield "against", "wins are counted by the stage's rewards, and it has none; give it some"
    other = next((one for one in recipe.stages if one.name == stage.against), None)
    if isinstance(other, Evaluate) and (other.data or recipe.data) != (stage.data or recipe.data):
        yield "against", f"{stage.against!r} was asked other problems; give both the same data"


def _best_is_known(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Evaluate) or stage.selection.checkpoint != "best":
        return
    parent = next((other for other in recipe.stages if other.name == stage.parent), None)
    if (
        isinstance(parent, Rl | Sft | Distill)
        and parent.evaluate_every
        and parent.checkpoint.keep_best
    ):
        return
    yield (
        "selection.checkpoint",
        f"stage {stage.parent!r} knows no best checkpoint; "
        "give it evaluate_every above 0 and checkpoint.keep_best true, or take the last",
    )


def _buildable(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if isinstance(stage, Pretrain) and stage.llama is not None:
        for key, sentence in _llama(stage.llama):
            yield f"llama.{key}", sentence
    elif isinstance(stage, Pretrain):
        for key, sentence in _architecture(stage.architecture):
            yield f"architecture.{key}", sentence


def _llama(shape: Llama) -> Iterator[tuple[str, str]]:
    if shape.heads % shape.kv_heads:
        yield "kv_heads", f"must divide heads {shape.heads}, got {shape.kv_heads}"
    width, rest = divmod(shape.hidden_size, shape.heads)
    if rest or width % 2:
        yield (
            "heads",
            f"hidden_size {shape.hidden_size} is no {shape.heads} heads of an even width, as "
            "rotation takes pairs",
        )


def _architecture(shape: Architecture) -> Iterator[tuple[str, str]]:
    if shape.dense_layers >= shape.layers:
        yield "dense_layers", f"must be below layers {shape.layers}, got {shape.dense_layers}"
    if shape.qk_rope_head_dim % 2:
        yield (
            "qk_rope_head_dim",
            f"must be even, as rotation takes pairs; got {shape.qk_rope_head_dim}",
        )
    if shape.groups_per_token > shape.groups:
        yield (
            "groups_per_token",
            f"must be at most groups {shape.groups}, got {shape.groups_per_token}",
        )
    yield from _expert_groups(shape)


def _expert_groups(shape: Architecture) -> Iterator[tuple[str, str]]:
    size, rest = divmod(shape.experts, shape.groups)
    if rest or size < 2:
        # a group is scored by the sum of its two best experts
        yield (
            "groups",
            f"{shape.experts} experts do not make {shape.groups} equal groups of two or more",
        )
    elif shape.experts_per_token > size * min(shape.groups_per_token, shape.groups):
        reach = size * shape.groups_per_token
        yield (
            "experts_per_token",
            f"a token reaches {reach} experts in {shape.groups_per_token} groups of {size}, "
            f"fewer than {shape.experts_per_token}",
        )


def _floors(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Drawn):
        return
    rewards = recipe.rewards if stage.rewards is None else stage.rewards
    if not rewards:
        needs = f"a {stage.kind} stage needs at least one reward"
        yield "rewards", f"{needs}, such as `{{accuracy: 1.0}}`"
        return
    for name in stage.keep.least if isinstance(stage, Reject) else ():
        if name not in rewards:
            known = ", ".join(rewards) or "none"
            yield "keep.least", f"no reward of this stage is called {name!r}; it has {known}"


def _microbatches(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if isinstance(stage, RewardModel) and stage.batch % min(stage.microbatch, stage.batch):
        yield (
            "microbatch",
            f"{stage.batch} pairs a step are no whole number of microbatches of "
            f"{stage.microbatch}; take a divisor of batch",
        )


RULES: tuple[Check, ...] = (
    wrong_links,
    _floors,
    _microbatches,
    _room_for_prompt,
    _enough_groups,
    _paid,
    replay_faults,
    sharing_faults,
    process_faults,
    drawing_faults,
    _something_held_out,
    _tunable,
    recomputed_faults,
    _comparable,
    _best_is_known,
    _buildable,
)
