"""`grpo export`: a checkpoint for llama.cpp and Ollama, or as a folder for others to load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text
from transformers import PreTrainedTokenizerBase as Tokenizer

from grpo.checkpoint.atomic import atomic_write
from grpo.checkpoint.mark import MARK, BrokenCheckpoint, read_mark, verify
from grpo.errors import UserError
from grpo.export.folder import write_folder
from grpo.export.gguf_file import MAGIC, About, Dtype, refuse_unwritable, write_gguf
from grpo.export.modelfile import can_quote, modelfile
from grpo.export.origin import Origin, origin_of
from grpo.export.turns import Turns, UnknownTurns, turns_of
from grpo.export.vocabulary import added_ends
from grpo.inputs import check_model
from grpo.model.load import base_folder, load_tokenizer
from grpo.recipe.sections import Model
from grpo.run.named import named_checkpoint

EXPORTS = Path("runs/export")


def export_checkpoint(
    checkpoint: str,
    to: Literal["gguf", "folder"],
    *,
    out: Path | None = None,
    dtype: Dtype | None = None,
    results: Sequence[Path] = (),
) -> Path:
    """Write `checkpoint` to `out`, say where it lies, and return that.

    `checkpoint` is a folder, RUN:STAGE, a shipped model or a hub name. `dtype` (f16 where none is
    given) is for GGUF, `results` for a folder's card. Raises UserError, in one sentence, for what
    is not there, not whole, or cannot be said in the format.
    """
    checkpoint = named_checkpoint(checkpoint)
    check_model(checkpoint)
    origin = origin_of(base_folder(Model(path=checkpoint)))
    _refuse_broken(origin.folder)
    if to == "gguf" and results:
        raise UserError("--result goes on a model card, which --to folder writes")
    if to == "folder" and dtype:
        raise UserError("--dtype is for --to gguf; --to folder copies the weights as they are")
    console = Console(highlight=False)
    if to == "gguf":
        return _gguf(origin, out, dtype or "f16", console)
    place = out or EXPORTS / origin.name
    write_folder(origin, place, results)
    console.print(Text(f"Folder: {place}; its card: {place / 'README.md'}"), soft_wrap=True)
    return place


def _gguf(origin: Origin, out: Path | None, dtype: Dtype, console: Console) -> Path:
    place = out or EXPORTS / f"{origin.name}-{dtype}.gguf"
    _refuse_place(place)
    refuse_unwritable(origin.folder)
    tokenizer = load_tokenizer(Model(path=str(origin.folder)), origin.folder)
    turns, why = _turns(origin, tokenizer)
    about = About(origin.name, origin.licence(), turns.stop if turns else None)
    write_gguf(origin.folder, tokenizer, place, dtype, about)
    beside = place.with_suffix(".Modelfile")
    atomic_write(beside, _modelfile(origin, place, tokenizer, turns))
    console.print(Text(f"GGUF: {place} ({place.stat().st_size / 1e6:,.1f} MB)"), soft_wrap=True)
    console.print(Text(f"Ollama: ollama create NAME -f {beside}"), soft_wrap=True)
    if why:
        note = f"The Modelfile has no TEMPLATE: {why}."
        console.print(Text(note, style="yellow"), soft_wrap=True)
    return place


def _turns(origin: Origin, tokenizer: Tokenizer) -> tuple[Turns | None, str]:
    """The chat template's turns, or why there are none to be had."""
    try:
        turns = turns_of(tokenizer)
    except UnknownTurns as error:
        return None, str(error)
    if turns is None:
        return None, "the tokenizer has no chat template"
    if not can_quote(turns, *_asked(origin)):
        return None, "three quotes in a row stand in one of its texts"
    return turns, ""


def _modelfile(origin: Origin, place: Path, tokenizer: Tokenizer, turns: Turns | None) -> str:
    system, prefill = _asked(origin)
    adds_bos, _ = added_ends(tokenizer)
    bos = str(tokenizer.bos_token) if adds_bos else ""
    return modelfile(place.name, turns, system=system, prefill=prefill, bos=bos)


def _asked(origin: Origin) -> tuple[str | None, str]:
    """The system text and prefill of the run's prompt, where it was put in the chat template."""
    if origin.asked.get("chat") is False:
        return None, ""
    return origin.asked.get("system"), str(origin.asked.get("prefill") or "")


def _refuse_place(place: Path) -> None:
    if place.suffix != ".gguf":
        raise UserError(f"--out {place}: the file of --to gguf ends in .gguf")
    if place.is_dir():
        raise UserError(f"{place} is a folder: give --out a file's name")
    if place.is_file() and not _is_gguf(place):
        raise UserError(f"{place} is there and is no GGUF file: give another --out")


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _refuse_broken(folder: Path) -> None:
    """A checkpoint of a run says what was written of it."""
    if not (folder / MARK).is_file():
        return
    try:
        verify(folder, read_mark(folder), hashes=True)
    except BrokenCheckpoint as error:
        raise UserError(f"the checkpoint {folder} is broken: {error}") from error
