"""Rewards for steps: from a function's pairs to the advantage of every token, by hand-made sums."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
import tiny_moe
import tiny_run
import torch
from accelerate import Accelerator
from small_policies import llama, policy
from torch import Tensor
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from grpo.errors import UserError
from grpo.learning.draws import _live
from grpo.learning.lesson import Lesson, Teacher
from grpo.objective import dead_groups, group_advantages, process_advantages
from grpo.recipe.rules import check_semantics
from grpo.recipe.schema import Recipe
from grpo.recipe.sections import Prompt, Sampling
from grpo.recipe.shipped import shipped_model
from grpo.recipe.stages import Rl
from grpo.rollout.collect import Collector
from grpo.rollout.record import read_rollout, write_rollout
from grpo.rollout.rewards import step_scores
from grpo.rollout.shelf import RolloutShelf
from grpo.rollout.statistics import rollout_metrics
from grpo.rollout.step_ends import in_tokens
from grpo.sampler.plain import PlainSampler
from grpo.timing import Stopwatch
from grpo.train.policy import Policy, Reference
from grpo.types import Completion, Group, Judgement, Rollout, Steps
from grpo_data.problem import Problem
from grpo_data.world import problems
from grpo_data.world.process import scored, steps
from grpo_rewards import Scorer, Verdict
from grpo_rewards.call_reward import answer_call
from grpo_rewards.calls import Answer, Call
from grpo_rewards.rule import RuleReward
from grpo_rewards.verdict import Judged

NAN = math.nan


def advantages(scores: list[Any], last: list[Any], scale: str = "std", eps: float = 0.0) -> Tensor:
    """Of one group with 6 tokens a completion."""
    return process_advantages(
        torch.tensor([scores]), torch.tensor([last]), 6, scale=scale, eps=eps
    )[0]


# Two completions: steps worth 1 and 0 that end with tokens 2 and 4, and one worth 1 at token 1.
RAGGED = ([[1.0, 0.0], [1.0, NAN]], [[2, 4], [1, 0]])


def test_a_token_has_the_steps_that_end_at_it_or_later() -> None:
    # R = {1, 0, 1}: mean 2/3, std sqrt((1/9 + 4/9 + 1/9) / 2) = 1/sqrt(3).
    # (1 - 2/3) sqrt(3) = 0.57735 and (0 - 2/3) sqrt(3) = -1.15470; their sum is -0.57735.
    good, bad = 0.577350, -1.154701
    both = good + bad
    expected = [[both, both, both, bad, bad, 0.0], [good, good, 0.0, 0.0, 0.0, 0.0]]
    torch.testing.assert_close(advantages(*RAGGED), torch.tensor(expected), atol=1e-5, rtol=0)


def test_eps_is_added_to_the_std() -> None:
    # (1 - 2/3) / (1/sqrt(3) + 0.1) = 0.49212
    assert float(advantages(*RAGGED, eps=0.1)[1, 0]) == pytest.approx(0.492119, abs=1e-5)


def test_without_a_scale_only_the_mean_is_taken_off() -> None:
    third = 1 / 3
    expected = [[-third] * 3 + [-2 * third] * 2 + [0.0], [third] * 2 + [0.0] * 4]
    torch.testing.assert_close(advantages(*RAGGED, scale="none"), torch.tensor(expected))


def test_a_completion_without_steps_has_none_and_changes_nobody_s() -> None:
    scores, last = RAGGED
    three = advantages([*scores, [NAN, NAN]], [*last, [0, 0]])
    torch.testing.assert_close(three[:2], advantages(*RAGGED))
    assert three[2].tolist() == [0.0] * 6


@pytest.mark.parametrize("scale", ["std", "none"])
@pytest.mark.parametrize(
    "scores",
    [
        [[0.1, 0.1], [0.1, NAN]],  # all equal, in a number whose mean is not exact
        [[NAN, NAN], [0.7, NAN]],  # one step in all
        [[NAN, NAN], [NAN, NAN]],  # none
    ],
)
def test_steps_that_do_not_differ_teach_nothing(scores: list[Any], scale: str) -> None:
    assert not advantages(scores, [[2, 4], [1, 3]], scale, eps=1e-4).any()
    assert dead_groups(torch.tensor(scores).view(1, -1)).item()


def test_two_steps_may_end_with_one_token() -> None:
    found = advantages([[1.0, 0.0], [1.0, NAN]], [[3, 3], [1, 0]])
    assert found[0].tolist() == pytest.approx([-0.577350] * 4 + [0.0] * 2, abs=1e-5)


def test_each_group_is_its_own() -> None:
    scores = torch.tensor([[[1.0], [0.0]], [[5.0], [5.0]]])
    found = process_advantages(
        scores, torch.zeros(2, 2, 1, dtype=torch.long), 2, scale="std", eps=0.0
    )
    # mean 1/2, std 1/sqrt(2): 0.70711 and its opposite; the second group is dead.
    half = 0.707107
    assert found.flatten(1).tolist()[0] == pytest.approx([half, 0.0, -half, 0.0], abs=1e-5)
    assert not found[1].any()


# What a function returns.

FILE = """
def steps(completions, **columns):
    return [GIVEN[text] for text in completions]

