"""Read what a call of `parity.check_function` asks for: the options of a function, and the checks that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from parity.arrays import FLOATS
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS
from parity.checks.own import PADDING_OUTPUTS, SIDES, Like, Own
from parity.checks.selection import plan
from parity.errors import InputError, a_function, choose, name_of, names, of_kind, reasons, whole_number
from parity.frameworks import FRAMEWORKS
from parity.functions.binding import Function, unmovable
from parity.functions.preparing import Prepared, prepared, prepared_like
from parity.operations import Configuration, Operation, find

NOT_WITH_LIKE = {  # and why
    "frameworks_agree": "matches_reference instead: `like` gives what is expected",
    "second_derivatives": "no second derivatives: `like` gives first ones only",
}
NOT_WITHOUT_GRADIENTS = {"second_derivatives": "contracts about outputs"}


def dtypes_of(dtype: str | Iterable[str]) -> list[str]:
    """Return the names of one dtype or of several."""
    expected = f"one or several of: {', '.join(FLOATS)}"
    try:
        several = [dtype] if isinstance(dtype, str) else names("dtype", dtype)
    except InputError as error:
        raise InputError("dtype", error.args[1], expected) from None
    if not several:
        raise InputError("dtype", "no name", expected)
    return [choose("dtype", one, FLOATS) for one in several]


def usual_contracts(like: bool = False) -> list[str]:
    """Return the contracts that a function is held to where none is named.

    Args:
        like: whether another function gives what is expected.
    """
    asked_for = [one for one in CONTRACTS.values() if one.takes_long or one.recorded or one.trained or one.of_variants]
    left_out = {*(one.name for one in asked_for), *(NOT_WITH_LIKE if like else ())}
    return [name for name in CONTRACTS if name not in left_out]


@dataclass(frozen=True)
class Asked:
    """The options of one call of `parity.check_function`.

    Attributes:
        own: what is asked of the function, without its calls.
        framework: of the function; empty if it has to be recognised.
        contracts: all that the operation promises when empty.
        like: gives what is expected; None for the reference.
        expected_failures: contract -> reason.
        config, lengths, mode, dtypes, seed: those of `parity.check_function`.

    Raises:
        InputError: a wrong name, or options that exclude each other.
    """

    row: Operation
    own: Own
    framework: str
    contracts: Sequence[str]
    like: Function | None
    expected_failures: Mapping[str, str]
    config: str
    lengths: str
    mode: str
    dtypes: Sequence[str]
    seed: int

    def __post_init__(self) -> None:
        if self.framework != "":
            choose("framework", self.framework, FRAMEWORKS)
        if self.like is not None:
            a_function("like", self.like)
        self._exclude(self.like is not None, "like=…", NOT_WITH_LIKE)
        self._exclude(not self.own.gradients, "gradients=False", NOT_WITHOUT_GRADIENTS)
        self.planned  # noqa: B018  # names are checked
        if not self.configs:
            config = next(one for one in self.row.configurations if self.config in ("", one.name))
            received = f"{self.own.side!r} for {self.row.name} ({config.name})"
            expected = f"'right': {unmovable(config)} has steps of the batch, and not of its sequences"
            raise InputError("side", received, expected)

    def _exclude(self, applies: bool, option: str, contracts: Mapping[str, str]) -> None:
        for contract in self.contracts if applies else ():
            if contract in contracts:
                raise InputError("contracts", f"{contract!r} with {option}", contracts[contract])

    @cached_property
    def planned(self) -> list[Check]:
        """List the checks of all variants, in the frameworks that are possible."""
        frameworks = [self.framework] if self.framework else FRAMEWORKS
        contracts = self.contracts or usual_contracts(self.like is not None)
        selection: dict[str, Any] = {"config": self.config, "lengths": self.lengths, "mode": self.mode}
        try:
            return plan([self.row.name], frameworks, (), self.dtypes, contracts, self.seed, full=True, **selection)
        except InputError as error:
            if error.argument != "contract":
                raise
            raise InputError("contracts", *error.args[1:]) from None

    @property
    def configs(self) -> list[Configuration]:
        """List the configurations that are tried."""
        asked = [one for one in self.row.configurations if self.config in ("", one.name)]
        return [one for one in asked if not self.own.is_moved(one) or not unmovable(one)]

    @property
    def notes(self) -> Iterator[str]:
        """Yield what is left out, and why."""
        for one in self.row.configurations:
            if self.config in ("", one.name) and one not in self.configs:
                yield f"{one.name} is not tried: {unmovable(one)} has steps of the batch, and not of its sequences"

    def prepared(self, function: Function, dtype: str, framework: str) -> Prepared:
        """Bind the function, and the one that gives what is expected, in a dtype.

        Raises:
            InputError: one of them cannot be called with the arguments of the operation.
            FrameworkUnavailable: a framework cannot be loaded.
        """
        ready = prepared(function, self.row, self.configs, framework, dtype, self.own, self.lengths, self.seed)
        if self.like is None:
            return ready
        able = [one for one in self.configs if one.name in ready.own.calls]
        other = prepared_like(self.like, self.row, able, ready.framework, dtype, ready.own, self.lengths, self.seed)
        name = type(self.like).__name__ if other.is_module else name_of(self.like)
        own = replace(
            other.own,
            calls={one: call for one, call in ready.own.calls.items() if one in other.own.calls},
            like=Like(name, other.framework, other.own.calls),
        )
        return replace(ready, own=own, notes=(*ready.notes, *(one for one in other.notes if one not in ready.notes)))

    def checks(self, ready: Prepared, name: str, dtype: str) -> list[Check]:
        """List the checks of a function in a dtype: one for each contract."""
        chosen = {
            one.contract: replace(one, variant=name, own=ready.own, full=False)
            for one in self.planned
            if (one.framework, one.dtype) == (ready.framework, dtype)
        }
        return list(chosen.values())


def asked_of(
    operation: str,
    framework: str,
    *,
    dtype: str | Iterable[str],
    contracts: Iterable[str],
    config: str,
    lengths: str,
    mode: str,
    omits: Iterable[str],
    min_length: int,
    padding_output: str,
    side: str,
    gradients: bool,
    refuses_empty: bool,
    like: Function | None,
    expected_failures: Mapping[str, str] | None,
    seed: int,
) -> Asked:
    """Check the arguments of `parity.check_function`, all but the function.

    Raises:
        InputError: a wrong argument.
    """
    row = find(operation)
    outputs = dict.fromkeys(output for one in row.configurations for output in one.outputs)
    own = Own(
        {},
        omits=tuple(choose("omits", output, outputs) for output in names("omits", omits)),
        min_length=whole_number("min_length", min_length),
        padding_output=choose("padding_output", padding_output, PADDING_OUTPUTS),
        side=choose("side", side, SIDES),
        gradients=of_kind("gradients", gradients, bool, "True or False"),
        refuses_empty=of_kind("refuses_empty", refuses_empty, bool, "True or False"),
    )
    expected = reasons("expected_failures", expected_failures, CONTRACTS)
    wanted, dtypes = names("contracts", contracts), dtypes_of(dtype)
    return Asked(row, own, framework, wanted, like, expected, config, lengths, mode, dtypes, seed)
