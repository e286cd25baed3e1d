"""The options of audit and decontaminate."""

from pathlib import Path
from typing import Annotated

import typer

# --- audit ---

Reward = Annotated[
    str,
    typer.Argument(
        metavar="REWARD", help="A reward that ships, file.py:function, or a dotted path."
    ),
]
RewardKnobs = Annotated[
    list[str] | None,
    typer.Argument(metavar="KNOB=VALUE", help="The reward's own: variant=think."),
]
Source = Annotated[
    str | None, typer.Option(metavar="SOURCE", help="Problems; else some that ship.")
]
Column = Annotated[str, typer.Option(metavar="COLUMN", help="Of the data.")]
AnswerAfter = Annotated[
    str | None, typer.Option(metavar="MARK", help="The answer follows it: '####' in GSM8K.")
]
Problems = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")]
Judges = Annotated[
    str | None,
    typer.Option(metavar="WHAT", help="answer, layout, language, code, ...; yours: answer."),
]
Deadline = Annotated[
    float, typer.Option(min=0.1, metavar="SECONDS", help="Of CPU time a completion.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="The table goes there too.")
]

# --- decontaminate ---

Train = Annotated[
    str, typer.Option(metavar="SOURCE", help="The training set: a file, a hub name, tiny:KIND.")
]
Benchmarks = Annotated[
    str, typer.Option(metavar="A,B", help="Benchmarks: names (aime24), files, hub names.")
]
TrainQuestion = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Else question, problem, prompt, ...")
]
BenchmarkQuestion = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The same, in the benchmarks.")
]
Split = Annotated[str, typer.Option(help="Of a training set on the hub.")]
BenchmarkSplit = Annotated[str, typer.Option(help="Of benchmarks on the hub.")]
Rules = Annotated[
    str, typer.Option(metavar="A,B", help="The same text; but for signs; n words in a row.")
]
Words = Annotated[
    int, typer.Option("--n", min=1, help="Words in a row; a Chinese character is 2/3 of one.")
]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="For overlap.json and overlap.md.")
]
WriteClean = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A .jsonl of the rows that do not overlap.")
]
