"""Collecting and keeping rollouts: seeds of one's own, and nothing that is there drawn again."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_moe
from accelerate import Accelerator

from grpo.recipe.sections import Prompt, Sampling
from grpo.rollout.collect import Collector
from grpo.rollout.record import read_rollout
from grpo.rollout.shelf import RolloutShelf
from grpo.sampler.plain import PlainSampler
from grpo.timing import Stopwatch
from grpo.types import Completion, Request
from grpo_data.problem import Problem
from grpo_data.world import problems
from grpo_rewards.workers import Scorer

SAMPLING = Sampling(temperature=1.0, max_tokens=6)
PROBLEMS = problems("chain", size=3)


class Noting(PlainSampler):
    """The plain sampler, which remembers what it was asked."""

    asked: list[Request]

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.asked = [*getattr(self, "asked", []), *requests]
        return super().sample(requests, sampling)


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer({"format": 1.0, "accuracy": 0.5}, workers=1) as scorer:
        yield scorer


@pytest.fixture
def collector(scorer: Scorer) -> Collector:
    tokenizer = tiny_moe.tokenizer()
    return Collector(
        Noting(tiny_moe.model(), tokenizer),
        scorer,
        tokenizer,
        Prompt(user="{question} ({language})", prefill="<think>", chat=False),
        SAMPLING,
        group_size=2,
        seed=11,
        purpose="zero",
        watch=Stopwatch(),
    )


def nobody() -> list[Problem]:
    raise AssertionError("the rollout was there, and problems were asked for")


def test_a_group_is_a_problem_with_its_completions(collector: Collector) -> None:
    groups = collector.collect(PROBLEMS, step=4)
    assert [group.problem for group in groups] == PROBLEMS
    for group in groups:
        question, language = group.problem.question, group.problem.columns["language"]
        assert group.prompt == f"{question} ({language})<think>"
        assert tiny_moe.tokenizer().decode(group.prompt_ids) == group.prompt
        assert len(group.completions) == len(group.judgements) == 2
        for completion, judgement in zip(group.completions, group.judgements, strict=True):
            assert len(completion.token_ids) == len(completion.logprobs) <= 6
            # Random weights do not know the layout, nor the answer.
            assert judgement.reward == 0.0
            assert set(judgement.parts) == set(judgement.outcomes) == {"format", "accuracy"}


def test_every_request_has_noise_of_its_own(collector: Collector) -> None:
    collector.collect(PROBLEMS, step=4)
    collector.collect(PROBLEMS, step=5)
    assert len({request.seed for request in collector.sampler.asked}) == 3 * 2 * 2
    first, second, *_ = collector.sampler.asked
    assert first.prompt_ids == second.prompt_ids


def test_a_completion_does_not_depend_on_its_neighbours(collector: Collector) -> None:
    together = collector.collect(PROBLEMS, step=4)
    (alone,) = collector.collect(PROBLEMS[1:2], step=4)
    assert [c.token_ids for c in alone.completions] == [
        c.token_ids for c in together[1].completions
    ]


def test_the_time_is_taken(collector: Collector) -> None:
    collector.collect(PROBLEMS, step=0)
    assert set(collector.watch.take()) == {"time/sampling", "time/rewards", "time/step"}


def test_what_is_not_there_is_collected_and_filed(collector: Collector, tmp_path: Path) -> None:
    shelf = RolloutShelf(tmp_path / "zero", collector, Accelerator(cpu=True), scale="std")
    rollout = shelf.take(4, lambda: PROBLEMS)
    assert (rollout.step, [g.problem.id for g in rollout.groups]) == (4, [p.id for p in PROBLEMS])
    assert os.listdir(tmp_path / "zero") == ["step-000004.parquet"]
    assert read_rollout(tmp_path / "zero" / "step-000004.parquet") == rollout


def test_what_is_there_is_read_and_never_drawn_again(collector: Collector, tmp_path: Path) -> None:
    shelf = RolloutShelf(tmp_path, collector, Accelerator(cpu=True), scale="std")
    first = shelf.take(4, lambda: PROBLEMS)
    drawn = len(collector.sampler.asked)
    assert shelf.take(4, nobody) == first
    assert len(collector.sampler.asked) == drawn == 6
    # Another step is another file.
    shelf.take(5, lambda: PROBLEMS[:1])
    assert len(collector.sampler.asked) == 8
    assert sorted(os.listdir(tmp_path)) == ["step-000004.parquet", "step-000005.parquet"]


def test_a_rollout_is_whole_or_not_there(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = RolloutShelf(tmp_path, collector, Accelerator(cpu=True), scale="std")

    def full(*_: object) -> None:
        raise OSError("no more")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no more"):
        shelf.take(4, lambda: PROBLEMS[:1])
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []
    assert shelf.take(4, lambda: PROBLEMS[:1]).step == 4


NOTING = """
def noting(prompts, completions, completion_ids, trainer_state, log_extra, log_metric, **columns):
    log_extra("prompt", prompts)
    log_extra("completion", completions)
    log_extra("ids", completion_ids)
    log_extra("row", [sorted(columns)] * len(prompts))
    log_extra("solution", columns["solution"])
    state = trainer_state
    log_extra("state", [[state.global_step, state.max_steps, state.epoch]] * len(prompts))
    log_metric("length", sum(map(len, completion_ids)) / len(completion_ids))
    return [1.0] * len(prompts)
"""


@pytest.mark.slow
@pytest.mark.parametrize("chat", [False, True])
def test_a_user_s_reward_sees_what_trl_would_show_it_and_its_notes_are_filed(
    collector: Collector, tmp_path: Path, chat: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "{% for turn in messages %}{{ turn.content }}\n{% endfor %}"
    monkeypatch.setattr(collector.tokenizer, "chat_template", template)
    (tmp_path / "mine.py").write_text(NOTING)
    with Scorer({f"{tmp_path}/mine.py:noting": 1.0}, workers=1) as scorer:
        noting = replace(
            collector,
            scorer=scorer,
            prompt=collector.prompt.model_copy(update={"chat": chat}),
            max_steps=12,
            steps_per_epoch=1.5,
        )
        shelf = RolloutShelf(tmp_path / "zero", noting, Accelerator(cpu=True), scale="std")
        rollout = shelf.take(6, lambda: PROBLEMS)
    lengths = []
    for group in rollout.groups:
        asked = f"{group.problem.question} ({group.problem.columns['language']})"
        for completion, judgement in zip(group.completions, group.judgements, strict=True):
            extra = judgement.extra
            assert extra["ids"] == list(completion.token_ids)
            assert extra["state"] == [6, 12, 4.0]
            assert extra["solution"] == group.problem.answer
            assert {"question", "answer", "language"} <= set(extra["row"])
            if chat:
                assert extra["completion"] == [{"role": "assistant", "content": completion.text}]
                user, begun = extra["prompt"]
                assert user == {"role": "user", "content": asked}
                assert begun == {"role": "assistant", "content": "<think>"}
            else:
                assert (extra["prompt"], extra["completion"]) == (group.prompt, completion.text)
            lengths.append(len(completion.token_ids))
    assert rollout.metrics == {"length": pytest.approx(sum(lengths) / len(lengths))}
    assert read_rollout(tmp_path / "zero" / "step-000006.parquet") == rollout
