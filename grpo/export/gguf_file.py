"""A checkpoint as one GGUF file, which llama.cpp, Ollama and their like load.

The format is the `gguf` package's work. The file is written tensor by tensor, so that a model
larger than memory can be exported too, and appears whole or not at all.
"""

import errno
import importlib.util
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from transformers import AutoConfig, PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from grpo.checkpoint.atomic import atomic_file
from grpo.errors import UserError
from grpo.export.families import Family, add_numbers, family_of, refuse_oddities
from grpo.export.tensors import Place, encoded, factors, kind_of, placed, places
from grpo.export.turns import chat_template
from grpo.export.vocabulary import Vocabulary, vocabulary

Dtype = Literal["f32", "f16", "q8_0"]
_FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}
MAGIC = b"GGUF"


@dataclass(frozen=True)
class About:
    """What a file says besides the model. `stop` is the token that ends an answer, where it is
    another than the end of text.

    >>> About("r1_zero-zero-step-000040", licence="apache-2.0", stop="<|im_end|>")
    """

    name: str
    licence: str | None = None
    stop: str | None = None


def write_gguf(folder: Path, tokenizer: Tokenizer, out: Path, dtype: Dtype, about: About) -> None:
    """Write the checkpoint in `folder` to the file `out`, its matrices as `dtype`.

    Raises UserError for a model or tokenizer that GGUF is not written for, a checkpoint that is not
    whole, a missing `gguf` package and a full disk.
    """
    config, family = _config(folder)
    words = vocabulary(tokenizer, config.vocab_size)
    wanted = places(config, family)
    stored = [*wanted.values(), *(place for place, _ in factors(config))]
    size = sum(_bytes(place, dtype) for place in stored)
    with atomic_file(out, expected_bytes=size) as temp, _open(temp, family) as writer:
        _add_about(writer, about, dtype)
        add_numbers(writer, config)
        words.add_to(writer)
        _add_chat(writer, tokenizer, words, about.stop)
        _write_tensors(writer, folder, config, wanted, dtype)


def refuse_unwritable(folder: Path) -> None:
    """Raises UserError for a model that GGUF is not written for, by its config.json alone."""
    _config(folder)


def _config(folder: Path) -> tuple[PreTrainedConfig, Family]:
    if importlib.util.find_spec("gguf") is None:
        raise UserError("writing GGUF needs the gguf package: pip install gguf")
    family = family_of(json.loads((folder / "config.json").read_text()))
    config = AutoConfig.from_pretrained(folder)
    refuse_oddities(config, family)
    return config, family


@contextmanager
def _open(path: Path, family: Family) -> Iterator[Any]:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, family.name)
    try:
        yield writer
    finally:
        writer.close()


def _add_about(writer: Any, about: About, dtype: Dtype) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    writer.add_type("model")
    writer.add_name(about.name)
    if about.licence:
        writer.add_license(about.licence)
    writer.add_file_type(LlamaFileType[_FILE_TYPES[dtype]])
    writer.add_quantization_version(GGML_QUANT_VERSION)


def _add_chat(writer: Any, tokenizer: Tokenizer, words: Vocabulary, stop: str | None) -> None:
    if template := chat_template(tokenizer):
        writer.add_chat_template(template)
    end = words.eos if stop is None else tokenizer.convert_tokens_to_ids(stop)
    if end != words.eos:
        writer.add_eot_token_id(end)


def _write_tensors(
    writer: Any, folder: Path, config: PreTrainedConfig, wanted: dict[str, Place], dtype: Dtype
) -> None:
    # The file names all tensors before the first one, so they are gone through twice; the first
    # time only their order is read.
    for place, _ in chain(placed(folder, wanted), factors(config)):
        size, kind = _bytes(place, dtype), kind_of(place, dtype)
        writer.add_tensor_info(place.name, place.shape, np.dtype(np.float32), size, kind)
    with _said_as_full():
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for place, tensor in chain(placed(folder, wanted), factors(config)):
            writer.write_tensor_data(encoded(tensor, place, dtype))


def _bytes(place: Place, dtype: Dtype) -> int:
    from gguf import GGML_QUANT_SIZES

    block, size = GGML_QUANT_SIZES[kind_of(place, dtype)]
    return int(math.prod(place.shape) // block * size)


@contextmanager
def _said_as_full() -> Iterator[None]:
    """numpy writes arrays and tells of a full disk in words alone, without the system's number."""
    try:
        yield
    except OSError as error:
        if error.errno is None and "requested and" in str(error):
            raise OSError(errno.ENOSPC, str(error)) from error
        raise
