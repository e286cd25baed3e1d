"""The verbs about rewards and data: audit, decontaminate."""

import typer

from grpo.boundary import user_errors
from grpo.cli import data_options as to
from grpo.cli.options import names

NOT_SOUND = 1
"""Exit code of an audit that found something."""


def audit(
    reward: to.Reward,
    knobs: to.RewardKnobs = None,
    data: to.Source = None,
    question: to.Column = "question",
    answer: to.Column = "answer",
    answer_after: to.AnswerAfter = None,
    problems: to.Problems = 24,
    judges: to.Judges = None,
    deadline: to.Deadline = 3.0,
    json_file: to.JsonFile = None,
) -> None:
    """Try a reward on right answers, wrong ones and cheats; exits with 1 unless it is sound."""
    with user_errors():
        from grpo.audit import audit_reward

        is_sound = audit_reward(
            reward,
            knobs=knobs or (),
            judges=judges,
            data=data,
            question=question,
            answer=answer,
            answer_after=answer_after,
            problems=problems,
            deadline_s=deadline,
            json_path=json_file,
        )
    if not is_sound:
        raise typer.Exit(NOT_SOUND)


def decontaminate(
    train: to.Train,
    benchmarks: to.Benchmarks,
    train_question: to.TrainQuestion = None,
    benchmark_question: to.BenchmarkQuestion = None,
    split: to.Split = "train",
    benchmark_split: to.BenchmarkSplit = "test",
    rules: to.Rules = "exact,letters,ngram",
    n: to.Words = 10,
    out: to.Out = None,
    write_clean: to.WriteClean = None,
) -> None:
    """Find the rows of a training set that stand in benchmarks; no torch."""
    with user_errors():
        from grpo.decontaminate import decontaminate as compare

        compare(
            train,
            names(benchmarks),
            question=train_question,
            split=split,
            benchmark_question=benchmark_question,
            benchmark_split=benchmark_split,
            rules=[rule.strip() for rule in rules.split(",")],
            n=n,
            out=out,
            clean=write_clean,
        )
