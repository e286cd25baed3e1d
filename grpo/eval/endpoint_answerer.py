"""An OpenAI-compatible endpoint that answers: chat completions, many at a time.

The client library retries; what it gives up on ends the evaluation, which keeps what it has. Bare
prompts (no chat template) are left to local checkpoints: few endpoints still take them.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from itertools import islice
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion import Choice

from grpo.errors import UserError
from grpo.eval.answerer import Answer, Asked, Put
from grpo.eval.endpoint import Endpoint, Served, sentence
from grpo.recipe.sections import Prompt, Sampling
from grpo_data.problem import Problem
from grpo_data.template import conversation

_CONNECT_S, _PAUSE_S = 10.0, 1.0
_ENDS = {"stop": "stop", "length": "length", "tool_calls": "stop", "content_filter": "stop"}
_SHOWN = 60
"""Characters of a question that was refused."""
_ELSEWHERE = 2**31
"""Seeds are below this where it is not known that more is taken."""


class EndpointAnswerer:
    """A model behind `endpoint`, asked with `sampling`; `served` is what `look_up` found there.

    vLLM's own knobs are used where vLLM answers: special tokens and stop texts are kept, its
    server's sampling defaults are overruled, and an answer can be begun with a prefill.
    """

    def __init__(self, endpoint: Endpoint, served: Served, sampling: Sampling) -> None:
        self._endpoint, self._served, self._sampling = endpoint, served, sampling
        self._with_logprobs = True
        self._counted = {"prompt_tokens": 0, "completion_tokens": 0, "retries": 0}

    def put(self, problem: Problem, prompt: Prompt) -> Put:
        """See the protocol; the text is the turns, the length is in characters."""
        if not prompt.chat:
            raise UserError(
                "an endpoint is asked in chat: --no-chat needs a local checkpoint, or leave it out"
            )
        if prompt.prefill and not self._served.is_vllm:
            raise UserError(
                f"{self._endpoint.url} is no vLLM server, so how its answers begin cannot be set: "
                "leave --prefill out"
            )
        messages = conversation(problem, system=prompt.system, user=prompt.user)
        if prompt.prefill:
            messages.append({"role": "assistant", "content": prompt.prefill})
        text = "\n\n".join(message["content"] for message in messages)
        return Put(text, messages, len(text))

    def answer(self, asked: Sequence[Asked]) -> Generator[tuple[int, Answer]]:
        """See the protocol. Raises UserError where the endpoint fails for good, after the requests
        that were under way have been waited for."""
        answers = self._answers(asked)
        # Closing the runner cancels what is under way and closes the client.
        with asyncio.Runner() as runner:
            while (one := runner.run(_next(answers))) is not None:
                yield one

    def facts(self) -> dict[str, Any]:
        """The tokens that the endpoint counted, and how often it had to be asked again."""
        return dict(self._counted)

    async def _answers(self, asked: Sequence[Asked]) -> AsyncGenerator[tuple[int, Answer]]:
        waiting, fault = iter(enumerate(asked)), None
        running: dict[asyncio.Task[Answer], int] = {}
        async with self._client() as client:
            while True:
                free = 0 if fault else self._endpoint.at_once - len(running)
                for place, one in islice(waiting, free):
                    running[asyncio.create_task(self._draw(client, one))] = place
                if not running:
                    break
                finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    place, error = running.pop(task), task.exception()
                    if error is None:
                        yield place, task.result()
                    fault = fault or error
        if fault:
            raise fault

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self._endpoint.url,
            api_key=self._endpoint.key,
            max_retries=self._endpoint.retries,
            timeout=openai.Timeout(self._endpoint.timeout_s, connect=_CONNECT_S),
        )

    async def _draw(self, client: openai.AsyncOpenAI, asked: Asked) -> Answer:
        request = self._request(asked)
        try:
            try:
                return await self._ask(client, request)
            except openai.BadRequestError as error:
                if "logprobs" not in request or "logprob" not in str(error).lower():
                    raise
                # It cannot give them: without, from now on.
                self._with_logprobs = False
                return await self._ask(client, self._request(asked))
        except openai.APIError as error:
            said = sentence(self._endpoint, error, self._endpoint.retries)
            if isinstance(error, openai.BadRequestError):
                said += f"; it was asked {asked.put.text[:_SHOWN]!r}"
            raise UserError(said) from error

    async def _ask(self, client: openai.AsyncOpenAI, request: Mapping[str, Any]) -> Answer:
        for _ in range(self._endpoint.retries + 1):
            reply = await self._reply(client, request)
            if end := _ENDS.get(reply.choices[0].finish_reason):
                return self._read(reply, end)
            # Broken off by a server that is going down: half an answer is none.
            await asyncio.sleep(_PAUSE_S)
        url, reason = self._endpoint.url, reply.choices[0].finish_reason
        raise UserError(f"{url} keeps breaking answers off ({reason}); the same command goes on")

    async def _reply(
        self, client: openai.AsyncOpenAI, request: Mapping[str, Any]
    ) -> ChatCompletion:
        raw = await client.chat.completions.with_raw_response.create(**request)
        self._counted["retries"] += raw.retries_taken
        reply = raw.parse()
        if isinstance(reply, ChatCompletion) and reply.choices:
            return reply
        url, said = self._endpoint.url, " ".join(raw.text.split())
        raise UserError(f"{url} answered what is no chat completion: {said:.200}")

    def _request(self, asked: Asked) -> dict[str, Any]:
        sampling, served = self._sampling, self._served
        is_greedy = sampling.top_k == 1
        request = {
            "model": served.model,
            "messages": asked.put.sent,
            "temperature": 0.0 if is_greedy else sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": min(sampling.max_tokens, served.window or sampling.max_tokens),
            "seed": asked.seed if served.is_vllm else asked.seed % _ELSEWHERE,
        }
        if sampling.stop:
            request["stop"] = list(sampling.stop)
        if self._with_logprobs:
            request["logprobs"] = True
        if served.is_vllm:
            request["extra_body"] = _vllm_knobs(sampling, asked)
        return request

    def _read(self, reply: ChatCompletion, end: str) -> Answer:
        choice, usage = reply.choices[0], reply.usage
        steps = choice.logprobs.content if choice.logprobs else None
        if usage:
            self._counted["prompt_tokens"] += usage.prompt_tokens
            self._counted["completion_tokens"] += usage.completion_tokens
        tokens = usage.completion_tokens if usage else len(steps or ())
        return Answer(
            _text(choice) + _stop_text(choice),
            end,
            tokens,
            sum(s.logprob for s in steps) if steps else None,
        )


async def _next(answers: AsyncGenerator[tuple[int, Answer]]) -> tuple[int, Answer] | None:
    return await anext(answers, None)


def _vllm_knobs(sampling: Sampling, asked: Asked) -> dict[str, Any]:
    knobs = {
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "skip_special_tokens": False,
    }
    if asked.put.sent[-1]["role"] == "assistant":
        knobs |= {"add_generation_prompt": False, "continue_final_message": True}
    return knobs


def _stop_text(choice: Choice) -> str:
    """The stop text that ended the answer, which vLLM names beside it; empty for an end token."""
    reason = (choice.model_extra or {}).get("stop_reason")
    return reason if isinstance(reason, str) else ""


def _text(choice: Choice) -> str:
    """The answer; reasoning that an endpoint has set apart stands before it, in its tags again."""
    content, extra = choice.message.content or "", choice.message.model_extra or {}
    reasoning = extra.get("reasoning_content") or extra.get("reasoning")
    if not reasoning:
        return content
    is_open = choice.finish_reason == "length" and not content
    return f"<think>{reasoning}" + ("" if is_open else f"</think>{content}")
