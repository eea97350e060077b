"""How scores against the reference are distributed over many seeds: the measurement behind the noise floor's limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from parity import wings
from parity.cases import Case, draw
from parity.compare import compare
from parity.dtypes import DTYPES, FLOATS
from parity.errors import choose, names, of_kind
from parity.noise import noise_floor
from parity.operations import OPERATIONS, Operation

TRIED = ("ragged", "one_long", "one_sequence", "all_equal")  # one for each seed, in turn


@dataclass(frozen=True)
class Score:
    """One quantity of one run: its largest element and its norm, in noise floors."""

    wing: str
    dtype: str
    kind: str
    element: float
    norm: float
    where: str


def scores(dtype: str, seeds: range) -> Iterator[list[Score]]:
    """All scores, seed by seed: every operation, form and variant; TensorFlow as graphs, which agree with eager.

    Raises:
        InputError: an unknown dtype, or seeds that are no range; as soon as it is iterated over.
    """
    choose("dtype", dtype, FLOATS)
    for seed in of_kind("seeds", seeds, range, "a range, e.g. range(200)"):
        yield [score for row in OPERATIONS.values() for score in _of_row(row, dtype, seed)]


def _of_row(row: Operation, dtype: str, seed: int) -> Iterator[Score]:
    for form in row.forms:
        shape = "drawn" if form.data else TRIED[seed % len(TRIED)]
        case = draw(row.name, form.name, shape, dtype, seed)
        for wing in wings.FRAMEWORKS:
            for variant in row.variants[wing]:
                who = f"{wing}.{variant}"
                if not row.refusal(who, case.name, wings.MODES[wing][-1], dtype):
                    yield from _of_variant(case.keeping(set(case.cotangents) - set(row.omitted(who))), wing, variant)


def _of_variant(case: Case, wing: str, variant: str) -> Iterator[Score]:
    seen = wings.observe(case, wing, variant, wings.MODES[wing][-1])
    reference = noise_floor(case)
    for found in compare(seen.quantities, reference.expected, reference.floor):
        kind = "gradients" if found.quantity.startswith("d_") else "outputs"
        where = f"{case.operation} {variant} {case.name} seed {case.seed} {found.quantity}"
        yield Score(wing, case.dtype, kind, found.score, found.norm_score, where)


QUANTILES = (50, 99, 99.9, 100)


def table(found: list[Score]) -> list[list[str]]:
    """A row for each wing, dtype and kind: how many scores, quantiles of the element and of the norm, the worst."""
    groups: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
    for score in found:
        groups[score.wing, score.dtype, score.kind].append(score)
    rows = []
    for key, group in sorted(groups.items()):
        columns = [np.percentile([getattr(score, what) for score in group], QUANTILES) for what in ("element", "norm")]
        worst = max(group, key=lambda score: score.element)
        rows.append([*key, str(len(group)), *(f"{value:.2g}" for column in columns for value in column), worst.where])
    return rows


HEADER = [
    "wing",
    "dtype",
    "kind",
    "scores",
    *(f"{what} {q:g}%" for what in ("element", "norm") for q in QUANTILES),
    "worst",
]


def chosen(dtypes: list[str]) -> list[str]:
    """The dtypes asked for, or all.

    Raises:
        InputError: an unknown dtype, with the nearest right one.
    """
    return [choose("dtype", dtype, FLOATS) for dtype in names("dtypes", dtypes)] or list(DTYPES)
