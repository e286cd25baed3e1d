"""The verb eval: a checkpoint, or an endpoint, on benchmarks."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from grpo.boundary import user_errors
from grpo.cli import eval_options as to
from grpo.cli.options import Overrides, local, names
from grpo.errors import UserError


def evaluate(
    checkpoint: to.Asked = None,
    overrides: Overrides = None,
    benchmarks: to.Benchmarks = "",
    k: to.Samples = None,
    limit: to.Limit = None,
    data: to.File = None,
    question: to.Column = "question",
    answer: to.Column = "answer",
    answer_after: to.AnswerAfter = None,
    split: to.Split = "test",
    subset: to.Subset = None,
    reward: to.Reward = None,
    temperature: to.Temperature = None,
    top_p: to.TopP = None,
    max_tokens: to.MaxTokens = None,
    stop: to.Stop = None,
    system: to.System = None,
    prompt: to.Prompt = None,
    prefill: to.Prefill = None,
    chat: to.Chat = None,
    seed: to.Seed = 0,
    engine: to.Engine = None,
    data_root: to.DataRoot = None,
    out: to.Out = None,
    endpoint: to.Url = None,
    model: to.Model = None,
    api_key_env: to.KeyVariable = None,
    concurrency: to.Concurrency = 32,
    retries: to.Retries = 8,
    timeout: to.Timeout = 1800,
) -> None:
    """Score a checkpoint on benchmarks, with 95% intervals; the same command goes on."""
    with user_errors(can_resume=True):
        there = (model, api_key_env, concurrency, retries, timeout)
        ask = _asker(checkpoint, endpoint, engine, overrides or [], there)
        own = (data, question, answer, answer_after, split, subset)
        put = (system, prompt, prefill, chat)
        ends = tuple(stop) if stop else None
        how = (temperature, top_p, max_tokens, ends, *put, reward, k, limit, seed)
        ask(benchmarks=names(benchmarks), root=data_root, out=out, **_wanted(own, how))


def _asker(
    checkpoint: str | None,
    endpoint: str | None,
    engine: str | None,
    overrides: list[str],
    there: Sequence[Any],
) -> Callable[..., Path]:
    """What asks the checkpoint or the endpoint. Raises UserError where it is not clear which."""
    if endpoint is None and checkpoint is not None:
        found = local(checkpoint)
        from grpo.evaluate import evaluate_checkpoint

        return partial(evaluate_checkpoint, found, engine=engine, overrides=overrides)
    if fault := _not_of_an_endpoint(endpoint, checkpoint, engine):
        raise UserError(fault)
    from grpo.evaluate_endpoint import evaluate_endpoint

    # A first KEY=VALUE stands where a checkpoint would.
    words = [word for word in (checkpoint, *overrides) if word]
    return partial(evaluate_endpoint, _endpoint(str(endpoint), *there), overrides=words)


def _wanted(own: Sequence[Any], how: Sequence[Any]) -> dict[str, Any]:
    """The user's own file, where there is one, and the knobs: both by their fields in order."""
    from grpo.eval.protocol import Knobs
    from grpo.evaluate import OwnData

    return {"data": OwnData(*own) if own[0] else None, "knobs": Knobs(*how)}


def _not_of_an_endpoint(
    endpoint: str | None, checkpoint: str | None, engine: str | None
) -> str | None:
    """What in the command does not go with an endpoint, or that there is none."""
    if endpoint is None:
        return "say what to score: a checkpoint, or --endpoint URL"
    if checkpoint is not None and "=" not in checkpoint:
        return f"name one to score: the checkpoint {checkpoint!r} or the endpoint {endpoint!r}"
    if engine is not None:
        return "--engine is of a local checkpoint: the endpoint has its own"
    return None


def _endpoint(url: str, model: str | None, key_variable: str | None, *limits: Any) -> Any:
    from grpo.eval.endpoint import Endpoint, base_url

    return Endpoint(base_url(url), model, _key(key_variable), *limits)


def _key(variable: str | None) -> str:
    """The endpoint's key; any will do where none is asked for, but clients must send one."""
    if variable is None:
        return "none"
    if not (key := os.environ.get(variable, "").strip()):
        raise UserError(f"--api-key-env {variable}: there is no such variable, or it is empty")
    return key
