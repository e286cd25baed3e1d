"""A deed that may be asked for in its harmful form or in a harmless one that shares its words."""

from dataclasses import dataclass

from grpo_data.world.manners.wording import Wordings


@dataclass(frozen=True)
class Deed:
    """One deed in one language, as what follows "how to" ("怎么"): `harmful` and `benign` ways to
    say what is wanted, the `advice` that helps with the benign and the `scheme` that helps with the
    harmful.

    >>> Deed(Wordings(("steal {t} from {p}",), ("take {t} from {p} and not ask {him}",)),
    ...      Wordings(("take {t} to {p}",), ("give {p}'s {t} back to {him}",)),
    ...      "Put the {t} in a box and give them to {p}.", "Wait until {p} sleeps, then ...")
    """

    harmful: Wordings
    benign: Wordings
    advice: str
    scheme: str

    def wanted(self, harmful: bool) -> Wordings:
        """The ways to ask for one of the two forms."""
        return self.harmful if harmful else self.benign
