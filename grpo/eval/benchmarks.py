"""The one table of benchmarks: a line each, with where it is published and in which form.

To add one, give it a line. Reading is left to `sources`, prompts to `protocol`. `verified` says
that the line was read from the published file; of the others the form alone is tested, on rows of
our own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo.errors import UserError
from grpo.eval import forms
from grpo.eval.forms import Form, choice, listed, shuffled, worded
from grpo.recipe.near import did_you_mean


@dataclass(frozen=True)
class Hub:
    """Where the hub has a benchmark.

    >>> Hub("openai/gsm8k", subset="main")
    """

    name: str
    split: str = "test"
    subset: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """A line of the table.

    `rows` are those published; `file` is its place under a data root; `k` the samples a question
    gets unless the user says otherwise, `r1_k` those that R1 reports, where it says. Columns named
    in `texts` keep their characters where a format would guess a type ("007" in a CSV).

    >>> Benchmark("aime24", 30, "contest/aime24.jsonl", Hub("HuggingFaceH4/aime_2024", "train"),
    ...           worded("problem", "answer"), k=64, r1_k=64, verified=True)
    """

    name: str
    rows: int | None
    file: str
    hub: Hub | None
    form: Form
    reward: str = "accuracy"
    reward_knobs: Mapping[str, Any] = field(default_factory=dict)
    style: str = "maths"
    language: str = "en"
    k: int = 4
    r1_k: int | None = None
    verified: bool = False
    texts: tuple[str, ...] = ()


# fmt: off
TABLE = (
    Benchmark("gsm8k", 1319, "gsm8k/test.jsonl", Hub("openai/gsm8k", subset="main"),
              worded("question", "answer", after="####"), verified=True),
    Benchmark("math500", 500, "math/math500.jsonl", Hub("HuggingFaceH4/MATH-500"),
              worded("problem", "answer"), k=16, r1_k=16, verified=True),
    Benchmark("math", 5000, "math/test.jsonl", Hub("DigitalLearningGmbH/MATH-lighteval"),
              worded("problem", ("answer", "solution")), k=1, verified=True),
    Benchmark("aime24", 30, "contest/aime24.jsonl", Hub("HuggingFaceH4/aime_2024", "train"),
              worded("problem", "answer"), k=64, r1_k=64, verified=True),
    Benchmark("aime25", 30, "contest/aime25.jsonl", Hub("math-ai/aime25"),
              worded(("problem", "question"), "answer"), k=64),
    Benchmark("amc23", 40, "contest/amc23.jsonl", Hub("math-ai/amc23"),
              worded(("problem", "question"), "answer"), k=16, verified=True),
    Benchmark("olympiadbench", 674, "contest/olympiadbench.jsonl",
              Hub("Hothan/OlympiadBench", "train", "OE_TO_maths_en_COMP"),
              listed(("question", "problem"), ("final_answer", "answer"))),
    Benchmark("minerva", 272, "minerva/test.jsonl", Hub("math-ai/minervamath"),
              worded(("question", "problem"), ("answer", "solution"))),
    Benchmark("svamp", 1000, "easy/svamp.jsonl", Hub("ChilleD/SVAMP"),
              forms.svamp, verified=True),
    Benchmark("mawps_singleop", 562, "easy/mawps_singleop.jsonl", None,
              worded("question", "answer"), verified=True),
    Benchmark("mawps_multiarith", 600, "easy/mawps_multiarith.jsonl", None,
              worded("question", "answer"), verified=True),
    Benchmark("mgsm_zh", 250, "zh/mgsm_zh.jsonl", Hub("juletxara/mgsm", subset="zh"),
              worded("question", ("answer_number", "answer")),
              style="maths_zh", language="zh", verified=True),
    Benchmark("cmath", 600, "zh/cmath_dev.jsonl", Hub("weitianwen/cmath", "validation"),
              worded("question", ("answer", "golden")),
              style="maths_zh", language="zh", verified=True),
    Benchmark("gaokao_cloze", 118, "zh/gaokao_cloze.jsonl", Hub("hails/agieval-gaokao-mathcloze"),
              worded(("question", "query"), "answer"), style="maths_zh", language="zh"),
    Benchmark("aqua", 254, "choice/aqua.jsonl", Hub("deepmind/aqua_rat", subset="raw"),
              choice("question", ("choices", "options"), ("answer", "correct")),
              reward="choice", style="choice", verified=True),
    Benchmark("mmlu", 14042, "choice/mmlu.jsonl", Hub("cais/mmlu", subset="all"),
              choice("question", "choices", "answer"), reward="choice", style="choice", k=1),
    Benchmark("mmlu_pro", 12032, "choice/mmlu_pro.jsonl", Hub("TIGER-Lab/MMLU-Pro"),
              choice("question", "options", ("answer", "answer_index")),
              reward="choice", style="choice", k=1),
    Benchmark("gpqa", 198, "choice/gpqa.jsonl", Hub("Idavidrein/gpqa", "train", "gpqa_diamond"),
              shuffled("Question", "Correct Answer",
                       ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")),
              reward="choice", style="choice", k=64, r1_k=64),
    Benchmark("humaneval", 164, "code/humaneval.jsonl", Hub("openai/openai_humaneval"),
              forms.humaneval, reward="code", reward_knobs={"stub": "prompt"}, style="code",
              verified=True),
    Benchmark("mbpp", 500, "code/mbpp.jsonl",
              Hub("google-research-datasets/mbpp", subset="full"),
              forms.mbpp, reward="code", reward_knobs={"tests": "test_list"}, style="code",
              verified=True),
)
# fmt: on

BENCHMARKS = {benchmark.name: benchmark for benchmark in TABLE}

SUITES = {
    "mawps": ("mawps_singleop", "mawps_multiarith"),
    "mgsm": ("mgsm_zh",),
}
"""Names that stand for others."""


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """The benchmarks called `names`, in that order.

    Raises UserError for none, an unknown name, and one that is named twice.
    """
    wanted = [one for name in names for one in SUITES.get(name, (name,))]
    if not wanted:
        raise UserError("no benchmark is named: --benchmarks gsm8k,math500; `grpo benchmarks`")
    for place, name in enumerate(wanted):
        if name not in BENCHMARKS:
            raise UserError(
                f"no benchmark is called {name!r}{did_you_mean(name, (*BENCHMARKS, *SUITES))}"
            )
        if name in wanted[:place]:
            raise UserError(f"benchmark {name!r} is named twice; once is enough")
    return [BENCHMARKS[name] for name in wanted]
