"""What is legal in a recipe but unwise, each in one sentence with the key and the cure.

Nothing here stops a run: `grpo check` and `grpo run` print it. What cannot run is in rules.
"""

from collections.abc import Iterator

from grpo.recipe.rules import Check, Finding, stage_findings
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage, Distill, Pretrain, Rl

_MANY_PASSES = 20
"""Looks at one problem above which a policy may learn answers by heart."""

_GSPO_CLIP = 0.01
"""Above this a length-normalised sequence ratio is practically never clipped (GSPO: 4e-4)."""

_LONG = 400
"""Steps after which R1-Zero replaces its reference."""


def lint(recipe: Recipe) -> list[Finding]:
    """Everything unwise in the recipe, in the order of the recipe."""
    return [*_engine(recipe), *_trust(recipe), *stage_findings(recipe, _CHECKS)]


def _engine(recipe: Recipe) -> Iterator[Finding]:
    sampler = recipe.sampler
    if sampler.engine != "plain":
        return
    for key, idle in (("draft_tokens", 0), ("tensor_parallel_size", 1)):
        if getattr(sampler, key) != idle:
            sentence = "has no effect with sampler.engine plain; take vllm or leave it out"
            yield Finding(("sampler", key), f"sampler.{key}", sentence)


def _trust(recipe: Recipe) -> Iterator[Finding]:
    if recipe.model and recipe.model.trust_remote_code != recipe.sampler.trust_remote_code:
        yield Finding(
            ("sampler", "trust_remote_code"),
            "sampler.trust_remote_code",
            "differs from model.trust_remote_code, so one of the two sides may refuse the model; "
            "set both",
        )


def _cut_sampling(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl):
        return
    is_one_update = stage.minibatches * stage.epochs == 1 and stage.refill is None
    is_ratio_used = stage.objective.correction != "off" or not is_one_update
    for key, is_cut in (("top_p", stage.sampling.top_p < 1), ("top_k", stage.sampling.top_k > 0)):
        if is_cut and is_ratio_used:
            yield (
                f"sampling.{key}",
                "the sampler draws from a cut distribution, the trainer scores the whole one, and "
                f"the importance ratio is biased; set {key} to {1 if key == 'top_p' else 0}",
            )


def _clips(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl):
        return
    objective = stage.objective
    if objective.dual is not None and objective.dual <= 1 + objective.clip_high:
        yield (
            "objective.dual",
            f"caps bad tokens at ratio {objective.dual:g} while good ones run to "
            f"{1 + objective.clip_high:g}; raise dual above 1 + clip_high, or leave it out",
        )
    if objective.loss == "gspo" and min(objective.clip_low, objective.clip_high) > _GSPO_CLIP:
        yield (
            "objective.clip_high",
            "gspo's ratio is a mean over the sequence and never gets this far from 1; "
            "take clip_low 3e-4 and clip_high 4e-4",
        )


def _losses(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl):
        return
    objective = stage.objective
    if objective.loss == "dr_grpo" and objective.scale != "none":
        yield "objective.scale", "dr_grpo leaves advantages unscaled; set scale to none"
    if objective.use_bias_correction_kl and objective.kl != "k3":
        yield (
            "objective.use_bias_correction_kl",
            f"corrects k3 only and kl is {objective.kl}; set kl to k3 or leave this out",
        )


def _precision(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl) or recipe.model is None or recipe.sampler.dtype is None:
        return
    if recipe.sampler.dtype != recipe.model.dtype and stage.objective.correction == "off":
        yield (
            "objective.correction",
            f"the sampler runs in {recipe.sampler.dtype}, the trainer in {recipe.model.dtype}, and "
            "nothing corrects the gap; set correction to truncate, or sampler.dtype to the model's",
        )


def _weights(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl):
        return
    rewards = recipe.rewards if stage.rewards is None else stage.rewards
    tables = {f"domains.{name}": one.rewards for name, one in (stage.domains or {}).items()}
    for key, table in (tables or {"rewards": rewards}).items():
        if table and not any(paid.weight for paid in table.values()):
            yield key, "every weight is 0, so nothing is learnt; give one a weight"


def _groups(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if isinstance(stage, Rl) and stage.group_size < 4:
        yield (
            "group_size",
            f"{stage.group_size} completions a problem make a noisy baseline and many groups of "
            "equal reward; take 4 or more",
        )


def _passes(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl):
        return
    data = stage.data or recipe.data
    share = 1.0 if data.held_out_path else 1 - data.held_out
    if data.size is None or stage.steps * stage.prompts <= _MANY_PASSES * data.size * share:
        return
    times = stage.steps * stage.prompts / (data.size * share)
    yield (
        "steps",
        f"each training problem is seen {times:.0f} times; raise data.size or lower steps",
    )


def _warmup(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl | Pretrain | Distill):
        return  # how many steps an sft stage has, its conversations say
    passes = stage.epochs if isinstance(stage, Rl) else 1
    updates = stage.steps * passes * getattr(stage, "minibatches", 1)
    if stage.optimizer.warmup_steps >= updates:
        yield (
            "optimizer.warmup_steps",
            f"the stage has {updates} optimizer steps, so lr never reaches its peak; lower it",
        )


def _looks(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if isinstance(stage, Rl | Distill) and stage.evaluate_every > stage.steps:
        yield (
            "evaluate_every",
            f"the stage ends after {stage.steps} steps, before the first look; lower it",
        )


def _reference(recipe: Recipe, stage: AnyStage) -> Iterator[tuple[str, str]]:
    if not isinstance(stage, Rl) or stage.objective.beta == 0:
        return
    if stage.reference.refresh_every == 0 and stage.steps > _LONG:
        yield (
            "reference.refresh_every",
            f"the KL penalty holds the policy to its start for all {stage.steps} steps; "
            "replace the reference now and then (R1-Zero: every 400), or set objective.beta to 0",
        )


_CHECKS: tuple[Check, ...] = (
    _cut_sampling,
    _clips,
    _losses,
    _precision,
    _weights,
    _groups,
    _passes,
    _warmup,
    _looks,
    _reference,
)
