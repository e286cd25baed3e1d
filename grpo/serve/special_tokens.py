"""A layer before vLLM's server that keeps special tokens in answers, as rollouts keep them.

vLLM drops them unless a request says otherwise, and has no setting for it: where <think> and its
kind are special tokens, a plain client would never see them. A request that says what it wants gets
that. The end token is never part of an answer.
"""

import json
from typing import Any

PATHS = ("/v1/chat/completions", "/v1/completions")
KNOB = "skip_special_tokens"


class KeepSpecialTokens:
    """ASGI middleware: requests to PATHS are passed on with `skip_special_tokens: false`."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        body = with_knob(await _whole(receive))
        lengthless = [pair for pair in scope["headers"] if pair[0].lower() != b"content-length"]
        headers = [*lengthless, (b"content-length", str(len(body)).encode())]
        first = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Any:
            # afterwards the client's own words: that it has gone
            return next(first, None) or await receive()

        await self._app({**scope, "headers": headers}, replay, send)


def with_knob(body: bytes) -> bytes:
    """The request with the knob in it; as it is where it has it, or is no JSON object."""
    try:
        asked = json.loads(body)
    except ValueError:
        return body
    if not isinstance(asked, dict) or KNOB in asked:
        return body
    return json.dumps({**asked, KNOB: False}).encode()


async def _whole(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