GIVEN = {
    "two steps.": [(3, 1.0), (10, 0)],
    "lists": [[5, -2.5]],
    "no step": [],
    "skipped": None,
    "a number": 0.25,
    "too far": [(8, 1.0)],
    "at nought": [(0, 1.0)],
    "back": [(3, 1.0), (2, 1.0)],
    "twice": [(3, 1.0), (3, 1.0)],
    "nan": [(1, 1.0), (2, float("nan"))],
    "half": [(1.5, 1.0)],
    "flat": [1.0, 2.0],
    "word": [(2, "good")],
}
"""
BAD = {
    "too far": "returned steps that end at [8]; ends must rise, from 1 to the completion's 7 char",
    "at nought": "returned steps that end at [0]; ends must rise",
    "back": "returned steps that end at [3, 2]; ends must rise",
    "twice": "returned steps that end at [3, 3]; ends must rise",
    "nan": "returned no finite score for the step that ends at 2",
    "half": "returned steps [(1.5, 1.0)], which are no (end, score) pairs with whole ends",
    "flat": "returned steps [1.0, 2.0], which are no (end, score) pairs",
    "word": "returned no finite score for the step that ends at 2",
}


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(FILE)
    return f"{path}:steps"


@pytest.fixture(scope="module")
def scorer(mine: str) -> Iterator[Scorer]:
    with Scorer({mine: 0.5}, workers=1) as scorer:
        yield scorer


def score(scorer: Scorer, texts: Sequence[str]) -> list[Verdict]:
    return scorer.score(["q"] * len(texts), texts, [{}] * len(texts))


def test_a_user_s_steps_come_through_the_worker(scorer: Scorer, mine: str) -> None:
    texts = ["two steps.", "lists", "no step", "skipped", "a number"]
    two, one, none, skipped, number = score(scorer, texts)
    # The part is the mean: (1 + 0) / 2; the reward is weight 0.5 times that.
    assert (two.steps, two.parts, two.reward) == ({mine: ((3, 1.0), (10, 0.0))}, {mine: 0.5}, 0.25)
    assert (one.steps, one.parts) == ({mine: ((5, -2.5),)}, {mine: -2.5})
    assert (two.outcomes, one.outcomes) == ({mine: "correct"}, {mine: "wrong"})
    assert (none.steps, none.parts) == ({mine: ()}, {mine: 0.0})
    assert (skipped.steps, skipped.parts) == ({}, {mine: None})
    assert (number.steps, number.parts) == ({}, {mine: 0.25})


@pytest.mark.parametrize("text", BAD)
def test_wrong_steps_cost_their_completion_alone(scorer: Scorer, mine: str, text: str) -> None:
    bad, good = score(scorer, [text, "two steps."])
    assert (bad.outcomes[mine], bad.parts[mine], bad.steps) == ("error", None, {})
    assert good.steps[mine]
    file = mine.rpartition(":")[0]
    assert any(f"{file}:2: BadReturn: {BAD[text]}" in said for said in scorer.messages)


def test_a_rule_s_steps_come_back_out_of_json() -> None:
    found = Judged(0.5, "correct", steps=((4, 1.0), (9, 0.1 + 0.2)))
    rule = RuleReward("halves", quick=lambda sample: found)
    answer = answer_call(rule, Call("halves", (0,), ("q",), ("3+4=7. So",), ({},)))
    assert Answer.from_bytes(answer.to_bytes()) == answer
    assert answer.on(0).steps == found.steps


# The tiny world's own.

ASKED = ["7+5=12", "12*2=24"]


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("First, 7+5=12. Then 12*2=24. So 24.", {"First, 7+5=12.": 1, " Then 12*2=24.": 1}),
        # A slip, and what builds on it, is wrong; a correction is a step of its own.
        ("7+5=13. 13*2=26.", {"7+5=13.": 0, " 13*2=26.": 0}),
        ("7+5=13. Wait, 7+5=12.", {"7+5=13.": 0, " Wait, 7+5=12.": 1}),
        # True, but nobody asked for it; true, asked for, and said again: no step.
        ("1+1=2. 7+5=12.", {"1+1=2.": 0, " 7+5=12.": 1}),
        ("7+5=12. Check: 7+5=12, right. 7+5=12.", {"7+5=12.": 1}),
        # Chinese sentences; two equations in one; an end at a tag.
        ("<think>先算7+5=12。再算12*2=24。", {"<think>先算7+5=12。": 1, "再算12*2=24。": 1}),
        ("7+5=12, 12*2=25.", {"7+5=12, 12*2=25.": 0}),
        ("<think>7+5=12</think><answer>", {"<think>7+5=12": 1}),
        ("Easy. I guess 24.", {}),
    ],
)
def test_the_world_s_steps_are_its_sentences(text: str, ended: dict[str, float]) -> None:
    pairs = scored(text, ASKED)
    starts = [0, *(end for end, _ in pairs)]
    written = {text[a:end]: value for a, (end, value) in zip(starts, pairs, strict=False)}
    assert written == ended


def test_the_world_s_steps_read_both_shapes_and_skip_other_problems() -> None:
    text = "7+5=12."
    message = [{"role": "assistant", "content": text}]
    assert steps([text, message, text], [ASKED, ASKED, None]) == [[(7, 1.0)], [(7, 1.0)], None]


# From characters to tokens.


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(shipped_model("tiny-base"))


def completion(tokenizer: Any, ids: Sequence[int]) -> Completion:
    text = tokenizer.decode([i for i in ids if i != tokenizer.eos_token_id])
    return Completion(text, tuple(ids), (-1.0,) * len(ids), "stop")


def places(tokenizer: Any, drawn: Completion, ends: Sequence[int]) -> list[int]:
    found = in_tokens({"mine": tuple((end, 1.0) for end in ends)}, drawn, tokenizer)
    return [place for place, _ in found["mine"]]


def test_a_step_ends_with_the_token_that_writes_its_last_character(tokenizer: Any) -> None:
    text = "<think>3+4=7. So</think>"
    pieces = ["<think>", "3", "+", "4", "=", "7", ".", " So", "</think>"]
    ids = [tokenizer.convert_tokens_to_ids(one.replace(" ", "Ġ")) for one in pieces]
    drawn = completion(tokenizer, [*ids, tokenizer.eos_token_id])
    assert drawn.text == text
    # "<think>3+4=7." ends with token 6, "... S" inside token 7, the whole with token 8.
    assert places(tokenizer, drawn, [13, 15, len(text)]) == [6, 7, 8]
    assert places(tokenizer, drawn, []) == []


def test_a_character_of_several_tokens_ends_with_its_last(tokenizer: Any) -> None:
    # One token a byte, as no tokenizer would write it but a policy may.
    alphabet = byte_tokens(tokenizer)
    text = "再算龘。对"
    drawn = completion(tokenizer, [alphabet[byte] for byte in text.encode()])
    assert drawn.text == text
    assert places(tokenizer, drawn, [1, 2, 3, 4, 5]) == [2, 5, 8, 11, 14]


def test_broken_bytes_and_stray_end_tokens_still_have_places(tokenizer: Any) -> None:
    alphabet = byte_tokens(tokenizer)
    broken = [alphabet[0xE4], alphabet[0xFF], tokenizer.pad_token_id, alphabet[ord("7")]]
    visible = tokenizer.decode([broken[0], broken[1], broken[3]])
    drawn = Completion(visible, (*broken, tokenizer.eos_token_id), (-1.0,) * 5, "stop")
    assert places(tokenizer, drawn, [len(visible)]) == [3]
    rng = Random(3)
    for _ in range(50):
        ids = [rng.choice(list(alphabet.values())) for _ in range(12)]
        drawn = completion(tokenizer, ids)
        found = places(tokenizer, drawn, range(1, len(drawn.text) + 1))
        assert found == sorted(found) and found[0] >= 0 and found[-1] <= 11


def byte_tokens(tokenizer: Any) -> dict[int, int]:
    """The token of each byte alone."""
    letters = bytes_to_unicode()
    return {byte: tokenizer.convert_tokens_to_ids(letter) for byte, letter in letters.items()}


# From a rollout to a lesson.

MINE = "mine.py:steps"
HELD = Sampling(max_tokens=12)
DRAWN = ((7, 8, 9, 10, 11, 12), (20, 21, 22))
Said = tuple[float | None, Steps | None]
"""What accuracy and the step reward say of a completion; None: nothing."""


def group(*said: Said, domain: str = "reasoning") -> Group:
    """Two completions of 6 and 3 tokens with these judgements."""
    judgements = tuple(
        Judgement(
            NAN,  # nobody reads the sum of all where steps stand for themselves
            {"accuracy": accuracy, MINE: None if some is None else 0.5},
            {},
            {},
            {} if some is None else {MINE: some},
        )
        for accuracy, some in said
    )
    drawn = tuple(Completion("", ids, (-1.0,) * len(ids), "stop") for ids in DRAWN)
    problem = Problem("p", "?", "7", "k", {"domain": domain})
    return Group(problem, "?", (5, 6), drawn, judgements)


LIVE = group((1.0, ((2, 1.0), (4, 0.0))), (0.0, ((1, 1.0),)))
BY_STEPS = group((1.0, ((2, 1.0), (4, 0.0))), (1.0, ()))
BY_OUTCOME = group((1.0, ((2, 1.0),)), (0.0, ((1, 1.0),)))
DEAD = group((1.0, ((2, 1.0), (4, 1.0))), (1.0, ()))


def recipe(rl: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    stage = {
        "kind": "rl", "name": "zero", "steps": 9, "prompts": 4, "group_size": 2, "sampling": HELD,
        "objective": {"process": MINE}, "tokens_per_microbatch": 64, **(rl or {}),
    }  # fmt: skip
    base = {"name": "r", "model": {"path": "m"}, "data": {"path": "tiny:all"}}
    rewards = {"accuracy": 1.0, MINE: 0.5}
    return Recipe.model_validate({**base, "rewards": rewards, "stages": [stage], **sections})


@pytest.fixture(scope="module")
def held() -> Policy:
    return policy(llama())


def lesson(
    held: Policy, plan: Recipe, *groups: Group, reference: Reference | None = None
) -> Lesson | None:
    (stage,) = plan.stages
    assert isinstance(stage, Rl)
    return Teacher(stage, held, reference, plan).lesson(Rollout(3, groups))


def taught(held: Policy, plan: Recipe, *groups: Group, **more: Any) -> list[list[float]]:
    """The advantages of each live completion's tokens, the longest completions first."""
    found = lesson(held, plan, *groups, **more)
    assert found is not None
    rows = zip(found.sequences.completions, found.batch.advantages_B.tolist(), strict=True)
    return [row[: len(ids)] for ids, row in sorted(rows, key=lambda one: -len(one[0]))]


