"""Dynamic sampling: how much is drawn, who learns from what, and that a kill changes nothing.

Which groups are live is said by hand, problem by problem; all else is real.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import tiny_moe
from accelerate import Accelerator

from grpo.errors import UserError
from grpo.recipe.sections import Prompt, Sampling
from grpo.rollout.bank import Bank
from grpo.rollout.collect import Collector
from grpo.rollout.filling import Filling
from grpo.rollout.fixed import Fixed, Order
from grpo.rollout.record import read_rollout
from grpo.rollout.shelf import RolloutShelf
from grpo.sampler.plain import PlainSampler
from grpo.timing import Stopwatch
from grpo.types import Completion, Group, Request, Rollout
from grpo_data.blend import Blend, Part
from grpo_data.mixture import Stream
from grpo_data.problem import Problem

MODEL = tiny_moe.model()


class Noting(PlainSampler):
    """The plain sampler, which remembers what it was asked."""

    asked: list[list[Request]]

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.asked = [*getattr(self, "asked", []), list(requests)]
        return super().sample(requests, sampling)


def problems(count: int, domain: str = "reasoning") -> list[Problem]:
    return [
        Problem(f"{domain}-{n}", f"{n}?", str(n), f"{domain}-{n}", {"domain": domain})
        for n in range(count)
    ]


class House:
    """Rollouts in `folder` of the problems in `order`; `live` are the ids of live groups."""

    def __init__(self, folder: Path, order: Order, live: Iterable[str]) -> None:
        self.folder, self.order, self.live = folder, order, frozenset(live)
        self.sampler = Noting(MODEL, tiny_moe.tokenizer())

    def shelf(self) -> RolloutShelf:
        collector = Collector(
            self.sampler,
            None,
            tiny_moe.tokenizer(),
            Prompt(chat=False),
            Sampling(max_tokens=2),
            group_size=2,
            seed=11,
            purpose="zero",
            watch=Stopwatch(),
        )
        return RolloutShelf(self.folder, collector, Accelerator(cpu=True), scale="std")

    def bank(self, prompts: int = 4, rounds: int = 2, by_domain: bool = False) -> Bank:
        def live(rollout: Rollout) -> list[bool]:
            return [group.problem.id in self.live for group in rollout.groups]

        return Bank(
            self.shelf(), self.order, live, prompts=prompts, rounds=rounds, by_domain=by_domain
        )


# Step 0 draws 4 (2 live, 2 missing), then 2 / (2 of 4) = 4: three are live, one too many.
# Step 1 has 1 and lacks 3: 3 / (5 of 8) = 4.8, so 5, of which 4 are live, one too many.
# Step 2 has 1 and lacks 3: 3 / (4 of 5) = 3.75, so 4, all dead; then 3 / (4 of 9) = 6.75, so 7, but
#   no more than 3 + 3; all dead too, and the rounds are at their end.
# Step 3 has none and lacks 4: of 10 none was live, so as many as may be, 4 + 3; 6 are live.
PLACES = "LDLD" "LLLD" "LLLLD" "DDDD" "DDDDDD" "LLLDLLL"  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> House:
    order = Stream(problems(50), seed=0)
    live = [order.row("", place).id for place, letter in enumerate(PLACES) if letter == "L"]
    return House(tmp_path, order, live)


def ids(groups: Iterable[Group]) -> list[str]:
    return [group.problem.id for group in groups]


def at(house: House, *places: int) -> list[str]:
    return [house.order.row("", place).id for place in places]


def walked(bank: Bank, *steps: int) -> list[Rollout]:
    return [bank.take(step) for step in steps]


def test_a_step_draws_the_next_problems_until_it_is_full(house: House) -> None:
    drawn = walked(house.bank(), 0, 1, 2, 3)
    assert [ids(rollout.groups) for rollout in drawn] == [
        at(house, *range(0, 8)),
        at(house, *range(8, 13)),
        at(house, *range(13, 23)),
        at(house, *range(23, 30)),
    ]
    # in rounds: each is asked of the engine at once
    assert [len(asked) for asked in house.sampler.asked] == [8, 8, 10, 8, 12, 14]
    assert [rollout.refilled.learnt for rollout in drawn if rollout.refilled] == [
        (0, None, 0, None, 0, 0, 1, None),
        (1, 1, 1, 2, None),
        (None,) * 10,
        (3, 3, 3, None, 3, 4, 4),
    ]
    assert [rollout.refilled.places for rollout in drawn if rollout.refilled] == [
        {"": 8}, {"": 13}, {"": 23}, {"": 30},
    ]  # fmt: skip


def test_what_was_banked_is_learnt_from_in_the_next_step_with_the_policy_that_drew_it(
    house: House,
) -> None:
    bank = house.bank()
    batches = [bank.batch(bank.take(step)) for step in range(4)]
    assert [ids(batch.groups) for batch in batches] == [
        at(house, 0, 2, 4, 5),
        at(house, 6, 8, 9, 10),
        at(house, 11),  # the rounds ran out
        at(house, 23, 24, 25, 27),
    ]
    assert [[group.drawn for group in batch.groups] for batch in batches] == [
        [None] * 4, [0, None, None, None], [1], [None] * 4,
    ]  # fmt: skip
    assert [batch.step for batch in batches] == [0, 1, 2, 3]
    # as it was drawn: to the last bit what its own step has on disk
    (waited,) = (group for group in batches[1].groups if group.drawn == 0)
    there = read_rollout(house.folder / "step-000000.parquet").groups[6]
    assert waited.completions == there.completions


def test_what_was_drawn_learnt_from_and_banked_is_counted(house: House) -> None:
    counted = [
        {name.removeprefix("refill/"): int(value) for name, value in rollout.metrics.items()}
        for rollout in walked(house.bank(), 0, 1, 2, 3)
    ]
    names = ("rounds", "prompts", "effective_batch", "from_bank", "bank", "lacking")
    assert counted == [
        dict(zip(names, row, strict=True))
        for row in ((2, 8, 4, 0, 1, 0), (1, 5, 4, 1, 1, 0), (2, 10, 1, 1, 0, 3), (1, 7, 4, 0, 2, 0))
    ]


def test_nothing_is_state_but_the_files(house: House, tmp_path: Path) -> None:
    straight = walked(house.bank(), 0, 1, 2, 3)
    bytes_of = {file.name: file.read_bytes() for file in house.folder.iterdir()}
    # another process goes on from the files of step 1, and draws steps 2 and 3 anew
    for step in (2, 3):
        (house.folder / f"step-{step:06d}.parquet").unlink()
    bank = house.bank()
    assert walked(bank, 2, 3) == straight[2:]
    assert {file.name: file.read_bytes() for file in house.folder.iterdir()} == bytes_of
    # and one that finds all of them draws nothing
    drawn = len(house.sampler.asked)
    bank = house.bank()
    assert [ids(bank.batch(bank.take(step)).groups) for step in (1, 2)] == [
        at(house, 6, 8, 9, 10), at(house, 11),
    ]  # fmt: skip
    assert len(house.sampler.asked) == drawn


def test_a_round_that_was_cut_short_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = house.bank()
    bank.take(0)
    sample, rounds = Noting.sample, iter(range(9))

    def dies(sampler: Noting, *rest: object) -> list[Completion]:
        if next(rounds) == 1:
            raise KeyboardInterrupt
        return sample(sampler, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Noting, "sample", dies)
    with pytest.raises(KeyboardInterrupt):
        walked(bank, 1, 2)  # the first round of step 2
    assert sorted(file.name for file in house.folder.iterdir()) == [
        "step-000000.parquet",
        "step-000001.parquet",
    ]


def test_a_bank_that_is_gone_is_one_sentence(house: House) -> None:
    walked(house.bank(), 0, 1)
    (house.folder / "step-000001.parquet").unlink()
    with pytest.raises(UserError, match=r"step-000001.parquet is gone, and with it the groups it"):
        house.bank().take(2)


def test_a_problem_that_comes_twice_in_a_step_has_noise_of_its_own(tmp_path: Path) -> None:
    order = Stream(problems(2), seed=0)
    house = House(tmp_path, order, ["reasoning-0"])
    drawn = house.bank(prompts=4, rounds=3).take(0)
    # 4 (2 live); 2 / (2 of 4) = 4 (2 live)
    assert Counter(ids(drawn.groups)) == {"reasoning-0": 4, "reasoning-1": 4}
    seeds = [request.seed for asked in house.sampler.asked for request in asked]
    assert len(set(seeds)) == len(seeds) == 16
    # the first time it is drawn, as every step would draw it
    plain = House(tmp_path / "plain", order, ())
    Fixed(plain.shelf(), order, 2).take(0)
    assert {r.seed for r in plain.sampler.asked[0]} < set(seeds)


def test_each_domain_is_refilled_from_its_own_order(tmp_path: Path) -> None:
    parts = {"a": Part(problems(20, "a")), "b": Part(problems(20, "b"), share=0.25)}
    order = Blend(parts, seed=0)
    # a loses the first of its 3, b its only one; then a draws 1 / (2 of 3) = 2 with 1 too many, and
    # b as many as may be: 1 + (1 - 1).
    live = [order.row("a", place).id for place in (1, 2, 3, 4)] + [order.row("b", 1).id]
    house = House(tmp_path, order, live)
    bank = house.bank(rounds=3, by_domain=True)
    drawn = bank.take(0)
    assert ids(drawn.groups) == [
        *(order.row("a", place).id for place in (0, 1, 2)),
        order.row("b", 0).id,
        *(order.row("a", place).id for place in (3, 4)),
        order.row("b", 1).id,
    ]
    assert drawn.refilled
    assert drawn.refilled.learnt == (None, 0, 0, None, 0, 1, 0)
    assert drawn.refilled.places == {"a": 5, "b": 2}
    # the share is one of what is learnt from
    domains = Counter(group.problem.domain for group in bank.batch(drawn).groups)
    assert domains == {"a": 3, "b": 1}


def test_a_part_that_comes_later_banks_nothing_before_it_does(tmp_path: Path) -> None:
    parts = {"a": Part(problems(9, "a")), "b": Part(problems(9, "b"), share=0.5, first=1)}
    order = Blend(parts, seed=0)
    assert [order.quota(step, 4) for step in (0, 1, 2)] == [
        {"a": 4}, {"a": 2, "b": 2}, {"a": 2, "b": 2},
    ]  # fmt: skip
    everything = [problem.id for part in parts.values() for problem in part.rows]
    bank = House(tmp_path, order, everything).bank(by_domain=True)
    batches = [bank.batch(bank.take(step)) for step in (0, 1)]
    assert [Counter(g.problem.domain for g in one.groups) for one in batches] == [
        {"a": 4}, {"a": 2, "b": 2},
    ]  # fmt: skip


def test_the_bank_never_holds_what_the_next_step_would_not_take() -> None:
    # 8 of this step, 5 of the next: a round draws 8 + 4 at most, and if all are live, 4 are banked.
    filling = Filling(0, {"": 8}, {"": 5}, {}, {"": 100})
    filling.remember([""] * 9, [True, *[False] * 8])
    turns = filling.turns()
    assert turns == [("", place) for place in range(100, 112)]
    group = Group(problems(1)[0], "?", (1,), (), ())
    filling.add([""] * 12, [group] * 12, [True] * 12)
    assert filling.is_full
    refilled = filling.rollout().refilled
    assert refilled and refilled.learnt == (0,) * 8 + (1,) * 4
    # of a part that the next step does not take nothing may be left over
    alone = Filling(0, {"b": 2}, {"a": 8}, {}, {})
    alone.remember(["b"] * 4, [False] * 4)
    assert alone.turns() == [("b", 0), ("b", 1)]


def test_orders_are_read_row_by_row_as_they_are_in_batches() -> None:
    stream = Stream(problems(7), seed=5)
    rows = [stream.row("", place) for place in range(7)]
    assert rows == stream.batch(0, 7)
    blend = Blend({"a": Part(problems(5, "a")), "b": Part(problems(3, "b"), share=0.5)}, seed=1)
    dealt = [problem for step in range(2) for problem in blend.batch(step, 4)]
    for name, count in (("a", 4), ("b", 3)):
        own = [problem for problem in dealt if problem.domain == name][:count]
        assert [blend.row(name, place) for place in range(count)] == own
    sizes = [Counter(p.domain for p in blend.batch(step, 4)) for step in range(6)]
    assert [blend.quota(step, 4) for step in (5, 0, 3)] == [sizes[5], sizes[0], sizes[3]]
