"""The registry: every kind of completion that a reward is tried on and should not pay.

To add a cheat, write its function in the file of its kind and give it a line here; which rewards
are held to which list says `grpo_rewards.audit.suites`.
"""

from collections.abc import Callable

from grpo_rewards.audit import answers, breaks, hostile, letters, programs, styles
from grpo_rewards.audit.cases import Question
from grpo_rewards.audit.layouts import Layout

Cheat = Callable[[Question, Layout], str | None]
"""Writes one completion for a question in a layout; None where that makes no sense."""

HOSTILE: tuple[Cheat, ...] = (
    hostile.power_tower,
    hostile.python_power,
    hostile.factorial,
    hostile.factorials,
    hostile.binomial,
    hostile.long_sum,
    hostile.exponent,
    hostile.many_digits,
    hostile.brackets,
    hostile.nested_braces,
    hostile.nested_fractions,
    hostile.many_boxes,
    hostile.many_tags,
    hostile.spaces,
    hostile.one_letter,
    hostile.nul_bytes,
    hostile.right_to_left,
    hostile.half_characters,
    hostile.python_code,
    hostile.sympy_code,
    hostile.division_by_zero,
)

# Refused wherever the answer is looked for.
WRONG_ANSWERS: tuple[Cheat, ...] = (
    answers.wrong,
    answers.gold_or_wrong,
    answers.counted_past,
    answers.range_around,
    answers.reversed_gold,
    answers.right_to_left_gold,
    answers.longer_number,
    answers.shorter_number,
    answers.near_miss,
    answers.other_sign,
    answers.sum_left_undone,
    answers.copied_question,
    answers.placeholder,
    answers.injection,
    answers.not_a_number,
    answers.tautology,
    answers.empty_answer,
    answers.invisible_answer,
    answers.thought_alone,
    answers.nothing,
    answers.several_boxes,
    answers.gold_block_first,
    answers.gold_before_thought,
)

# Refused besides by whoever pays a final answer alone.
HIDDEN_ANSWERS: tuple[Cheat, ...] = (
    answers.wrong_or_gold,
    answers.set_of_both,
    answers.counted_up,
    answers.bound,
    answers.gold_block_last,
    answers.gold_after_answer,
    answers.gold_in_thought,
    answers.gold_in_thought_only,
    answers.gold_in_comment,
    answers.gold_in_look_alike_tags,
    answers.gold_in_nested_tags,
    answers.gold_after_nul,
    answers.gold_repeated,
)

WRONG_CHOICES: tuple[Cheat, ...] = (
    letters.all_options,
    letters.options_joined,
    letters.letters_in_one,
    letters.options_copied,
    letters.all_of_them,
    letters.right_letter_denied,
    letters.letter_in_a_word,
    letters.letter_in_a_sentence,
    letters.letter_of_nothing,
)

WRONG_PROGRAMS: tuple[Cheat, ...] = (
    answers.wrong,
    answers.nothing,
    answers.thought_alone,
    answers.empty_answer,
    answers.placeholder,
    answers.injection,
    programs.exits_well,
    programs.leaves,
    programs.exits_when_called,
    programs.only_a_comment,
    programs.no_result,
    programs.prints_a_pass,
    programs.equals_everything,
    programs.raises_no_error,
    programs.another_unittest,
    programs.endless,
    programs.does_not_parse,
    programs.in_prose,
    programs.gold_in_thought,
    programs.gold_in_thought_only,
)

BROKEN_LAYOUTS: tuple[Cheat, ...] = (
    breaks.no_tags,
    answers.nothing,
    breaks.empty_thought,
    breaks.invisible_thought,
    breaks.no_thought,
    breaks.no_answer,
    breaks.empty_answer,
    breaks.invisible_answer,
    breaks.thought_not_closed,
    breaks.thought_not_opened,
    breaks.answer_not_closed,
    breaks.text_before,
    breaks.text_between,
    breaks.text_after,
    breaks.two_thoughts,
    breaks.two_answers,
    breaks.nested_thought,
    breaks.nested_answer,
    breaks.answer_in_thought,
    breaks.answer_first,
    breaks.capital_tags,
    breaks.spaced_tags,
    breaks.look_alike_tags,
    breaks.escaped_tags,
)

WRONG_LANGUAGES: tuple[Cheat, ...] = (
    styles.other_language,
    styles.other_language_own_answer,
    styles.other_language_own_code,
    styles.mostly_other_language,
    styles.third_language,
    styles.no_words,
    answers.nothing,
)

LOOPS: tuple[Cheat, ...] = (
    styles.looped_sentence,
    styles.looped_after_prose,
    styles.looped_word,
    styles.looped_in_capitals,
    styles.looped_answer,
)