def test_steps_and_outcomes_are_added_the_steps_by_their_weight(held: Policy) -> None:
    # Outcomes 1 and 0: +-0.5 / (0.70711 + 1e-4) = +-0.70701.
    # Steps as in RAGGED, eps 1e-4: 0.57725 and -1.15450, -0.57725 together; weight 0.5.
    right, wrong = taught(held, recipe(), LIVE)
    expected = [0.70701 - 0.28863] * 3 + [0.70701 - 0.57725] * 2 + [0.70701]
    assert right == pytest.approx(expected, abs=2e-5)
    assert wrong == pytest.approx([-0.70701 + 0.28863] * 2 + [-0.70701], abs=2e-5)


def test_steps_alone_are_deepseekmath_s(held: Policy) -> None:
    found = taught(held, recipe({"rewards": {MINE: 1.0}}), group_without_accuracy(LIVE))
    expected = [-0.57725] * 3 + [-1.15450] * 2 + [0.0]
    assert found[0] == pytest.approx(expected, abs=2e-5)
    assert found[1] == pytest.approx([0.57725] * 2 + [0.0], abs=2e-5)


def group_without_accuracy(given: Group) -> Group:
    judgements = tuple(Judgement(0.5, {MINE: 0.5}, {}, {}, j.steps) for j in given.judgements)
    return Group(given.problem, "?", given.prompt_ids, given.completions, judgements)


