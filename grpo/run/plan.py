"""Which stages there is work on, from where, and why: read from the manifest, stage by stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo.errors import UserError
from grpo.eval.result import SAMPLES
from grpo.model.load import base_folder
from grpo.recipe.linked import CONVERSATIONS, wanted_at
from grpo.recipe.references import BASE, STAGE, references
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import AnyStage
from grpo.run.identity import Identity, file_hash, identity, weights_hash
from grpo.run.named import outside
from grpo.run.run_directory import RunDirectory
from grpo.run.work import Work


@dataclass(frozen=True)
class Asked:
    """What a command asks beside the recipe.

    `only` is the one stage to work on; at `begin` the run begins anew, with all that hangs on it;
    `max_steps` ends training stages there for now.

    >>> Asked(begin="zero", max_steps=10)
    """

    only: str | None = None
    begin: str | None = None
    max_steps: int | None = None


class Plan:
    """The recipe's stages against what the folder holds."""

    def __init__(self, recipe: Recipe, run: RunDirectory, asked: Asked) -> None:
        self._recipe, self._run, self._asked = recipe, run, asked
        names = [stage.name for stage in recipe.stages]
        for name in (asked.only, asked.begin):
            if name is not None and name not in names:
                raise UserError(f"the recipe has no stage {name!r}; it has {', '.join(names)}")
        self._base = base_folder(recipe.model) if recipe.model else None
        # All of them now: one that is not there is said before anything is trained.
        parents = {name: None for stage in recipe.stages for name in stage.parents}
        self._outside = {name: outside(name) for name in parents if name not in (BASE, *names)}

    def begin(self) -> None:
        """Note the base, and mark what was asked to begin anew; for one process to call.

        Raises UserError for a base that is no longer the one the run's outputs were made from.
        """
        manifest, begin = self._run.manifest(), self._asked.begin
        if self._base is not None:
            self._note_base(self._base, manifest.get(BASE, {}))
        if begin is None or manifest.get("begun_at") == begin:
            return
        for name in hanging_on(self._recipe, begin):
            if name in manifest["stages"]:
                self._run.note_stage(name, status="stale", why=f"asked: --from {begin}")
        self._run.note(begun_at=begin)

    def finish(self) -> None:
        """Everything asked for is done."""
        if "begun_at" in self._run.manifest():
            self._run.note(begun_at=None)

    def work(self, stage: AnyStage, steps: Callable[[AnyStage], int]) -> Work | None:
        """What is to be done on `stage` now that the stages before it are done; None for nothing.

        `steps` tells how many a stage has, which may hang on data that an earlier stage made.

        Raises UserError where only this stage was asked for and a parent of it is not done.
        """
        if self._asked.only not in (None, stage.name):
            return None
        manifest = self._run.manifest()
        before = manifest["stages"].get(stage.name, {})
        weights = self._weights(stage, manifest)
        now = identity(stage, self._recipe, weights, self._written(stage))
        planned, most = steps(stage), self._asked.max_steps
        reasons = _why_anew(planned, before, now, self._asked)
        goal = planned if most is None else min(planned, most)
        if before.get("status") == "done" and before["steps"] >= goal and not reasons:
            return None
        return Work(stage, self._checkpoint(stage, manifest), planned, goal, now, reasons)

    def _weights(self, stage: AnyStage, manifest: Mapping[str, Any]) -> dict[str, str]:
        entries = {BASE: manifest.get(BASE, {}), **manifest["stages"]}
        for name in stage.parents:
            is_made = name != BASE and name not in self._outside
            if is_made and entries.get(name, {}).get("status") != "done":
                raise UserError(
                    f"stage {stage.name!r} hangs on {name!r}, which is not done; leave --only out, "
                    f"or give --only {name} first"
                )
        return {
            name: weights_hash(self._outside[name])
            if name in self._outside
            else entries[name]["sha256"]
            for name in stage.parents
        }

    def _written(self, stage: AnyStage) -> dict[str, str]:
        """The hash of each file of an earlier stage that this one reads."""
        against = getattr(stage, "against", None)
        samples = [self._run.evaluation(against) / SAMPLES] if against else []
        read = {f"the samples of {against}": file_hash(file) for file in samples}
        return read | {
            STAGE + name: self._conversations_hash(name)
            for at, name in references(stage.model_dump(mode="json"))
            if wanted_at(stage, at) == CONVERSATIONS
        }

    def _conversations_hash(self, stage: str) -> str:
        file = self._run.conversations(stage)
        if not file.is_file():
            raise UserError(f"{file} is gone; give --from {stage} to write it again")
        return file_hash(file)

    def _checkpoint(self, stage: AnyStage, manifest: Mapping[str, Any]) -> Path | None:
        if not stage.parents:
            return None
        first = stage.parents[0]
        if first == BASE:
            return self._base
        if first in self._outside:
            return self._outside[first]
        return self._run.placed(manifest["stages"][first]["checkpoint"])

    def _note_base(self, base: Path, noted: Mapping[str, Any]) -> None:
        path, sha256 = self._run.named(base), weights_hash(base)
        changed = noted.get("path") == path and noted["sha256"] != sha256
        first = self._recipe.stages[0].name
        if changed and self._asked.begin != first:
            raise UserError(
                f"the base {base} has changed since this run began, and its outputs are the old "
                f"one's; give another --dir, or --from {first} to do all of it again"
            )
        if noted != {"path": path, "sha256": sha256}:
            self._run.note(**{BASE: {"path": path, "sha256": sha256}})


def hanging_on(recipe: Recipe, first: str) -> list[str]:
    """`first` and every stage that has it among its ancestors, in the recipe's order."""
    found = {first}
    for stage in recipe.stages:
        if found & set(stage.parents):
            found.add(stage.name)
    return [stage.name for stage in recipe.stages if stage.name in found]


def _why_anew(steps: int, before: Mapping[str, Any], now: Identity, asked: Asked) -> Sequence[str]:
    """Why what is there of the stage is of no use; empty where it is, or where nothing is."""
    if not before:
        return ()
    if before["status"] == "stale":
        return (before["why"],)
    planned = before["planned"]
    shorter = [f"steps {planned} -> {steps}"] if steps < planned and not asked.max_steps else []
    return (*now.changes(before), *shorter)
