"""Router replay (R3) before and after: how far sampler and trainer are apart on the same tokens.

The plain engine draws completions of the tiny world's problems from the shipped base and says
which experts each token took, and so does vLLM, watched; the trainer scores the same tokens, once
by its own routers and once by the sampler's. One thread, under two minutes.

    python benchmarks/base/replay.py                  # fills docs/base.md
    python benchmarks/base/replay.py --into ""        # prints
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from base.vllm_choice import drawn_by_vllm
from scaling_tables import placed, table_lines

from grpo.model.load import base_folder, load_model, load_tokenizer
from grpo.recipe.sections import Model, Prompt, SamplerConfig, Sampling
from grpo.sampler import open_sampler, request_seed
from grpo.threads import use_threads
from grpo.train.policy import score
from grpo.train.scored import ScoredLM
from grpo.train.sequences import Sequences
from grpo.types import Completion, Request
from grpo_data.template import render
from grpo_data.world import problems

DOCUMENT = Path(__file__).parents[2] / "docs" / "base.md"
SAMPLING = Sampling(temperature=1.0, max_tokens=128)
PAIRS = (
    ("vllm bfloat16", "bfloat16"),
    ("plain bfloat16", "bfloat16"),
    ("plain bfloat16", "float32"),
    ("plain float32", "float32"),
)
"""Engine and dtype of the sampler, dtype of the trainer."""


class Gap(NamedTuple):
    """What one pairing came to: |log-prob gap| in nats, shares of tokens.

    >>> Gap("plain bfloat16", "float32", True, mean=0.012, largest=0.3, wide=0.01, elsewhere=0.04,
    ...     layers=(0.01, 0.02, 0.02))
    """

    sampler: str
    trainer: str
    replay: bool
    mean: float
    largest: float
    wide: float
    elsewhere: float
    layers: tuple[float, ...]


def main(
    model: Annotated[
        str, typer.Option(help="A DeepSeek-V3: a folder or shipped name.")
    ] = "tiny-base",
    completions: Annotated[int, typer.Option(help="How many, one a problem.")] = 256,
    into: Annotated[str, typer.Option(help="The document; empty: print.")] = str(DOCUMENT),
) -> None:
    """Draw, score twice, fill the table's place."""
    use_threads(1)
    folder = base_folder(Model(path=model))
    asked = requests(folder, completions)
    drawn = {sampler: draw(folder, sampler, asked) for sampler, _ in PAIRS}
    gaps = [
        gap
        for sampler, trainer in PAIRS
        for gap in gaps_of(folder, sampler, trainer, asked, drawn[sampler])
    ]
    table = "\n".join(lines(folder.name, completions, gaps))
    if not into:
        print(table)
        return
    document = Path(into)
    document.write_text(placed(document.read_text(), "replay", table))


def requests(folder: Path, count: int) -> list[Request]:
    """Problems of the tiny world as prompts, each with a seed of its own."""
    tokenizer, prompt = load_tokenizer(Model(path=str(folder)), folder), Prompt()
    rendered = (
        render(
            tokenizer,
            problem,
            system=prompt.system,
            user=prompt.user,
            prefill=prompt.prefill,
            chat=prompt.chat,
        )
        for problem in problems("all", size=count)
    )
    return [
        Request(ids, request_seed(0, 0, str(number), 0)) for number, (_, ids) in enumerate(rendered)
    ]


def draw(folder: Path, sampler: str, asked: Sequence[Request]) -> list[Completion]:
    """A completion of each request, by `sampler`, an engine and its dtype."""
    engine, dtype = sampler.split()
    if engine == "vllm":
        return list(drawn_by_vllm(folder, dtype, asked, SAMPLING))
    config = SamplerConfig.model_validate(
        {"engine": engine, "dtype": dtype, "max_model_len": 512, "max_num_seqs": 64}
    )
    with closing(open_sampler(folder, config)) as opened:
        return opened.sample(asked, SAMPLING)


def gaps_of(
    folder: Path, sampler: str, trainer: str, asked: Sequence[Request], drawn: Sequence[Completion]
) -> Iterator[Gap]:
    """The trainer's gaps to what a sampler drew, by its own routers and by the sampler's."""
    sequences = Sequences(
        [one.prompt_ids for one in asked],
        [one.token_ids for one in drawn],
        experts=[torch.tensor(one.routing.ids_TLK) for one in drawn if one.routing],
    )
    scored = ScoredLM(load_model(Model(path=str(folder), dtype=trainer), folder).eval())
    for follows in (False, True):
        scored.replay.follows = follows
        logprobs_BT = score(
            scored, sequences, temperature=1.0, budget=8192, device=torch.device("cpu")
        )
        gap_N = _gap(logprobs_BT, drawn)
        differ = scored.replay.take()
        yield Gap(
            sampler,
            trainer,
            follows,
            float(gap_N.mean()),
            float(gap_N.max()),
            float((gap_N > 0.1).float().mean()),
            float(differ.anywhere / differ.tokens),
            tuple((differ.layers_L / differ.tokens).tolist()),
        )


def _gap(logprobs_BT: Tensor, drawn: Sequence[Completion]) -> Tensor:
    rows = zip(logprobs_BT, drawn, strict=True)
    return torch.cat([(row[: len(c.logprobs)] - torch.tensor(c.logprobs)).abs() for row, c in rows])


def lines(model: str, completions: int, gaps: Sequence[Gap]) -> Iterator[str]:
    """The section in Markdown."""
    yield f"{model}, {completions} completions of the tiny world, a CPU:\n"
    heads = ("sampler", "trainer", "experts by", "mean gap, nats", "largest", "above 0.1 nats",
             "routed elsewhere, any layer", "by layer")  # fmt: skip
    rows = [
        (
            gap.sampler,
            gap.trainer,
            "sampler (replay)" if gap.replay else "trainer",
            f"{gap.mean:.2g}",
            f"{gap.largest:.2g}",
            f"{100 * gap.wide:.2f}%",
            f"{100 * gap.elsewhere:.2f}%",
            " ".join(f"{100 * share:.2f}" for share in gap.layers),
        )
        for gap in gaps
    ]
    yield from table_lines(heads, rows)
    yield (
        "\nA gap is |log-probability of the sampler - of the trainer| of a drawn token. Routed "
        "elsewhere: the trainer's own router would choose other experts, in % of tokens; under "
        "replay, of states that came through the sampler's experts in the layers before."
    )


if __name__ == "__main__":
    typer.run(main)
