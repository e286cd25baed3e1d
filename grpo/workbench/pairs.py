"""Preferences of a reward_model stage: read, split by what is asked, and shown as the reward shows.

At run time a reward model is given the question and the completion. So here: of a prompt of several
messages it sees the last of the user's.
"""

from collections.abc import Sequence
from functools import partial

from grpo.recipe.chain import Preferences
from grpo.recipe.stages import RewardModel
from grpo_data.preferences import Preference, load_preferences
from grpo_data.problem import is_held_out
from grpo_rewards.shown import Turns, conversation
from grpo_rewards.verdict import Sample


def read_pairs(stage: RewardModel) -> tuple[list[Preference], list[Preference]]:
    """(train, held out) of the stage's data and of what stands beside it.

    Pairs whose two sides are shown alike teach nothing and are in neither: those that differ in
    the thought alone, say, where only the answer is shown. Raises ValueError or FileNotFoundError
    for a source that cannot be read.
    """
    sources = [data for data in (stage.data, stage.beside) if data]
    splits = [_split(data, stage.part, stage.evaluate_pairs) for data in sources]
    return [one for train, _ in splits for one in train], [one for _, out in splits for one in out]


def _split(data: Preferences, part: str, most: int) -> tuple[list[Preference], list[Preference]]:
    """(train, at most so many held out) of one source, or of its two."""
    load = partial(load_preferences, split=data.split, subset=data.subset)
    train = _told_apart(load(data.path, limit=data.size, config=data.config), part)
    if data.held_out_path:
        held_out = load(data.held_out_path, limit=most, config=data.held_out_config)
        return train, _told_apart(held_out, part)
    sides: tuple[list[Preference], list[Preference]] = ([], [])
    for preference in train:
        sides[is_held_out(preference.key, data.held_out)].append(preference)
    return sides[0], sides[1][:most]


def shown(preferences: Sequence[Preference], part: str) -> tuple[list[Turns], list[Turns]]:
    """What the model sees of the (chosen, rejected) sides, in order."""
    asked = [_question(preference) for preference in preferences]
    chosen, rejected = (
        [
            conversation(Sample("", text, {"question": question}), part)
            for text, question in zip(texts, asked, strict=True)
        ]
        for texts in ([p.chosen for p in preferences], [p.rejected for p in preferences])
    )
    return chosen, rejected


def _told_apart(preferences: Sequence[Preference], part: str) -> list[Preference]:
    sides = zip(preferences, *shown(preferences, part), strict=True)
    return [preference for preference, chosen, rejected in sides if chosen != rejected]


def _question(preference: Preference) -> str:
    if isinstance(preference.prompt, str):
        return preference.prompt
    return next(turn["content"] for turn in reversed(preference.prompt) if turn["role"] == "user")
