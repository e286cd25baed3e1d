"""The source `tiny:general`: greetings, questions about itself, instructions and requests to do
harm, each answered well, in plain text without tags.

It stands for the data that R1 put beside its reasoning chains for questions that need no thought.
"""

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from grpo_data.conversations import Conversation
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.settings import check_kinds, check_paraphrases, check_share
from grpo_data.world.manners.talk import draw_talk

DEFAULT_SIZE = 2_000
EVEN: Mapping[str, float] = MappingProxyType(dict.fromkeys(GENERAL, 1.0))


def conversations(
    *,
    size: int | None = None,
    seed: int = 0,
    held_out: float = 0.1,
    paraphrases: str = "train",
    kinds: Mapping[str, float] = EVEN,
) -> list[Conversation]:
    """`size` conversations (2,000 if not given) of `kinds`, each as often as its number against the
    others' (evenly, if not given), asking nothing of the `held_out` share, in wordings of a side or
    of "all". The k-th depends on k and the settings alone.

    Raises ValueError for a share outside [0, 1), for an unknown side and for unknown kinds.
    """
    check_share(held_out, "tiny:general")
    check_paraphrases(paraphrases, "tiny:general")
    check_kinds(kinds, "tiny:general")
    return [
        _conversation(index, Random(f"general:{seed}:{index}"), held_out, paraphrases, kinds)
        for index in range(DEFAULT_SIZE if size is None else size)
    ]


def _conversation(
    index: int, rng: Random, held_out: float, paraphrases: str, kinds: Mapping[str, float]
) -> Conversation:
    (kind,) = rng.choices(list(kinds), list(kinds.values()))
    talk = draw_talk(rng, kind, paraphrases, held_out)
    columns = {**talk.columns, "answer": talk.good}
    return Conversation(f"general-{index}", talk.prompt, talk.good, talk.ask.key, columns)
