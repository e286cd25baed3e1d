"""Sources that are computed by a function, named in a table and imported when one is asked for."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any


def is_generated(source: str, table: Mapping[str, str]) -> bool:
    """Whether `source` begins as those of `table` do ("tiny:"), known to it or not."""
    kind, colon, _ = source.partition(":")
    return bool(colon) and kind in {name.partition(":")[0] for name in table}


def generated(
    source: str, table: Mapping[str, str], limit: int | None, config: Mapping[str, Any]
) -> list[Any]:
    """What the function `module:name` that `table` has for `source` returns, called as
    `name(size=limit, **config)`.

    Raises ValueError for a source that is not in the table and a config the function does not take.
    """
    if source not in table:
        near = difflib.get_close_matches(source, table, n=1)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise ValueError(f"no generator {source!r}{hint}; there are {', '.join(table)}.")
    if "size" in config:
        raise ValueError(f"{source}: config holds a size; how many are drawn is data.size.")
    module, _, function = table[source].partition(":")
    generate: Callable[..., list[Any]] = getattr(importlib.import_module(module), function)
    try:
        inspect.signature(generate).bind(size=limit, **config)
    except TypeError as error:
        raise ValueError(f"{source}: its config does not fit: {error}.") from error
    return generate(size=limit, **config)
