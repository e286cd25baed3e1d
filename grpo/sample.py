"""`grpo sample`: one question to a checkpoint, asked as its run asked.

The prompt (system text, prefill, chat or not) is that of the run the checkpoint lies in; a model
from elsewhere is asked in its own chat template, where it has one.
"""

from typing import Literal

from grpo.model.load import base_folder, load_tokenizer
from grpo.recipe.load import recipe_above
from grpo.recipe.sections import Model, Prompt, SamplerConfig, Sampling
from grpo.sampler import open_sampler, request_seed
from grpo.types import Request
from grpo_data.problem import Problem
from grpo_data.template import render


def sample_text(
    checkpoint: str,
    text: str,
    *,
    number: int = 1,
    temperature: float = 0.6,
    max_tokens: int = 512,
    seed: int = 0,
    engine: Literal["vllm", "plain"] = "plain",
) -> list[str]:
    """`number` completions of the question `text`, each with the prefill it began with.

    `checkpoint` is a folder of weights, a shipped model or a hub name.
    Raises UserError where there is no such model, ValueError where the prompt needs more than a
    question.
    """
    folder = base_folder(Model(path=checkpoint))
    run = recipe_above(folder)
    model = run.model if run and run.model else Model(path=checkpoint)
    tokenizer = load_tokenizer(model, folder)
    prompt = run.prompt if run else Prompt(chat=tokenizer.chat_template is not None)
    problem = Problem(id="sample", question=text, answer="", key=text)
    _, ids = render(tokenizer, problem, **prompt.model_dump())
    requests = [Request(ids, request_seed(seed, 0, text, k, "sample")) for k in range(number)]
    config = SamplerConfig(
        engine=engine,
        max_model_len=len(ids) + max_tokens,
        max_num_seqs=min(number, 64),
        trust_remote_code=model.trust_remote_code,
    )
    sampler = open_sampler(folder, config)
    try:
        drawn = sampler.sample(requests, Sampling(temperature=temperature, max_tokens=max_tokens))
    finally:
        sampler.close()
    return [prompt.prefill + completion.text for completion in drawn]