def test_a_group_lives_by_its_outcomes_or_by_its_steps(held: Policy) -> None:
    assert len(taught(held, recipe(), BY_STEPS, DEAD)) == 2
    assert len(taught(held, recipe(), BY_OUTCOME, DEAD)) == 2
    assert len(taught(held, recipe(), BY_STEPS, BY_OUTCOME)) == 4
    # The means of DEAD's steps differ (1 and 0), and so would the sums of all rewards.
    assert lesson(held, recipe(), DEAD) is None


def test_the_bank_keeps_what_the_lesson_would_teach() -> None:
    plan = recipe()
    (stage,) = plan.stages
    assert isinstance(stage, Rl)
    groups = (LIVE, DEAD, BY_STEPS, BY_OUTCOME)
    assert _live(stage, plan)(Rollout(3, groups)) == [True, False, True, True]
    # where steps do not count, the sums of all rewards do: here one and the same
    outcomes = recipe({"objective": {}}).stages[0]
    assert isinstance(outcomes, Rl)
    assert _live(outcomes, plan)(Rollout(3, groups)) == [False] * 4


def test_a_group_of_equal_outcomes_has_the_steps_share_alone(held: Policy) -> None:
    # R = {1, 0}: mean 1/2, std 0.70711: +-0.70701, together 0; weight 0.5.
    stepped, bare = taught(held, recipe(), BY_STEPS)
    assert stepped == pytest.approx([0.0] * 3 + [-0.35350] * 2 + [0.0], abs=2e-5)
    assert bare == [0.0] * 3


