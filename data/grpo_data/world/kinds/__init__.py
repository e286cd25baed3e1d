"""The kinds of worded problem, one file each, and the one table of them."""

from collections.abc import Callable
from random import Random

from grpo_data.world.case import Case
from grpo_data.world.kinds import chain, compare, larger, shop, story

KINDS: dict[str, Callable[[Random], Case]] = {
    "chain": chain.draw,
    "story": story.draw,
    "shop": shop.draw,
    "compare": compare.draw,
    "larger": larger.draw,
}
