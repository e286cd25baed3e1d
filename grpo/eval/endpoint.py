"""An OpenAI-compatible endpoint: its address, what it says of itself, and what went wrong with it.

Asking it questions is `endpoint_answerer`'s.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import openai
from openai.types import Model

from grpo.errors import UserError
from grpo.recipe.near import did_you_mean

_LOOK_S, _LOOK_RETRIES = 30.0, 2
_SAID = 200
"""Characters of an endpoint's own words that are shown."""


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served and how it is asked: `at_once` requests at a time, each given
    `timeout_s` seconds and `retries` more tries.

    A model of None is the only one there. Retries wait 0.5 s, 1, 2, ... up to 8 s, or as long as
    the endpoint asks for.

    >>> Endpoint("http://127.0.0.1:8000/v1", "tiny-base", key="sk-...", at_once=32)
    """

    url: str
    model: str | None = None
    key: str = field(default="none", repr=False)
    at_once: int = 32
    retries: int = 8
    timeout_s: float = 1800.0


@dataclass(frozen=True)
class Served:
    """The model that will answer. `window` is what prompt and completion may have together, in
    tokens, where the endpoint says so; `is_vllm`: it takes vLLM's own knobs.

    >>> Served("tiny-base", window=1024, is_vllm=True)
    """

    model: str
    window: int | None
    is_vllm: bool


def base_url(text: str) -> str:
    """The address as clients take it: http://HOST becomes http://HOST/v1. Raises UserError.

    >>> base_url("http://127.0.0.1:8000")
    'http://127.0.0.1:8000/v1'
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UserError(f"--endpoint {text!r} is no address; write http://127.0.0.1:8000/v1")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def look_up(endpoint: Endpoint) -> Served:
    """What is served there under the name that was asked for.

    Raises UserError where nobody answers, the key is refused, or no such model is served. An
    endpoint that does not list its models is taken on trust.
    """
    models = _models(endpoint)
    if endpoint.model is None:
        if len(models) != 1:
            listed = f"it has {', '.join(sorted(models))}" if models else "it lists none"
            raise UserError(
                f"say which model of {endpoint.url} to ask, --model NAME: {listed:.300}"
            )
        return _served(*models.items())
    found = models.get(endpoint.model)
    if found is None and any(_is_vllm(one) for one in models.values()):
        hint = did_you_mean(endpoint.model, models)
        raise UserError(
            f"{endpoint.url} serves no model {endpoint.model!r}, but {', '.join(models)}{hint}"
        )
    return _served((endpoint.model, found))


def _models(endpoint: Endpoint) -> Mapping[str, Model]:
    retries = min(endpoint.retries, _LOOK_RETRIES)
    with openai.OpenAI(
        base_url=endpoint.url, api_key=endpoint.key, timeout=_LOOK_S, max_retries=retries
    ) as client:
        try:
            return {one.id: one for one in client.models.list()}
        except (openai.NotFoundError, openai.APIResponseValidationError):
            return {}
        except openai.APIError as error:
            raise UserError(sentence(endpoint, error, retries)) from error


def _served(named: tuple[str, Model | None]) -> Served:
    name, model = named
    window = (model.model_extra or {}).get("max_model_len") if model else None
    return Served(name, window, model is not None and _is_vllm(model))


def _is_vllm(model: Model) -> bool:
    return model.owned_by == "vllm"


def sentence(endpoint: Endpoint, error: openai.APIError, retries: int) -> str:
    """What went wrong, after so many retries, and the way out."""
    url, again = endpoint.url, "; once it answers, the same command goes on"
    tried = f"{retries + 1} tries" if retries else "one try"
    if isinstance(error, openai.APITimeoutError) and "Connect" not in repr(error.__cause__):
        return f"{url} gave no answer within {endpoint.timeout_s:g} s in {tried}; raise --timeout"
    if isinstance(error, openai.APIConnectionError):
        return f"{url} cannot be reached in {tried} ({_cause(error)}){again}"
    if not isinstance(error, openai.APIStatusError):
        return f"{url} answered what is no chat completion: {_said(error)}"
    code, said = error.status_code, _said(error)
    if code in (401, 403):
        return f"{url} refuses the key ({code}: {said}); name its variable: --api-key-env VAR"
    if code == 429:
        return f"{url} turned us away in {tried} (429: {said}); lower --concurrency{again}"
    if code >= 500:
        return f"{url} failed in {tried} ({code}: {said}){again}"
    return f"{url} refuses the request ({code}: {said})"


def _said(error: openai.APIError) -> str:
    """The endpoint's own words, in one line."""
    body: Any = error.body
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or body
    return re.sub(r"\s+", " ", str(body or error.message)).strip()[:_SAID]


def _cause(error: openai.APIError) -> str:
    return str(error.__cause__ or error.message).partition("\n")[0] or "no reason given"
