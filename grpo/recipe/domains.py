"""What an rl stage's `domains` table shows to be wrong by itself.

Whether the problems are of these domains is seen when they are read; whether the rewards exist is
seen by `grpo.inputs`.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from grpo.recipe.chain import Domain
from grpo.recipe.paid import Paid

Table = Mapping[str, Domain]


def table_faults(table: Table) -> Iterator[tuple[str, str]]:
    """(key inside the stage, sentence) for each thing that is wrong with the table."""
    if not table:
        yield "domains", "names no domain; give each a line, or leave it out"
    elif all(domain.after > 0 for domain in table.values()):
        yield "domains", "nothing comes at step 0; give one domain `after: 0`"
    yield from _unpaid(table)
    yield from _shares(table)
    yield from _one_name_two_rewards(table)


def _unpaid(table: Table) -> Iterator[tuple[str, str]]:
    for name, domain in table.items():
        if not domain.rewards:
            sentence = "needs at least one reward, such as `rewards: {accuracy: 1.0}`"
            yield f"domains.{name}", sentence


def _shares(table: Table) -> Iterator[tuple[str, str]]:
    if (total := _given(table)) > 1:
        yield "domains", f"the shares are {float(total):g} in sum, and a step has 1 to give"
        return
    for name, domain in table.items():
        before = {other: one for other, one in table.items() if one.after <= domain.after}
        if domain.share is None and _given(before) == 1:
            sentence = "the others' shares leave nothing for it; give it a share, or lower theirs"
            yield f"domains.{name}", sentence


def _given(table: Table) -> Fraction:
    shares = [domain.share for domain in table.values() if domain.share is not None]
    return sum((Fraction(str(share)) for share in shares), Fraction(0))


def _one_name_two_rewards(table: Table) -> Iterator[tuple[str, str]]:
    """A name is one reward in one set of workers and one line of metrics."""
    seen: dict[str, tuple[str, Paid]] = {}
    for domain, line in table.items():
        for name, paid in line.rewards.items():
            other, first = seen.setdefault(name, (domain, paid))
            if paid.knobs != first.knobs:
                yield (
                    f"domains.{domain}.rewards",
                    f"{name!r} has other knobs in domain {other!r}; tell the two apart by what "
                    f"follows an @, as {name.partition('@')[0]}@{domain}",
                )
