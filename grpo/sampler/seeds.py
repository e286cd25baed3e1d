"""Seeds: every completion of a run has noise of its own, found by counting and never by drawing.

No state is kept: a run that is resumed asks for the same numbers and gets the same noise.
"""

from hashlib import blake2b


def request_seed(
    run_seed: int, step: int, problem_id: str, sample: int, purpose: str = "rollout"
) -> int:
    """The seed of one completion, in [0, 2**63).

    `purpose` keeps uses apart that may share the other four, such as "rollout", "eval", "parity".

    >>> request_seed(0, 12, "mawps-77", 3) == request_seed(0, 12, "mawps-77", 3)
    True
    >>> request_seed(0, 12, "mawps-77", 3) == request_seed(0, 12, "mawps-77", 4)
    False
    """
    # repr quotes the texts, so that no two different tuples spell the same bytes.
    key = repr((int(run_seed), int(step), str(problem_id), int(sample), str(purpose)))
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") >> 1
