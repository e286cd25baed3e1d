"""An OpenAI endpoint in small: a real HTTP server in a thread, whose replies a function decides."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROP = "drop"
"""Close the connection without a word."""


@dataclass(frozen=True)
class Reply:
    """A status with a body: a JSON value, or text as it is."""

    status: int
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def chat(text: str, end: str = "stop", tokens: int = 3, **changes: Any) -> Reply:
    """A chat completion; `changes` are of its choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": end}
    usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
    head = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return Reply(200, {**head, "choices": [{**choice, **changes}], "usage": usage})


def failure(status: int, message: str, **headers: str) -> Reply:
    """An error in OpenAI's form; asked again after a millisecond unless `headers` say otherwise."""
    return Reply(status, {"error": {"message": message}}, headers or {"retry-after-ms": "1"})


def models(*names: str, **extra: Any) -> Reply:
    """The list of models."""
    one = {"object": "model", "created": 1, "owned_by": "somebody", **extra}
    return Reply(200, {"object": "list", "data": [{"id": name, **one} for name in names]})


class SmallEndpoint(ThreadingHTTPServer):
    """`reply(number, request)` answers the chat requests, counted from 0, `listing` the question
    for models. `requests` are those that came, `times` when, `most` how many at a time."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, reply: Callable[[int, Any], Reply | str], listing: Reply, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.reply, self.listing = reply, listing
        self.requests: list[Any] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.now, self.most = 0, 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallEndpoint

    def do_GET(self) -> None:
        self._send(self.server.listing)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            number = len(server.requests)
            server.requests.append(body)
            server.times.append(time.monotonic())
            server.headers.append({k.lower(): v for k, v in self.headers.items()})
            server.now += 1
            server.most = max(server.most, server.now)
        reply = server.reply(number, body)
        with server.lock:
            server.now -= 1
        if isinstance(reply, str):
            self.close_connection = True
            return
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        is_text = isinstance(reply.body, str)
        sent = (reply.body if is_text else json.dumps(reply.body)).encode()
        self.send_response(reply.status)
        kind = "text/html" if is_text else "application/json"
        for name, value in {"content-type": kind, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:
        """Not a word."""


@contextmanager
def serving(
    reply: Callable[[int, Any], Reply | str], listing: Reply | None = None, port: int = 0
) -> Iterator[SmallEndpoint]:
    """A running endpoint; an end closes the port at once."""
    with SmallEndpoint(reply, listing or models("m"), port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
