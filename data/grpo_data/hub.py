"""Whether the hub can be reached, asked once and briefly.

Its own clients try again for half a minute before they say so. What they load is not touched here,
only whether they may go to the network for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

PATIENCE_S = 5.0
"""Seconds for the first answer of any kind."""


@contextmanager
def brief_hub(*modules: ModuleType) -> Iterator[str]:
    """Inside, a hub that cannot be reached is offline mode, to its client and to `modules` with a
    switch of their own: copies in its cache are still found, and nothing is tried again.

    Gives what is wrong with the hub, "" for nothing.
    """
    from huggingface_hub import constants

    fault = _fault()
    switches = (constants, *modules) if fault else ()
    before = [switch.HF_HUB_OFFLINE for switch in switches]
    for switch in switches:
        switch.HF_HUB_OFFLINE = True
    try:
        yield fault
    finally:
        for switch, was in zip(switches, before, strict=True):
            switch.HF_HUB_OFFLINE = was


def _fault() -> str:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        # Through the hub's own session, which knows the user's proxies.
        get_session().head(constants.ENDPOINT, timeout=PATIENCE_S)
    except Exception as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        return f"{constants.ENDPOINT} cannot be reached ({why})"
    return ""
