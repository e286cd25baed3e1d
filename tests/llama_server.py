"""llama.cpp itself, through its wheel: what it makes of a GGUF file and of a text.

In float32 throughout, on one thread, so that its numbers can be laid beside transformers'.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import xllamacpp


@dataclass(frozen=True)
class Answer:
    """Tokens, the one that ended them among them; `logprobs` are of the first token's best
    candidates, where llama.cpp tells them.

    >>> Answer([262, 38, 1], logprobs={262: -0.4, 17: -1.9})
    """

    tokens: list[int]
    logprobs: dict[int, float]


class LlamaCpp:
    """A model loaded by llama.cpp; it lives as long as the object."""

    def __init__(self, path: Path, window: int = 256) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = window
        params.n_parallel = 1
        params.warmup = False
        params.verbosity = -1
        for threads in (params.cpuparams, params.cpuparams_batch):
            threads.n_threads = 1
        # Its usual caches and attention are in 16 bits.
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._server = xllamacpp.Server(params)
        # A server that is ended before its loop has begun waits for that loop for ever.
        self.greedy((0,), 1)

    def tokens(self, text: str, *, add_special: bool = True) -> list[int]:
        """The text's token ids, special tokens in it read as such."""
        asked = {"content": text, "add_special": add_special, "parse_special": True}
        found: list[int] = self._post("/tokenize", asked)["tokens"]
        return found

    def greedy(self, prompt: Sequence[int], count: int) -> "Answer":
        """The likeliest tokens after `prompt`, at most `count`."""
        asked = {
            "prompt": list(prompt), "n_predict": count, "temperature": 0, "n_probs": 20,
            "return_tokens": True, "cache_prompt": False,
        }  # fmt: skip
        reply = self._post("/completion", asked)
        tokens, told = reply["tokens"], reply.get("completion_probabilities", ())
        # A token that is no whole letter has no entry of its own.
        is_first = bool(told) and told[0]["id"] == tokens[0]
        best = told[0]["top_logprobs"] if is_first else []
        logprobs = {entry["id"]: entry["logprob"] for entry in best}
        return Answer(tokens, logprobs)

    def chat(self, text: str, count: int) -> str:
        """The likeliest answer to a user's turn, in the file's own chat template."""
        reply = self._server.handle_chat_completions(
            {"messages": [{"role": "user", "content": text}], "max_tokens": count, "temperature": 0}
        )
        return str(reply["choices"][0]["message"]["content"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body).encode()
        request = Request(
            self._server.listening_address + path, data, {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=60) as answer:
            reply: dict[str, Any] = json.loads(answer.read())
        return reply
