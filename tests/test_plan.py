"""Which stages are done again, and why: the plan against a manifest, without training anything."""

import io
import json
from pathlib import Path

import pytest
from accelerate import Accelerator
from rich.console import Console

from grpo.errors import UserError
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe
from grpo.run.plan import Asked, Plan, hanging_on
from grpo.run.run_directory import RunDirectory
from grpo.status import tree
from grpo.workbench.workbench import Workbench

RECIPE = """\
name: small
model: {{path: {base}}}
data: {{path: {data}}}
rewards: {{accuracy: 1}}
stages:
  - {{kind: evaluate, name: before}}
  - {{kind: rl, name: zero, steps: 4, prompts: 1, sampling: {{max_tokens: 64}}}}
  - {{kind: evaluate, name: after, parent: zero}}
"""

EVERYTHING = Asked()


class House:
    """A base, a data file and a run's folder, worked on by writing down what training would."""

    def __init__(self, root: Path) -> None:
        self.base, self.data = root / "base", root / "problems.jsonl"
        self.run = RunDirectory(root / "run")
        self.run.root.mkdir(parents=True)
        _weights(self.base, "base")
        self.data.write_text('{"question": "1+1?", "answer": "2"}\n')
        self.made = 0

    def recipe(self, *overrides: str) -> Recipe:
        return parse_recipe(RECIPE.format(base=self.base, data=self.data), overrides=overrides)

    def pass_through(
        self, *overrides: str, asked: Asked = EVERYTHING, stop_in: str | None = None
    ) -> list[str]:
        """Work as the pipeline does; the stages worked on. In `stop_in` the run is killed."""
        recipe = self.recipe(*overrides)
        plan, worked = Plan(recipe, self.run, asked), []
        plan.begin()
        for stage in recipe.stages:
            work = plan.work(stage, lambda stage: getattr(stage, "steps", 0))
            if work is None:
                continue
            worked.append(stage.name)
            work.begin(self.run)
            if stage.name == stop_in:
                return worked
            work.end(self.run, self._result(stage.name, work.parent, stage.kind))
        plan.finish()
        return worked

    def _result(self, name: str, parent: Path | None, kind: str) -> Path:
        if kind == "evaluate":
            assert parent is not None
            folder = self.run.evaluation(name)
            folder.mkdir(parents=True, exist_ok=True)
            found = {"verdict": "strict", "avg": {"value": 0.5}, "scores": {}}
            results = {"benchmarks": {"held-out": found}}
            (folder / "results.json").write_text(json.dumps(results))
            return parent
        self.made += 1
        return _weights(self.run.root / "checkpoints" / name / "step-000004", f"made {self.made}")


def _weights(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(content)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_is_done_is_not_done_again(house: House) -> None:
    assert house.pass_through() == ["before", "zero", "after"]
    assert house.pass_through() == []
    assert house.run.manifest()["stages"]["after"]["scores"] == {"strict": 0.5}


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("stages.zero.optimizer.lr=1", ["zero", "after"]),
        ("stages.zero.steps=9", ["zero", "after"]),
        ("stages.zero.steps=2", ["zero", "after"]),
        ("stages.before.problems=7", ["before"]),
        ("stages.after.sampling.temperature=0.5", ["after"]),
        ("rewards.accuracy=2", ["zero", "after"]),
        ("seed=1", ["before", "zero", "after"]),
        ("runtime.threads=2", []),
        ("stages.zero.checkpoint.every=2", []),
    ],
)
def test_a_knob_does_its_stage_again_and_what_hangs_on_it(
    house: House, override: str, again: list[str]
) -> None:
    house.pass_through()
    assert house.pass_through(override) == again
    assert house.pass_through(override) == []


def test_a_stage_whose_parent_came_out_the_same_stays(house: House) -> None:
    house.pass_through()
    house.made -= 1  # the very weights again
    assert house.pass_through("stages.zero.optimizer.lr=1") == ["zero"]