def test_dead_groups_count_in_the_denominators_as_ever(held: Policy) -> None:
    found = lesson(held, recipe(), LIVE, DEAD)
    assert found is not None
    # Four completions: a token of 6 weighs 1 / (4 * 6), a token of 3 weighs 1 / (4 * 3).
    assert sorted({round(w, 6) for w in found.batch.weights_BT.flatten().tolist()}) == [
        0.0, round(1 / 24, 6), round(1 / 12, 6),
    ]  # fmt: skip


def test_what_nobody_judged_has_no_outcome_and_what_failed_no_steps(held: Policy) -> None:
    other = group((None, ((2, 1.0), (4, 0.0))), (1.0, None))
    # One known outcome in the group is dead, so the steps alone: +-0.70701 * 0.5.
    first, second = taught(held, recipe(), other)
    assert first == pytest.approx([0.0] * 3 + [-0.35350] * 2 + [0.0], abs=2e-5)
    assert second == [0.0] * 3


def test_a_kl_in_the_reward_goes_into_the_outcome_alone(held: Policy) -> None:
    knobs = {"process": MINE, "kl_in": "reward", "beta": 0.02}
    reference = Reference(llama(seed=1), held.accelerator)
    shaped = lesson(held, recipe({"objective": knobs}), LIVE, reference=reference)
    plain = lesson(held, recipe(), LIVE)
    assert shaped is not None and plain is not None
    gap_BT = shaped.batch.advantages_B - plain.batch.advantages_B
    assert gap_BT.abs().max() > 1e-4
    torch.testing.assert_close(gap_BT, gap_BT[:, :1].expand_as(gap_BT), atol=1e-6, rtol=0)


