"""List all that could not be transferred at once, each with the nearest candidate and the line that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from parity.errors import InputError, printable
from parity.pairs.pairing import Group, Layers
from parity.pairs.units import Unit

TIED = "tie it here too"


class TransferError(InputError):
    """Weights cannot be transferred; the message has one line for each reason.

    Attributes:
        problems: the reasons.
        unequal: those that no choice of partners mends: no weights make the layers equal.
        layers: the first layers, of the source and of the target, that no weights make equal; "" for none.
    """

    def __init__(
        self, problems: Sequence[str], unequal: Sequence[str] = (), layers: tuple[str, str] = ("", "")
    ) -> None:
        self.problems, self.unequal, self.layers = list(problems), list(unequal), layers
        super().__init__("transfer_weights", f"{len(self.problems)} problems", "a partner for every layer with weights")

    def __str__(self) -> str:
        """Return all reasons, one a line."""
        lines = (f"  {printable(problem)}" for problem in self.problems)
        return "\n".join(["transfer_weights: nothing was transferred", *lines])


def leftovers(left: Group, sides: tuple[Layers, Layers], couples: Sequence[tuple[Unit, Unit]]) -> list[str]:
    """Return a line for each unit without partner.

    Args:
        left: the units of the source and of the target.
        sides: both models.
        couples: the pairs that were found, among which a unit of the right kind may have another partner.
    """
    found = []
    for number, own in enumerate(left):
        for unit in own:
            found.append(_without_partner(unit, number, left, sides, couples))
    return found


def _without_partner(
    unit: Unit, number: int, left: Group, sides: tuple[Layers, Layers], couples: Sequence[tuple[Unit, Unit]]
) -> str:
    side = ("source", "target")[number]
    calls = sides[number].observed.calls.get(unit.path, 0)
    called = f", called {calls} times" if calls > 1 else ""
    shapes = sides[number].runnable.model.numbering.shapes
    arrays = ", ".join(f"{name} {shapes[name]}" for name in sides[number].names_of(unit))
    text = f"{side}: {unit.described}{called} has no partner ({arrays})"
    near = nearest(unit, number, left)
    ignore = f"ignore=({unit.path or unit.name!r},)"
    if tied := [u for u in sides[1 - number].units if u.kind == "embedding" and u.size[::-1] == unit.size]:
        return f"{text}; `{tied[0].name}` may be used for it (tied weights): {TIED}"
    if near is None:
        taken = [theirs[1 - number] for theirs in couples if theirs[number].kind == unit.kind]
        other = f"; all of its kind there have one, such as `{taken[0].name}`" if taken else ""
        return f"{text}{other}: {ignore}"
    alike = near.kind == unit.kind and near.size == unit.size
    couple = (unit.path or unit.name, near.path or near.name)[:: 1 if number == 0 else -1]
    line = f"pairs={{{couple[0]!r}: {couple[1]!r}}} or " if alike else ""
    but = ", of other sizes" if near.kind == unit.kind else ", of another kind"
    return f"{text}; nearest: {near.described}{'' if alike else but}: {line}{ignore}"


def nearest(unit: Unit, number: int, left: Group) -> Unit | None:
    """Return the unit without partner on the other side that is most like one: in kind, sizes, place and name."""

    def likeness(other: Unit) -> tuple[bool, bool, float, float]:
        place = -abs(left[number].index(unit) - left[1 - number].index(other))
        same_numbers = sorted(unit.size) == sorted(other.size)
        name = SequenceMatcher(None, unit.path, other.path).ratio()
        return unit.kind == other.kind, same_numbers, name, place

    return max(left[1 - number], key=likeness, default=None)


def question(group: Group) -> str:
    """Return a line that asks which of several like layers stand for each other, with an answer to paste."""
    own, theirs = ([unit.path for unit in side] for side in group)
    answer = ", ".join(f"{a!r}: {b!r}" for a, b in zip(own, theirs, strict=False))
    names = f"{', '.join(f'`{unit.name}`' for unit in group[0])} and {', '.join(f'`{unit.name}`' for unit in group[1])}"
    return f"any of {names} may stand for each other ({group[0][0].kind}, none depends on another): pairs={{{answer}}}"