def test_why_and_where_the_old_outputs_went_is_said(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.pass_through()
    house.run.metrics.append("zero", 0, {"loss": 1.0})
    house.run.metrics.append("other", 0, {"loss": 2.0})
    house.pass_through("stages.zero.optimizer.lr=1", stop_in="zero")
    kept = house.run.root / "superseded" / "zero"
    assert capsys.readouterr().out == (
        f"zero begins anew (optimizer.lr 3e-06 -> 1.0); what was there is in {kept}\n"
    )
    old = kept / "checkpoints" / "zero" / "step-000004" / "model.safetensors"
    assert old.read_text() == "made 1"
    assert not (house.run.root / "checkpoints" / "zero").exists()
    assert [json.loads(line)["stage"] for line in house.run.metrics.path.open()] == ["other"]


def test_a_longer_stage_goes_on_and_nothing_is_set_aside(house: House) -> None:
    house.pass_through()
    house.pass_through("stages.zero.steps=9")
    assert not (house.run.root / "superseded" / "zero").exists()


@pytest.mark.parametrize(("schedule", "left"), [("constant", 3), ("cosine", 0)])
def test_rollouts_of_another_schedule_are_forgotten(house: House, schedule: str, left: int) -> None:
    knob = f"stages.zero.optimizer.schedule={schedule}"
    house.pass_through(knob, stop_in="zero")
    house.run.rollouts("zero").mkdir(parents=True)
    for step in range(3):
        (house.run.rollouts("zero") / f"step-{step:06d}.parquet").touch()
    house.pass_through(knob, "stages.zero.steps=9", stop_in="zero")
    # No checkpoint is whole, so nothing was learnt from any of them.
    assert len(list(house.run.rollouts("zero").iterdir())) == left


def test_a_changed_data_file_is_a_changed_input(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.pass_through()
    house.data.write_text('{"question": "2+2?", "answer": "4"}\n')
    assert house.pass_through() == ["before", "zero", "after"]
    assert f"{house.data} is another file" in capsys.readouterr().out


def test_a_changed_base_under_old_outputs_is_refused(house: House) -> None:
    house.pass_through()
    _weights(house.base, "another base")
    with pytest.raises(UserError, match=r"has changed since this run began.*--from before"):
        house.pass_through()
    assert house.pass_through(asked=Asked(begin="before")) == ["before", "zero", "after"]


TUNED = """\
name: small
model: {{path: {base}}}
data: {{path: "tiny:all"}}
stages:
  - {{kind: sft, name: cold, batch: 8, data: {{path: "tiny:cold_start", size: 20}}}}
"""


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("stages.cold.epochs=3", "epochs 2 -> 3"),
        ("stages.cold.data.size=24", "data.size 20 -> 24"),
        ("prompt.system=Think.", 'prompt.system null -> "Think."'),
        ("data.size=9", None),
        ("sampler.max_num_seqs=2", None),
    ],
)
def test_an_sft_stage_hangs_on_its_conversations_not_on_problems(
    house: House, override: str, reason: str | None
) -> None:
    text = TUNED.format(base=house.base)
    for overrides in ((), (override,)):
        recipe = parse_recipe(text, overrides=overrides)
        bench = Workbench(recipe, house.run, Accelerator(cpu=True))
        plan = Plan(recipe, house.run, EVERYTHING)
        plan.begin()
        work = plan.work(recipe.stages[0], bench.steps)
        if not overrides:
            # 20 conversations twice, in steps of 8.
            assert work is not None and work.planned == work.goal == 5
            work.begin(house.run)
            work.end(house.run, _weights(house.run.root / "made", "made"))
    assert (work and [*work.reasons]) == (reason and [reason])


def test_from_begins_anew_and_a_kill_does_not_begin_it_twice(house: House) -> None:
    house.pass_through()
    begin = Asked(begin="zero")
    assert house.pass_through(asked=begin, stop_in="after") == ["zero", "after"]
    assert house.pass_through(asked=begin) == ["after"]
    assert house.pass_through(asked=begin) == ["zero", "after"]


def test_only_works_on_one_stage_whose_parents_are_done(house: House) -> None:
    with pytest.raises(UserError, match="'after' hangs on 'zero', which is not done"):
        house.pass_through(asked=Asked(only="after"))
    assert house.pass_through(asked=Asked(only="zero")) == ["zero"]
    assert house.pass_through(asked=Asked(only="after")) == ["after"]
    assert house.pass_through() == ["before"]


def test_a_stage_nobody_knows_is_named(house: House) -> None:
    with pytest.raises(UserError, match="no stage 'zeroo'; it has before, zero, after"):
        house.pass_through(asked=Asked(only="zeroo"))


def test_max_steps_is_no_change_of_the_recipe(house: House) -> None:
    assert house.pass_through(asked=Asked(max_steps=2)) == ["before", "zero", "after"]
    assert house.run.manifest()["stages"]["zero"]["steps"] == 2
    assert house.pass_through() == ["zero", "after"]
    assert house.pass_through(asked=Asked(max_steps=2)) == []


def test_what_hangs_on_a_stage(house: House) -> None:
    assert hanging_on(house.recipe(), "zero") == ["zero", "after"]
    assert hanging_on(house.recipe(), "before") == ["before"]


def test_status_shows_each_stage_under_its_parent(house: House) -> None:
    house.pass_through(stop_in="zero")
    console = Console(width=200, file=io.StringIO())
    console.print(tree(house.recipe(), house.run.manifest()))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    shown = [line.lstrip(" │├└─") for line in lines]
    assert shown == [
        "small",
        f"base  {house.base}",
        "before  evaluate  done  0 s  strict 50.0%",
        "zero  rl  cut off  0/4 steps  0 s",
        "after  evaluate  waiting",
    ]
    depths = [len(line) - len(rest) for line, rest in zip(lines, shown, strict=True)]
    assert depths == [0, 4, 8, 8, 12]
