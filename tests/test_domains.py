"""An rl stage's domains at work: what is drawn, what pays, what is logged."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tiny_moe
import yaml
from accelerate import Accelerator
from accelerate.utils import set_seed
from domain_tables import PAID, REWARDS, TABLE

from grpo.errors import UserError
from grpo.learning.learner import Learner
from grpo.recipe.load import parse_recipe
from grpo.recipe.schema import Recipe
from grpo.recipe.stages import Rl
from grpo.rollout.statistics import domain_metrics, rollout_metrics
from grpo.run.identity import identity
from grpo.run.run_directory import RunDirectory
from grpo.stages.rl import run_rl
from grpo.types import Completion, Group, Judgement, Rollout
from grpo.workbench.workbench import Workbench
from grpo_data.problem import Problem
from grpo_rewards import Scorer

TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)
STAGE = {"name": "all", "kind": "rl", "steps": 6, "prompts": 4, "group_size": 3}

# The table and the problems.


def rows(**counts: int) -> list[dict[str, Any]]:
    """Problems of each domain; those of reasoning name none."""
    return [
        {"question": f"{domain} {n}?", "answer": str(n)}
        | ({} if domain == "reasoning" else {"domain": domain})
        for domain, count in counts.items()
        for n in range(count)
    ]


class House:
    """A random base, problems, rewards of one's own, and runs of one rl stage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tokenizer = tiny_moe.tokenizer()
        tokenizer.chat_template = TEMPLATE
        tiny_moe.save(tiny_moe.model(), root / "base")
        tokenizer.save_pretrained(root / "base")
        (root / "my.py").write_text(REWARDS)

    def recipe(self, problems: list[dict[str, Any]], domains: Any, **stage: Any) -> Recipe:
        (self.root / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in problems))
        held_out = self.root / "held_out.jsonl"
        if not held_out.exists():
            held_out.write_text("".join(json.dumps(row) + "\n" for row in rows(general=2)))
        knobs = {"sampling": {"max_tokens": 8}, "objective": {"beta": 0.0}}
        tree = {
            "name": "r",
            "seed": 3,
            "model": {"path": str(self.root / "base")},
            "data": {"path": str(self.root / "p.jsonl"), "held_out_path": str(held_out)},
            "sampler": {"engine": "plain", "max_model_len": 128},
            "runtime": {"reward_workers": 1},
            "track": {"to": []},
            "stages": [{**STAGE, **knobs, "domains": domains, **stage}],
        }
        return parse_recipe(yaml.safe_dump(tree))

    def bench(self, recipe: Recipe, run: str = "run") -> Workbench:
        return Workbench(recipe, RunDirectory(self.root / run), Accelerator(cpu=True))

    def own(self, function: str) -> str:
        return f"{self.root / 'my.py'}:{function}"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("problems", "stage", "sentence"),
    [
        (
            rows(reasoning=3, general=2, harm=4),
            {},
            "stage 'all': 4 of its problems are of domain 'harm', which has no line in domains; "
            "give it one with the rewards that pay for it",
        ),
        (
            rows(reasoning=3),
            {},
            "stage 'all': none of its training problems is of domain 'general', which has a line "
            "in domains; they are of reasoning",
        ),
        (
            rows(reasoning=3, general=2),
            {"evaluate_every": 2},
            "stage 'all' looks at held-out problems with a right answer, and none of the 2 held "
            "out has one; set its evaluate_every to 0",
        ),
    ],
)
def test_problems_that_do_not_fit_the_table_stop_the_run_before_it_begins(
    house: House, problems: list[dict[str, Any]], stage: Any, sentence: str
) -> None:
    with (
        house.bench(house.recipe(problems, TABLE, **stage)) as bench,
        pytest.raises(UserError) as caught,
    ):
        bench.prepare()
    assert str(caught.value) == sentence


def test_what_is_drawn_follows_shares_and_steps(house: House) -> None:
    recipe = house.recipe(rows(reasoning=9, general=5), TABLE)
    with house.bench(recipe) as bench:
        order = bench.order(recipe.stages[0])  # type: ignore[arg-type]
    # floor(0.5 x 6) = 3 steps without the general ones, then half of 4 prompts each.
    drawn = [Counter(problem.domain for problem in order.batch(step, 4)) for step in range(6)]
    assert drawn == [{"reasoning": 4}] * 3 + [{"reasoning": 2, "general": 2}] * 3