def test_each_domain_has_its_own_weight(held: Policy) -> None:
    paid = {"accuracy": 1.0, MINE: 2.0}
    domains = {"reasoning": {"rewards": paid}, "general": {"rewards": {"accuracy": 1.0}}}
    plan = recipe({"domains": domains}, rewards={})
    general = group((1.0, None), (0.0, None), domain="general")
    first, other, *_ = taught(held, plan, BY_STEPS, general)
    # The weight is 2 in the one domain, and there are no steps in the other.
    assert sorted([first[3], other[3]]) == pytest.approx([-1.41401, 0.70701], abs=1e-4)


def test_without_the_knob_the_mean_is_paid_as_any_number(held: Policy) -> None:
    judgements = [Judgement(r, {MINE: r}, {}, {}, {MINE: ((1, r),)}) for r in (1.0, 0.0)]
    plain = Group(LIVE.problem, "?", (5, 6), LIVE.completions, tuple(judgements))
    found = lesson(held, recipe({"objective": {}}), plain)
    assert found is not None
    expected = group_advantages(torch.tensor([[1.0, 0.0]]), scale="std").flatten()
    assert sorted(found.batch.advantages_B.tolist()) == sorted(expected.tolist())


def test_a_reward_without_steps_stops_the_run(held: Policy) -> None:
    numbers = tuple(Judgement(1.0, {"accuracy": 1.0, MINE: 1.0}, {}) for _ in DRAWN)
    bad = Group(LIVE.problem, "?", (5, 6), LIVE.completions, numbers)
    with pytest.raises(UserError, match=r"'zero': objective.process is 'mine.py:steps', which giv"):
        lesson(held, recipe(), bad)


