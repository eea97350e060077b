"""Measure how small an error may be that still fails: the sensitivity of each operation's checks.

All numbers of one quantity of the reference itself, an output or a gradient, are multiplied by ``1 + e`` and rounded to
the dtype. The smallest ``e`` for which the comparison with the noise floor fails is the sensitivity of that quantity.
It depends on the cases: where a quantity is well-conditioned in one of them, a small error shows. The published values
are in `sensitivity.txt` beside this module; a test fails where one has become twice as large. To renew them, replace
its rows by those of ``parity sweep --sensitivity``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

from parity.arrays import DTYPES, Array, numpy_defaults
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.comparison import difference
from parity.checks.noise import noise_floor
from parity.errors import choose, choose_all, names, whole_number
from parity.operations import OPERATIONS, find

TABLE = files("parity.checks") / "sensitivity.txt"
GRID: tuple[float, ...] = tuple(2.0 ** (-step / 4) for step in range(4 * 50, -1, -1))  # from 2^-50 to 1
SLACK = 2.0  # times a published value, above which a sensitivity has become worse


class Sensitivity(NamedTuple):
    """The smallest relative error of a quantity that fails on some case.

    Attributes:
        operation, dtype, quantity: an output, or a gradient such as "d_x".
        smallest: from 2^-50 to 1, in steps of a factor of 2^(1/4).
    """

    operation: str
    dtype: str
    quantity: str
    smallest: float


@dataclass(frozen=True)
class SensitivityTask:
    """The sensitivity of one operation in one dtype: a task whose results are `Sensitivity` tuples."""

    operation: str
    dtype: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.operation}-{self.dtype}"

    @property
    def group_key(self) -> tuple[str, ...]:
        return self.operation, self.dtype

    @property
    def cost(self) -> float:
        return 1.0

    def run(self) -> list[Sensitivity]:
        return sensitivity(self.operation, self.dtype, self.seed)

    def on_crash(self, reason: str) -> list[Sensitivity]:
        raise RuntimeError(f"{self}: {reason}")


def plan(operations: Iterable[str] = (), dtypes: Iterable[str] = (), seed: int = 0) -> list[SensitivityTask]:
    """List the tasks of some operations and dtypes; of all when none is named.

    Raises:
        InputError: an unknown name, or a wrong seed.
    """
    whole_number("seed", seed)
    chosen = choose_all("operation", names("operations", operations), OPERATIONS) or list(OPERATIONS)
    floats = [choose("dtype", name, DTYPES) for name in names("dtypes", dtypes)] or list(DTYPES)
    return [SensitivityTask(operation, dtype, seed) for operation in chosen for dtype in floats]


@numpy_defaults()
def sensitivity(operation: str, dtype: str, seed: int = 0) -> list[Sensitivity]:
    """Measure the sensitivity of all quantities of an operation, on the first lengths of each configuration.

    Quantities that are 0 everywhere, or no floats, have none.

    Raises:
        InputError: an unknown operation or dtype.

    >>> [(one.quantity, one.smallest < 1e-4) for one in sensitivity("pooling.mean", "float32")]
    [('y', True), ('d_x', True)]
    """
    choose("dtype", dtype, DTYPES)
    best: dict[str, float] = {}
    for config in find(operation).configurations:
        for lengths in config.lengths or lengths_of(config)[:1]:
            reference = noise_floor(sample_case(operation, config.name, lengths, dtype, seed))
            for quantity, expected in reference.expected.items():
                if expected.dtype.kind == "f" and expected.any():
                    failing = smallest_failing(expected, reference.floor[quantity], dtype)
                    best[quantity] = min(best.get(quantity, 1.0), failing)
    return [Sensitivity(operation, dtype, *found) for found in best.items()]


def smallest_failing(expected: Array, floor: Array, dtype: str) -> float:
    """Return the smallest relative error in `GRID` that the comparison with a floor does not accept, or 1."""

    def fails(error: float) -> bool:
        return difference("", (expected * (1 + error)).astype(dtype), expected, floor).failed

    return GRID[min(bisect_left(GRID, True, key=fails), len(GRID) - 1)]


def lines(found: Iterable[Sensitivity]) -> Iterator[str]:
    """Yield a line for each quantity of each operation: its sensitivity in every dtype, with two digits."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for one in found:
        rows.setdefault((one.operation, one.quantity), {})[one.dtype] = one.smallest
    for (operation, quantity), values in rows.items():
        numbers = (f"{values[dtype]:8.1e}" if dtype in values else f"{'-':>8}" for dtype in DTYPES)
        yield f"{operation:34} {quantity:18} {'  '.join(numbers)}".rstrip()


def published() -> dict[tuple[str, str, str], float]:
    """Return the published values by operation, quantity and dtype."""
    found: dict[tuple[str, str, str], float] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            operation, quantity, *numbers = line.split()
            found |= {(operation, quantity, d): float(n) for d, n in zip(DTYPES, numbers, strict=True) if n != "-"}
    return found


def ranges() -> dict[str, tuple[str, ...]]:
    """Return the range of each operation's published values, over its quantities, in each dtype.

    >>> ranges()["masking.sequence_mask"]
    ('2.3e-06', '4.2e-15')
    """
    found: dict[str, dict[str, list[float]]] = {}
    for (operation, _, dtype), value in published().items():
        found.setdefault(operation, {one: [] for one in DTYPES})[dtype].append(value)
    return {name: tuple(map(_range, values.values())) for name, values in found.items()}


def _range(values: list[float]) -> str:
    return " to ".join(dict.fromkeys(f"{end:.1e}" for end in (min(values), max(values))))