def test_the_last_step_sees_every_domain() -> None:
    # R1: 0.76 of 1,700 steps are 1,292. Of 3 they are 2.28, of which 2 are whole.
    stage = Rl(**STAGE, domains={"a": PAID, "b": {**PAID, "after": 0.76}})
    assert stage.domains is not None
    assert [stage.domains["b"].first(steps) for steps in (1700, 3, 1)] == [1292, 2, 0]
    # 0.29 x 100 is 28.999999999999996 in binary.
    assert stage.domains["b"].model_copy(update={"after": 0.29}).first(100) == 29


def test_more_steps_move_a_domain_and_so_are_another_stage(house: House) -> None:
    def looked(domains: Any = TABLE, steps: int = 6, rewards: Any = None) -> Any:
        recipe = house.recipe(rows(reasoning=3), domains, steps=steps)
        recipe = Recipe.model_validate({**recipe.model_dump(), "rewards": rewards or {}})
        return identity(recipe.stages[0], recipe, {})

    before = looked().plain()
    assert looked(steps=8).changes(before) == ["domains.general.first_step 3 -> 4"]
    assert looked(rewards={"length": 1.0}).changes(before) == []  # which nothing pays
    mended = {**TABLE, "general": {**TABLE["general"], "rewards": {"format": 1.0}}}
    assert looked(mended).changes(before) == ["domains.general.rewards.format 2.0 -> 1.0"]
    at_once = {name: {**line, "after": 0.0} for name, line in TABLE.items()}
    assert looked(at_once, steps=8).changes(looked(at_once).plain()) == []


# What pays, and what is logged.


def test_each_completion_is_judged_by_the_rewards_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(REWARDS)
    letters = f"{tmp_path / 'my.py'}:letters"
    right = "<think>3 + 4</think><answer>7</answer>"
    reasoning, general = {"accuracy": 1.0, "format": 0.5}, {"format": 2.0, letters: 1.0}
    with Scorer({**reasoning, **general}, workers=1) as scorer:
        verdicts = scorer.score(
            ["3 + 4?"] * 3,
            [right, right, [{"role": "assistant", "content": "ab"}]],
            [{"answer": "7"}] * 3,
            weights=[reasoning, {"format": 2.0}, {letters: 3.0}],
        )
        alone = scorer.score(["3 + 4?"], [right], [{"answer": "7"}], weights=[reasoning])
        with pytest.raises(ValueError, match=r"weights must be as many, got \[1, 1, 1, 2\]"):
            scorer.score(["?"], [right], [{}], weights=[reasoning] * 2)
    assert [verdict.parts for verdict in verdicts] == [
        {"accuracy": 1.0, "format": 1.0},
        {"format": 1.0},
        {letters: 0.2},
    ]
    # 1 x 1 + 0.5 x 1, then 2 x 1, then 3 x 2 letters / 10.
    assert [verdict.reward for verdict in verdicts] == pytest.approx([1.5, 2.0, 0.6])
    assert [set(verdict.outcomes) for verdict in verdicts] == [set(v.parts) for v in verdicts]
    assert alone[0] == verdicts[0]


def group(domain: str | None, *parts: dict[str, float]) -> Group:
    problem = Problem("p", "?", "7", "k", {"domain": domain} if domain else {})
    judged = [Judgement(sum(p.values()), p, dict.fromkeys(p, "correct")) for p in parts]
    return Group(problem, "?", (1,), (Completion("", (1,), (-0.5,), "stop"),) * 2, tuple(judged))


