"""Stages that name one another: what is refused, what hangs on what, and what a name comes to."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from rich.console import Console

from grpo.errors import UserError
from grpo.inputs import input_faults
from grpo.pipeline import run as run_pipeline
from grpo.recipe.load import parse_recipe
from grpo.recipe.references import is_outside
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Rl, Sft
from grpo.recipe.summary import summary
from grpo.run.identity import file_hash, weights_hash
from grpo.run.plan import Asked, Plan, hanging_on
from grpo.run.run_directory import RunDirectory
from grpo.status import tree
from grpo.workbench.workbench import Workbench

CHAIN = """\
name: chain
model: {path: tiny-base}
data: {path: "tiny:all", size: 200}
rewards: {accuracy: 1}
stages:
  - {kind: sft, name: cold, batch: 8, data: {path: "tiny:cold_start", size: 20}}
  - {kind: rl, name: reason, parent: cold, steps: 4}
  - {kind: reject, name: pick, parent: reason, problems: 9}
  - {kind: sft, name: again, batch: 8, data: {path: "stage:pick"}}
  - {kind: reward_model, name: kind, parent: again, data: {path: "tiny:helpful"}}
  - kind: rl
    name: all
    parent: again
    steps: 4
    rewards: {accuracy: 1, reward_model@kind: {weight: 1, path: "stage:kind"}}
  - {kind: sft, name: student, batch: 8, data: {path: "stage:pick"}, teacher: {path: "stage:all"}}
  - {kind: evaluate, name: before, rewards: {format: 1}}
  - {kind: evaluate, name: after, parent: all, rewards: {format: 1}, against: before}
"""
NAMES = ("cold", "reason", "pick", "again", "kind", "all", "student", "before", "after")


def chain(*overrides: str) -> Recipe:
    return parse_recipe(CHAIN, "r.yaml", overrides)


def test_what_a_stage_names_is_among_its_parents_its_weights_first() -> None:
    parents = {stage.name: stage.parents for stage in chain().stages}
    assert parents == {
        "cold": ("base",),
        "reason": ("cold",),
        "pick": ("reason",),
        "again": ("base", "pick"),
        "kind": ("again",),
        "all": ("again", "kind"),
        "student": ("base", "pick", "all"),
        "before": ("base",),
        "after": ("all", "before"),
    }


def test_what_hangs_on_a_stage_is_found_through_all_names() -> None:
    assert hanging_on(chain(), "pick") == ["pick", "again", "kind", "all", "student", "after"]
    assert hanging_on(chain(), "kind") == ["kind", "all", "student", "after"]
    assert hanging_on(chain(), "before") == ["before", "after"]


def test_every_kind_of_stage_has_a_line_of_its_own() -> None:
    _, *lines = summary(chain())
    assert [line.split()[1].strip("'") for line in lines] == list(NAMES)
    assert "9 problems x 16 samples, at most 4 kept of each" in lines[2]


KNOWN = "known here: base, cold, pick, reason"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("stages.again.data.path=stage:pikc", f"no earlier stage is called 'pikc'; {KNOWN}"),
        ("stages.again.data.path=stage:again", "'again' is this very stage; a stage takes"),
        ("stages.again.data.path=stage:student", "'student' comes later; a stage takes from"),
        (
            "stages.again.data.path=stage:reason",
            "must name a reject stage, which writes conversations; 'reason' is of kind rl",
        ),
        ("stages.pick.data={path: stage:cold}", "no stage's output can stand here"),
        ("stages.cold.parent=cold", "'cold' is this very stage"),
        ("stages.cold.parent=all", "'all' comes later"),
        ("stages.reason.parent=nobody", "no earlier stage is called 'nobody'; known here: base"),
        ("stages.student.parent=kind", "must name a stage whose weights write text, which a"),
        ("stages.after.parent=kind", "'kind' is of kind reward_model"),
        ("stages.student.teacher={path: stage:kind}", "must name a stage whose weights write"),
        ("stages.student.teacher={path: all}", "write 'stage:all' for a stage, './all' for a"),
        (
            "stages.all.rewards={reward_model: {path: stage:cold}}",
            "must name a reward_model stage; 'cold' is of kind sft",
        ),
        ("stages.after.against=all", "must name an evaluate stage; 'all' is of kind rl"),
        ("stages.after.against=beside", "no earlier stage is called 'beside'"),
        ("rewards={reward_model: {path: stage:kind}}", "'stage:kind' is for one stage"),
        ("model=null", "model.path is missing"),
        ("stages.pick.keep.least={acuracy: 1}", "no reward of this stage is called 'acuracy'"),
        ("stages.pick.rewards={}", "a reject stage needs at least one reward"),
    ],
)
def test_a_name_that_cannot_be_is_refused_where_it_is_written(override: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        chain(override)
    (line,) = [line for line in str(error.value).splitlines() if sentence in line]
    assert line.startswith(f"override {override!r}: key ")


def test_the_line_of_the_file_is_named() -> None:
    text = CHAIN.replace("stage:pick", "stage:pikc", 1)
    with pytest.raises(UserError, match=r"^r.yaml:9: key 'stages.again.data.path': no earlier"):
        parse_recipe(text, "r.yaml")


def test_a_reward_model_may_go_on_from_one() -> None:
    more = '  - {kind: reward_model, name: more, parent: kind, data: {path: "tiny:helpful"}}\n'
    assert parse_recipe(CHAIN + more).stages[-1].parents == ("kind",)


@pytest.mark.parametrize(
    ("name", "outside"),
    [
        ("cold", False), ("base", False), ("runs/x:zero", True), ("./cold", True), ("/m/a", True),
        ("stage:cold", False),
        ("Qwen/Qwen2.5-0.5B", True), ("tiny-base", True),
    ],
)  # fmt: skip
def test_names_of_stages_and_of_what_lies_outside(name: str, outside: bool) -> None:
    assert is_outside(name) == outside


@pytest.mark.parametrize(
    ("override", "key", "sentence"),
    [
        ("stages.cold.parent=models/none", "stages.cold.parent", "there is no folder"),
        ("stages.cold.parent={run}:none", "stages.cold.parent", "there is no folder"),
        ("stages.student.teacher.path=./none", "stages.student.teacher", "there is no folder"),
        ("stages.pick.beside={{path: no.jsonl}}", "stages.pick.beside.path", "no file no.jsonl"),
        ("stages.cold.parent={run}:zero", None, ""),
        ("stages.cold.parent=tiny-base", None, ""),
    ],
)
def test_what_lies_outside_is_looked_up(
    tmp_path: Path, override: str, key: str | None, sentence: str
) -> None:
    RunDirectory(tmp_path).note_stage("zero", status="running")
    recipe = chain(override.format(run=tmp_path))
    assert [(k, s[: len(sentence)]) for k, s in input_faults(recipe)] == (
        [(key, sentence)] if key else []
    )


SMALL = """\
name: small
model: {{path: {base}}}
data: {{path: "tiny:all", size: 100}}
rewards: {{accuracy: 1}}
stages:
  - {{kind: reject, name: pick, problems: 9}}
  - {{kind: sft, name: again, batch: 2, data: {{path: "stage:pick"}}, parent: "{parent}"}}
