"""Where torch's own time goes: a traced step's operators by phase and kind.

Tracing costs time of its own, most where operators are small: read the shares, not the seconds.
"""

import bisect
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

PHASE = "phase:"
KINDS = (
    ("attention", r"attention|flash"),
    ("cache of keys and values", r"reshape_and_cache|concat_and_cache"),
    ("experts", r"moe|grouped"),
    ("products", r"mm\b|mm_|bmm|linear|gemm|matmul|einsum|mkldnn|onednn"),
    ("optimizer", r"adam|_foreach|Optimizer|clip"),
    ("softmax and draws", r"softmax|exponential|multinomial|argmax|topk|sort|cumsum"),
    ("norms and activations", r"norm|silu|gelu|rotary|sigmoid"),
    ("sums and products of elements", r"::(mul|add|sub|div|pow|exp|neg|rsqrt|mean|sum|lerp|addc)"),
    ("copies and layout", r"copy|clone|cat|contiguous|index|gather|scatter|to_copy|fill|zero|pad"),
)
OUTSIDE = "Python, and waiting"


def by_kind(profile: Any) -> dict[tuple[str, str], float]:
    """Seconds by (phase, kind) of a finished torch profile whose phases are ranges `phase:NAME`.

    What of a phase's wall-clock time no operator of its thread had is `OUTSIDE`.
    """
    events = [event for event in profile.events() if event.device_type.name == "CPU"]
    ranges = sorted(_ranges(events))
    starts = [start for start, *_ in ranges]
    found: dict[tuple[str, str], float] = defaultdict(float)
    for start, end, name, _ in ranges:
        found[name, OUTSIDE] += (end - start) / 1e6
    for event in events:
        at = bisect.bisect_right(starts, event.time_range.start) - 1
        if event.name.startswith(PHASE) or at < 0 or event.time_range.start >= ranges[at][1]:
            continue
        phase, thread = ranges[at][2:]
        seconds = event.self_cpu_time_total / 1e6
        found[phase, _kind(event.name)] += seconds
        if event.thread == thread:
            found[phase, OUTSIDE] -= seconds
    return dict(found)


def _ranges(events: list[Any]) -> Iterator[tuple[float, float, str, int]]:
    """Start, end (microseconds), name and thread of every phase."""
    for event in events:
        if event.name.startswith(PHASE):
            span = event.time_range
            yield span.start, span.end, event.name.removeprefix(PHASE), event.thread


def _kind(operator: str) -> str:
    return next((kind for kind, marks in KINDS if re.search(marks, operator)), "other operators")
