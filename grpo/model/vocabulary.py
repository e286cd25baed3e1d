"""Whether two models read and write the same tokens: distributions are compared token by token.

How text is cut into tokens is not compared: ids are all that one model hands to another.
"""

from pathlib import Path

from grpo.errors import UserError
from grpo.model.load import load_tokenizer
from grpo.recipe.sections import Model


def check_vocabulary(knobs: Model, student: Path, teacher: Path) -> None:
    """Raises UserError unless the tokenizers in both folders give the same tokens the same ids."""
    files = [folder / "tokenizer.json" for folder in (student, teacher)]
    if all(file.is_file() for file in files) and len({file.read_bytes() for file in files}) == 1:
        return
    ours, theirs = (load_tokenizer(knobs, folder).get_vocab() for folder in (student, teacher))
    if ours == theirs:
        return
    lone = sorted(ours.items() ^ theirs.items(), key=lambda pair: (pair[1], pair[0]))
    token, number = lone[0]
    raise UserError(
        f"the teacher in {teacher} has another vocabulary than the student in {student} "
        f"({len(theirs)} tokens and {len(ours)}; they first differ at id {number}, {token!r}), and "
        "soft labels need one; take a teacher with the student's tokenizer, or learn from its "
        "completions alone"
    )