"""


def _weights(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(content)
    (folder / "config.json").write_text("{}")
    return folder


EVERYTHING = Asked()


class House:
    """A run of SMALL whose stages put down by hand what sampling and training would."""

    def __init__(self, root: Path, parent: str = "base") -> None:
        self.base, self.outside = _weights(root / "m", "base"), _weights(root / "other", "other")
        self.run = RunDirectory(root / "run")
        text = SMALL.format(base=self.base, parent=parent.format(outside=self.outside))
        self.recipe = parse_recipe(text)
        self.bench = Workbench(self.recipe, self.run, Accelerator(cpu=True))
        self.rows = 4

    def pass_through(self, asked: Asked = EVERYTHING) -> list[str]:
        plan, worked = Plan(self.recipe, self.run, asked), []
        plan.begin()
        for stage in self.recipe.stages:
            work = plan.work(stage, lambda one: self.bench.steps(self.bench.resolved(one)))
            if work is None:
                continue
            worked.append(
                f"{stage.name}: {'; '.join(work.reasons)}" if work.reasons else stage.name
            )
            work.begin(self.run)
            assert work.parent is not None
            if stage.name == "pick":
                self._write()
            work.end(self.run, work.parent)
        return worked

    def _write(self) -> None:
        file = self.run.conversations("pick")
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"prompt": f"{n}+{n}?", "completion": str(2 * n)} for n in range(self.rows)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_conversations_of_a_stage_are_read_when_it_is_done(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.bench as bench:
        bench.prepare()  # nothing is there yet, and nothing is missed
    assert house.pass_through() == ["pick", "again"]
    stages = house.run.manifest()["stages"]
    # 4 conversations twice, in steps of 2.
    assert stages["again"]["planned"] == 4
    written = file_hash(house.run.conversations("pick"))
    assert stages["pick"]["wrote"] == {"path": "data/pick.jsonl", "sha256": written, "rows": 4}
    assert stages["again"]["data"] == {"stage:pick": written}
    assert house.pass_through() == []


def test_other_conversations_are_another_input(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.pass_through()
    house.rows = 5
    house.bench = Workbench(house.recipe, house.run, Accelerator(cpu=True))
    begin = Asked(begin="pick")
    house.run.note(begun_at="pick")  # as if --from had been cut off after it marked its stages
    house.run.note_stage("pick", status="stale", why="asked: --from pick")
    assert house.pass_through(begin) == [
        "pick: asked: --from pick",
        "again: stage:pick is another file",
    ]
    aside = house.run.root / "superseded" / "pick" / "data" / "pick.jsonl"
    assert len(aside.read_text().splitlines()) == 4


def test_conversations_that_are_gone_are_missed(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.pass_through()
    house.run.conversations("pick").unlink()
    with pytest.raises(UserError, match=r"pick.jsonl is gone; give --from pick to write it again"):
        house.pass_through()


def test_another_checkpoint_outside_begins_the_stage_anew(tmp_path: Path) -> None:
    house = House(tmp_path, "{outside}")
    assert house.pass_through() == ["pick", "again"]
    again = house.run.manifest()["stages"]["again"]
    assert again["parents"][str(house.outside)] == weights_hash(house.outside)
    assert again["parent_checkpoint"] == str(house.outside)
    assert house.pass_through() == []
    _weights(house.outside, "trained on")
    assert house.pass_through() == [f"again: {house.outside} is another checkpoint"]


def test_a_run_and_stage_is_its_newest_checkpoint(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "old").note_stage("zero", checkpoint=str(tmp_path / "other"))
    house = House(tmp_path, f"{tmp_path / 'old'}:zero")
    house.pass_through()
    again = house.run.manifest()["stages"]["again"]
    assert again["parents"][f"{tmp_path / 'old'}:zero"] == weights_hash(house.outside)


def test_status_shows_what_was_written_and_what_lies_outside(tmp_path: Path) -> None:
    house = House(tmp_path, "{outside}")
    house.pass_through()
    console = Console(width=200, file=io.StringIO())
    console.print(tree(house.recipe, house.run.manifest()))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert [line.lstrip(" │├└─").rstrip() for line in shown.splitlines()] == [
        "small",
        f"base  {house.base}",
        "pick  reject  done  0 s  4 rows",
        str(house.outside),
        "again  sft  done  4/4 steps  0 s",
    ]


def test_a_stage_gets_paths_for_names(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    for name in NAMES:
        run.note_stage(name, checkpoint=f"checkpoints/{name}/step-000004")
    bench = Workbench(chain(), run, Accelerator(cpu=True))
    stages = {stage.name: bench.resolved(stage) for stage in bench.recipe.stages}
    again, paid, student = stages["again"], stages["all"], stages["student"]
    assert isinstance(again, Sft) and isinstance(student, Sft) and isinstance(paid, Rl)
    assert again.data.path == str(run.root / "data" / "pick.jsonl")
    assert paid.rewards is not None
    path = paid.rewards["reward_model@kind"].knobs["path"]
    assert path == str(run.root / "checkpoints" / "kind" / "step-000004")
    assert student.teacher is not None
    assert student.teacher.path == str(run.root / "checkpoints" / "all" / "step-000004")
    assert stages["cold"] is bench.recipe.stages[0]


WHOLE = """\
name: small
seed: 5
model: {path: tiny-base}
data: {path: "tiny:larger", size: 40, held_out: 0.3}
rewards: {accuracy_lenient: 1.0}
sampler: {engine: plain, max_model_len: 128}
runtime: {threads: 1}
track: {to: []}
stages:
  - name: pick
    kind: reject
    problems: 2
    samples: 4
    sampling: {max_tokens: 48}
    keep: {least: {accuracy_lenient: 1.0}}
  - {name: again, kind: sft, data: {path: "stage:pick"}, batch: 2, epochs: 1}
"""


@pytest.mark.slow
def test_a_run_learns_from_what_it_picked(tmp_path: Path) -> None:
    recipe = parse_recipe(WHOLE)
    run_pipeline(recipe, tmp_path / "run")
    stages: dict[str, Any] = RunDirectory(tmp_path / "run").manifest()["stages"]
    assert [stage["status"] for stage in stages.values()] == ["done", "done"]
    assert stages["again"]["planned"] == -(-stages["pick"]["wrote"]["rows"] // 2) > 0
    assert stages["again"]["data"] == {"stage:pick": stages["pick"]["wrote"]["sha256"]}