@pytest.mark.parametrize(
    ("rl", "sentence"),
    [
        ({"objective": {"process": "mine.py:step"}}, "'mine.py:step', did you mean 'mine.py:st"),
        ({"rewards": {"accuracy": 1}}, "is called 'mine.py:steps'; valid: accuracy"),
        ({"rewards": {"accuracy": 1, MINE: 0}}, "the weight of 'mine.py:steps' is 0"),
        ({"objective": {"process": MINE, "loss": "gspo"}}, "gspo has one ratio a completion"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_before_the_run(rl: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=r"^key 'stages.zero.objective.process': ") as caught:
        check_semantics(recipe(rl))
    assert sentence in str(caught.value)
    check_semantics(recipe())


# On disk, and in a run.


def test_steps_are_on_disk_to_the_last_bit(tmp_path: Path) -> None:
    awkward = group((1.0, ((0, 0.1 + 0.2), (5, -5e-324))), (0.0, ()))
    sums = tuple(
        Judgement(0.25, j.parts, {MINE: "correct"}, {"said": 1}, j.steps)
        for j in awkward.judgements
    )
    whole = Group(awkward.problem, "?", (5, 6), awkward.completions, sums)
    rollout = Rollout(3, (whole,))
    write_rollout(tmp_path / "r.parquet", rollout, [[0.0, 0.0]])
    assert read_rollout(tmp_path / "r.parquet") == rollout


def test_a_rollout_without_steps_is_written_as_before(tmp_path: Path) -> None:
    plain = tuple(Judgement(1.0, {"f": 1.0}, {"f": "correct"}) for _ in DRAWN)
    rollout = Rollout(3, (Group(LIVE.problem, "?", (5,), LIVE.completions, plain),))
    write_rollout(tmp_path / "r.parquet", rollout, [[0.0, 0.0]])
    assert "steps" not in pq.read_schema(tmp_path / "r.parquet").names
    assert read_rollout(tmp_path / "r.parquet") == rollout


def test_steps_have_metrics() -> None:
    shown = [LIVE, BY_STEPS, DEAD, group((1.0, ((0, 1.0),)), (1.0, None))]
    found = rollout_metrics(Rollout(0, tuple(shown)))
    # Steps: 3 + 2 + 2 + 1 in 8 completions, their scores 2 + 1 + 2 + 1; the last two groups dead.
    assert found[f"process/{MINE}/steps"] == 8 / 8
    assert found[f"process/{MINE}/mean"] == 6 / 8
    assert found[f"process/{MINE}/frac_zero_std"] == 2 / 4


THIRDS = """
def steps(completions, **columns):
    return [[(end, end % 2) for end in range(1, len(text) + 1)] for text in completions]
"""


def test_a_rollout_is_learnt_from_alike_before_and_after_a_kill(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(THIRDS)
    name, tokenizer = f"{tmp_path}/mine.py:steps", tiny_moe.tokenizer()
    with Scorer({name: 1.0}, workers=1) as scorer:
        collector = Collector(
            PlainSampler(tiny_moe.model(), tokenizer), scorer, tokenizer, Prompt(chat=False),
            Sampling(max_tokens=6), group_size=2, seed=11, purpose="zero", watch=Stopwatch(),
        )  # fmt: skip
        shelf = RolloutShelf(tmp_path / "zero", collector, Accelerator(cpu=True), "std")
        drawn = collector.collect(problems("chain", size=2), 0)
        (taken, again) = (shelf.take(0, lambda: problems("chain", size=2)) for _ in range(2))
    assert taken == again and taken.groups == drawn
    scores_PGK, last_PGK = step_scores(taken, name)
    assert scores_PGK.isfinite().any()
    for p, one in enumerate(taken.groups):
        for g, completion in enumerate(one.completions):
            known = last_PGK[p, g][~scores_PGK[p, g].isnan()].tolist()
            assert len(known) == len(completion.text)
            assert all(place < len(completion.token_ids) for place in known)


@pytest.mark.slow
def test_a_real_run_learns_from_the_world_s_steps(tmp_path: Path) -> None:
    name = "grpo_data.world.process:steps"
    words = (
        *tiny_run.PLAIN,
        f"rewards={{accuracy: 1.0, format: 0.5, {name}: {{weight: 0.25}}}}",
        f"stages.zero.objective.process={name}",
        "stages.zero.steps=1",
    )
    folder = tiny_run.whole(tmp_path / "run", *words)
    line = tiny_run.metrics(folder)[0]
    assert line[f"process/{name}/steps"] > 0.5
    assert 0 < line[f"process/{name}/mean"] < 1
    assert line["num_updates"] == 2
    (rollout,) = map(read_rollout, sorted((folder / "rollouts" / "zero").glob("*.parquet")))
    told = [
        (scored(completion.text, one.problem.columns["steps"]), judgement.steps[name])
        for one in rollout.groups
        for completion, judgement in zip(one.completions, one.judgements, strict=True)
    ]
    assert all([s for _, s in ours] == [s for _, s in theirs] for ours, theirs in told)
