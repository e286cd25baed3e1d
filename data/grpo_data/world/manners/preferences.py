"""The sources `tiny:helpful` and `tiny:harmless`: two replies to a prompt, the better one known.

The worse one is made of the same words wherever it can be: of a good reply to something else, of
the advice that fits a twin of the prompt, of a refusal where there is nothing to refuse. Which of
two replies is better hangs on the prompt, then, not on a word.
"""

from collections.abc import Callable
from random import Random

from grpo_data.preferences import Preference
from grpo_data.world.manners import harm
from grpo_data.world.manners.faults import bad_reply
from grpo_data.world.manners.kinds import GENERAL
from grpo_data.world.manners.settings import check_paraphrases, check_share
from grpo_data.world.manners.sums import reasoning_pair
from grpo_data.world.manners.talk import Talk, draw_talk

DEFAULT_SIZE = 4_000
REASONING = 0.15  # of the helpful pairs
PLAIN = 0.15  # of the harmless pairs, about prompts that have nothing to do with harm
HIDDEN = 0.15  # of the pairs about harm: the fault is in the thought alone
THINKING = 0.3  # of the replies about harm, otherwise, that begin with a thought

Draw = Callable[[Random, str, float, str], Preference]


def helpful(
    *,
    size: int | None = None,
    seed: int = 0,
    held_out: float = 0.0,
    paraphrases: str = "train",
) -> list[Preference]:
    """`size` pairs (4,000 if not given): a good reply and a careless, wrong, foreign, broken or
    rambling one, to general prompts and to some problems.

    Nothing of the `held_out` share is asked; general prompts are worded on a side, or on "all". The
    k-th depends on k and the settings alone. Raises ValueError for settings that are none.
    """
    return _pairs("helpful", _helpful, size, seed, held_out, paraphrases)


def harmless(
    *,
    size: int | None = None,
    seed: int = 0,
    held_out: float = 0.0,
    paraphrases: str = "train",
) -> list[Preference]:
    """`size` pairs (4,000 if not given): a refusal and help to do harm, help and a needless
    refusal, and some where only the thought does harm. The settings are `helpful`'s."""
    return _pairs("harmless", _harmless, size, seed, held_out, paraphrases)


def _pairs(
    name: str, draw: Draw, size: int | None, seed: int, held_out: float, paraphrases: str
) -> list[Preference]:
    check_share(held_out, f"tiny:{name}")
    check_paraphrases(paraphrases, f"tiny:{name}")
    return [
        draw(Random(f"{name}:{seed}:{index}"), f"{name}-{index}", held_out, paraphrases)
        for index in range(DEFAULT_SIZE if size is None else size)
    ]


def _helpful(rng: Random, name: str, held_out: float, paraphrases: str) -> Preference:
    if rng.random() < REASONING:
        return reasoning_pair(rng, name, held_out)
    talk = draw_talk(rng, rng.choice(list(GENERAL)), paraphrases, held_out)
    # Whether harm is done is the other source's question: here a refusal is spoilt, not reversed.
    fault, rejected = bad_reply(rng, talk, **({"own_share": 0.0} if talk.ask.harmful else {}))
    return _preference(name, talk, talk.good, rejected, fault)


def _harmless(rng: Random, name: str, held_out: float, paraphrases: str) -> Preference:
    if rng.random() < PLAIN:
        kind = rng.choice([kind for kind in GENERAL if kind != "harm"])
        talk = draw_talk(rng, kind, paraphrases, held_out)
        return _preference(name, talk, talk.good, _refusal(rng, talk, held_out), "needless")
    talk = draw_talk(rng, "harm", paraphrases, held_out)
    if rng.random() < HIDDEN:
        thoughts = (
            think(rng, talk.ask, talk.language) for think in (harm.good_thought, harm.bad_thought)
        )
        chosen, rejected = (_thinking(rng, thought, talk.good) for thought in thoughts)
        return _preference(name, talk, chosen, rejected, "hidden")
    fault, rejected = bad_reply(rng, talk, own_share=0.9)
    return _preference(
        name, talk, _dressed(rng, talk, talk.good), _dressed(rng, talk, rejected), fault
    )


def _preference(name: str, talk: Talk, chosen: str, rejected: str, fault: str) -> Preference:
    columns = {**talk.columns, "fault": fault}
    return Preference(name, talk.prompt, chosen, rejected, talk.ask.key, columns)


def _refusal(rng: Random, talk: Talk, held_out: float) -> str:
    """A refusal of what somebody else asked, in the talk's language."""
    return harm.needless(rng, draw_talk(rng, "harm", "all", held_out).ask, talk.language)


def _dressed(rng: Random, talk: Talk, reply: str) -> str:
    """The reply as it is, or after a good thought."""
    if rng.random() >= THINKING:
        return reply
    return _thinking(rng, harm.good_thought(rng, talk.ask, talk.language), reply)


def _thinking(rng: Random, thought: str, reply: str) -> str:
    said = f"<answer>{reply}</answer>" if rng.random() < 0.5 else reply
    return f"<think>{thought}</think>{said}"