def test_metrics_by_hand() -> None:
    rollout = Rollout(
        0,
        (
            group(None, {"accuracy": 1.0}, {"accuracy": 0.0}),
            group("reasoning", {"accuracy": 0.0}, {"accuracy": 0.0}),
            group("general", {"kind": 3.0}, {"kind": 5.0}),
            group(None, {"accuracy": 1.0}, {"accuracy": 1.0}),
        ),
    )
    metrics = rollout_metrics(rollout)
    # Each over the completions it judged: 3 of 6, 8 of 2; all rewards: 11 of 8.
    assert metrics["rewards/accuracy/mean"] == 0.5
    assert metrics["rewards/kind/mean"] == 4.0
    assert metrics["outcomes/kind/correct"] == metrics["outcomes/accuracy/correct"] == 1.0
    assert metrics["reward"] == pytest.approx(11 / 8)
    assert not any(name.startswith("domains/") for name in metrics)
    apart = domain_metrics(rollout, ("reasoning", "general", "harm"))
    # Two of three reasoning groups are dead; their spreads are sqrt(1 / 2), 0 and 0.
    assert apart == pytest.approx(
        {
            "domains/reasoning/frac_prompts": 0.75,
            "domains/reasoning/reward": 0.5,
            "domains/reasoning/reward_std": 0.5**0.5 / 3,
            "domains/reasoning/frac_reward_zero_std": 2 / 3,
            "domains/general/frac_prompts": 0.25,
            "domains/general/reward": 4.0,
            "domains/general/reward_std": 2.0**0.5,
            "domains/general/frac_reward_zero_std": 0.0,
            "domains/harm/frac_prompts": 0.0,
        }
    )


# A stage.


def lines(folder: Path) -> list[dict[str, Any]]:
    """The metrics, times aside."""
    read = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in read]


def left(folder: Path) -> dict[str, bytes]:
    """Every rollout and every file of the last checkpoint that hangs on no clock."""
    last = folder / "checkpoints" / "all" / "step-000006"
    files = [*(folder / "rollouts" / "all").iterdir(), *last.rglob("*")]
    timed = {"state.json", "COMPLETE.json"}
    kept = [file for file in files if file.is_file() and file.name not in timed]
    return {str(file.relative_to(folder)): file.read_bytes() for file in kept}


@pytest.mark.slow
def test_a_stage_pays_by_domain_and_goes_on_to_the_same_bytes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters, spaces = house.own("letters"), house.own("spaces")
    table = {
        "reasoning": {"rewards": {letters: {"weight": 0.5, "times": 2}, "accuracy": 1.0}},
        "general": {"rewards": {spaces: 1.0, letters: {"weight": 2.0, "times": 2}}, "share": 0.5,
                    "after": 0.5},
    }  # fmt: skip
    knobs = {"checkpoint": {"every": 2, "keep_last": 1}, "optimizer": {"lr": 1e-3}}
    recipe = house.recipe(rows(reasoning=9, general=5), table, **knobs)
    (stage,), base = recipe.stages, house.root / "base"
    assert isinstance(stage, Rl)

    def go(run: str) -> None:
        set_seed(recipe.seed)
        with house.bench(recipe, run) as bench:
            bench.prepare()
            run_rl(stage, bench, base, 6)

    go("straight")
    learn = Learner.learn

    def killed(learner: Learner, rollout: Rollout, lesson: Any) -> dict[str, float]:
        if rollout.step == 5:
            raise KeyboardInterrupt
        return learn(learner, rollout, lesson)

    monkeypatch.setattr(Learner, "learn", killed)
    with pytest.raises(KeyboardInterrupt):
        go("broken")
    monkeypatch.undo()
    # So that the rollout after the checkpoint is drawn anew, which needs the order's fifth batch.
    (house.root / "broken" / "rollouts" / "all" / "step-000005.parquet").unlink()
    go("broken")
    straight, broken = house.root / "straight", house.root / "broken"
    assert left(straight) == left(broken) and lines(straight) == lines(broken)

    said = lines(straight)
    assert [line["domains/general/frac_prompts"] for line in said] == [0, 0, 0, 0.5, 0.5, 0.5]
    assert all(line["grad_norm"] > 0 for line in said)
    assert f"rewards/{spaces}/mean" not in said[2] and "domains/general/reward" not in said[2]
    for step, line in enumerate(said):
        table_read = pq.read_table(straight / "rollouts" / "all" / f"step-{step:06d}.parquet")
        for row in table_read.to_pylist():
            is_general = "domain" in json.loads(row["columns"])
            mine = {letters, spaces if is_general else "accuracy"}
            assert json.loads(row["parts"]).keys() == json.loads(row["outcomes"]).keys() == mine
            other = "accuracy" if is_general else spaces
            assert row.get(f"reward/{other}") is row.get(f"outcome/{other}") is None
            weight, rest = (2.0, spaces) if is_general else (0.5, "accuracy")
            paid = weight * row[f"reward/{letters}"] + row[f"reward/{rest}"]
            assert row["reward"] == pytest.approx(paid)
        assert line["domains/reasoning/reward"] == pytest.approx(
            sum(r["reward"] for r in table_read.to_pylist() if "domain" not in r["columns"])
            / (12 - 12 * line["domains/general/frac_prompts"])
        )


