"""What each kind of reward claims: what it has to pay, must not pay, and must survive."""

from dataclasses import dataclass

from grpo_rewards.audit import answers, breaks, letters, styles
from grpo_rewards.audit.cases import Row
from grpo_rewards.audit.cheats import (
    BROKEN_LAYOUTS,
    HIDDEN_ANSWERS,
    HOSTILE,
    LOOPS,
    WRONG_ANSWERS,
    WRONG_CHOICES,
    WRONG_LANGUAGES,
    WRONG_PROGRAMS,
    Cheat,
)
from grpo_rewards.audit.layouts import (
    ANSWER,
    ANSWER_ALONE,
    BARE,
    BOXED,
    FENCED,
    FENCED_TAGS,
    HASHES,
    LINES,
    TAGS,
    THINK,
    Layout,
)
from grpo_rewards.audit.samples import CHOICES, MIXED, PROGRAMS


@dataclass(frozen=True)
class Suite:
    """What a kind of reward claims, as completions.

    The first of `pays` and the first of `refuses`, if there are any, set the standard: a completion
    counts as paid where it gets more than halfway from the second's median value to the first's.
    `layouts` are tried in this order. `rows` are the suite's own, beside the generators' where
    `on_world` is set. Where a reward `runs_programs`, a program's timeout is none of the reward.

    >>> Suite("the answer", (answers.gold,), (answers.wrong, answers.reversed_gold), (TAGS, BARE))
    """

    judges: str
    pays: tuple[Cheat, ...]
    refuses: tuple[Cheat, ...]
    layouts: tuple[Layout, ...]
    survives: tuple[Cheat, ...] = ()
    rows: tuple[Row, ...] = ()
    on_world: bool = True
    runs_programs: bool = False


SUITES: dict[str, Suite] = {
    "answer": Suite(
        "whether the final answer is right",
        pays=(answers.gold,),
        refuses=(*WRONG_ANSWERS, *HIDDEN_ANSWERS, *HOSTILE),
        layouts=(TAGS, BOXED, THINK, ANSWER, LINES, HASHES, BARE),
    ),
    "maths": Suite(
        "whether the final answer is right, however it is written",
        pays=(
            answers.gold,
            answers.boxed_gold,
            answers.gold_as_formula,
            answers.gold_in_a_phrase,
        ),
        refuses=(*WRONG_ANSWERS, *HIDDEN_ANSWERS, *HOSTILE),
        layouts=(TAGS,),
        rows=MIXED,
    ),
    "lenient": Suite(
        "whether the last answer of a text is right",
        pays=(answers.boxed_gold, answers.gold),
        refuses=(*WRONG_ANSWERS, *HOSTILE),
        layouts=(BARE,),
    ),
    "layout": Suite(
        "how a completion is laid out, whatever its answer",
        pays=(answers.gold, answers.wrong, breaks.many_lines, breaks.signs_in_thought),
        refuses=BROKEN_LAYOUTS,
        layouts=(THINK, ANSWER, ANSWER_ALONE, BOXED, TAGS, LINES),
        survives=HOSTILE,
    ),
    "language": Suite(
        "the language of the thought",
        pays=(styles.own_language, styles.own_language_with_formulas),
        refuses=WRONG_LANGUAGES,
        layouts=(TAGS,),
        survives=HOSTILE,
    ),
    "choice": Suite(
        "whether the right option is chosen",
        pays=(answers.gold, answers.boxed_gold, letters.bracketed_gold),
        refuses=(*WRONG_ANSWERS, *HIDDEN_ANSWERS, *WRONG_CHOICES, *HOSTILE),
        layouts=(TAGS, BOXED, BARE),
        rows=CHOICES,
        on_world=False,
    ),
    "code": Suite(
        "whether a program passes its tests",
        pays=(answers.gold,),
        refuses=(*WRONG_PROGRAMS, *HOSTILE),
        layouts=(FENCED_TAGS, FENCED, TAGS),
        rows=PROGRAMS,
        on_world=False,
        runs_programs=True,
    ),
    "brevity": Suite(
        "whether a right answer is short",
        pays=(styles.short,),
        refuses=(
            styles.far_too_long,
            answers.thought_alone,
            answers.empty_answer,
            answers.nothing,
        ),
        layouts=(TAGS,),
        survives=HOSTILE,
    ),
    "length": Suite(
        "the length alone",
        pays=(styles.short,),
        refuses=(styles.far_too_long,),
        layouts=(TAGS,),
        survives=HOSTILE,
    ),
    "repetition": Suite(
        "whether the text goes in a loop",
        pays=(styles.prose,),
        refuses=LOOPS,
        layouts=(TAGS,),
        survives=HOSTILE,
    ),
    "nothing": Suite(
        "nothing known; it is only asked for a value, in time",
        pays=(),
        refuses=(),
        layouts=(TAGS,),
        survives=(answers.gold, answers.wrong, answers.nothing, *HOSTILE),
    ),
}
"""By the word that `--judges` takes."""

CLAIMS = {
    "accuracy": "maths",
    "accuracy_lenient": "lenient",
    "choice": "choice",
    "code": "code",
    "format": "layout",
    "language_consistency": "language",
    "length": "brevity",
    "repetition": "repetition",
    "reward_model": "nothing",
    "soft_overlong": "length",
}
"""What each reward of the library claims; all others are held to "answer" unless told otherwise."""