@pytest.mark.slow
def test_a_domain_that_never_succeeds_takes_no_other_s_place(house: House) -> None:
    # Nothing that random weights write is right; their letters are a matter of chance.
    table = {
        "reasoning": {"rewards": {"accuracy": 1.0}},
        "general": {"rewards": {house.own("letters"): 1.0}, "share": 0.5, "after": 0.4},
    }
    problems = rows(reasoning=20, general=12)
    recipe = house.recipe(problems, table, steps=3, refill={"rounds": 2}, minibatches=2)
    (stage,) = recipe.stages
    assert isinstance(stage, Rl)
    with house.bench(recipe) as bench:
        bench.prepare()
        run_rl(stage, bench, house.root / "base", 3)
    first, *rest = lines(house.root / "run")
    # 4 of reasoning, then, as none was live, 4 and 2 - 1 for the next step: no batch at all
    assert (first["refill/prompts"], first["refill/effective_batch"]) == (9, 0)
    assert (first["refill/lacking"], first["num_updates"], "loss" in first) == (4, 0, False)
    for line in rest:
        # twice 2 + 1 of reasoning, and general ones until there are 2
        assert line["domains/reasoning/frac_prompts"] * line["refill/prompts"] == pytest.approx(6)
        assert (line["refill/effective_batch"], line["refill/lacking"]) == (2, 2)
        assert line["domains/reasoning/frac_reward_zero_std"] == 1
        assert line["num_updates"] == 2 and line["grad_norm"] > 0


@pytest.mark.slow
def test_reward_models_of_several_domains_are_each_loaded_once(house: House) -> None:
    from test_rewards_reward_model import llama, saved

    helpful = {"path": saved(llama(pad=0), house.root / "helpful"), "device": "cpu"}
    harmless = {"path": saved(llama(pad=0, hidden_act="relu"), house.root / "harmless")}
    both = {
        "reward_model@helpful": {"weight": 0.5, "part": "answer", **helpful},
        "reward_model@harmless": {**harmless, "device": "cpu"},
    }
    table = {
        "reasoning": {"rewards": {"format": 1.0}},
        "general": {"rewards": both, "share": 0.25},
        "harm": {"rewards": {**both, "format": 0.5}, "share": 0.25},
    }
    recipe = house.recipe(rows(reasoning=4, general=4, harm=4), table, steps=1)
    (stage,) = recipe.stages
    assert isinstance(stage, Rl)
    with house.bench(recipe) as bench:
        bench.prepare()
        scorer = bench.scorer(bench.rewards(stage))
        assert len(scorer.worker_pids) == 2  # a process a model; format needs none
        run_rl(stage, bench, house.root / "base", 1)
        assert len(scorer.worker_pids) == 2
    (file,) = (house.root / "run" / "rollouts" / "all").iterdir()
    seen = Counter()
    for row in pq.read_table(file).to_pylist():
        domain = json.loads(row["columns"]).get("domain", "reasoning")
        seen[domain] += 1
        own = table[domain]["rewards"]
        assert json.loads(row["parts"]).keys() == own.keys()
        weights = {"reward_model@helpful": 0.5, "reward_model@harmless": 1.0}
        weights["format"] = 1.0 if domain == "reasoning" else 0.5
        paid = sum(weights[name] * row[f"reward/{name}"] for name in own)
        assert row["reward"] == pytest.approx(paid)
    assert seen == {"reasoning": 6, "general": 3, "harm": 3}
