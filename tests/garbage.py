"""What a user might hand over by mistake: anything at all, or something right that is wrong in one place."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np

from parity import report
from parity.arrays import BFLOAT16
from parity.checks.check import Check
from parity.checks.result import STATUSES
from parity.checks.sweep import Tally, summary
from parity.divergences import DIVERGENCES, Trial
from parity.mutants import MUTANTS, Kill, Outcome
from parity.operations import OPERATIONS
from parity.report.entries import entries, mutants

# Sizes are small, or so large that nobody's memory would hold them: those between would be allocated in earnest.
WHOLE = st.integers(-3, 9) | st.sampled_from([-(2**63), 2**40, 2**62, 2**63, 2**64, 10**30, 10**400])
FLOATS = st.floats() | st.sampled_from([0.5, 1.0, 1e308, 1e-320])
NAMES = ["", "B", "x", "y", "ragged", "float32", "bfloat16", "reference", "rnn.lstm", ".", "\0", "\ud800", "{0}\n%s"]
TEXT = st.sampled_from(NAMES) | st.text(st.characters(exclude_characters="/~"), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)

DTYPES = "?", "i1", "i8", ">i8", "u8", "f2", "f4", "f8", "c8", "U2", "M8[s]", "m8[s]", "S1"
ARRAYS = arrays.arrays(
    st.sampled_from(DTYPES), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), fill=st.nothing()
)
ODD_ARRAYS = [
    np.array(None),
    np.array([3.0, 1.0], BFLOAT16),
    np.array([1, None]),
    np.array([[1], [1, 2]], object),
    np.zeros(2, "i4,f4"),
    np.zeros(2, "V2"),
    np.ones(3, np.longdouble),
    np.ma.masked_array([1, 2], [True, False]),
    np.ones((1,) * 64),
    np.lib.stride_tricks.as_strided(np.arange(9), (3, 3), (8, 8)),
]
ODD_NUMBERS = [
    1j,
    decimal.Decimal("NaN"),
    decimal.Decimal("1e999"),
    fractions.Fraction(10**400, 3),
    np.uint64(2**64 - 1),
    np.float16(3),
    np.bool_(True),
    np.timedelta64(3, "s"),
    np.timedelta64("NaT"),
    datetime.date(2026, 1, 1),
]
ODD_OBJECTS = [..., object(), object, print, json, slice(2), range(3), iter([1]), {1, 2}, b"ab", bytearray(b"ab")]
ODD = st.sampled_from([*ODD_ARRAYS, *ODD_NUMBERS, *ODD_OBJECTS, np.str_("x"), memoryview(b"ab")])
ANYTHING = st.recursive(
    JSON | ARRAYS | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(TEXT | WHOLE, inner),
    max_leaves=4,
)


@st.composite
def spoilt(draw: Any, right: Any, garbage: st.SearchStrategy[Any] = ANYTHING) -> Any:
    """``right``, replaced by garbage, or with garbage somewhere inside."""
    inside = right.size if isinstance(right, np.ndarray) else isinstance(right, Mapping | list | tuple) and len(right)
    if not inside or draw(st.integers(0, 3)) == 0:
        return draw(garbage)
    if isinstance(right, Mapping):
        return draw(_spoilt_mapping(dict(right), garbage))
    if isinstance(right, np.ndarray):
        return draw(_spoilt_array(right))
    at = draw(st.integers(0, len(right) - 1))
    return type(right)([*right[:at], *draw(_changed(right[at], garbage)), *right[at + 1 :]])


@st.composite
def _changed(draw: Any, item: Any, garbage: st.SearchStrategy[Any]) -> list[Any]:
    """Instead of one item: none, itself twice, or a spoilt one, which is most likely."""
    return {0: [], 1: [item, item]}.get(draw(st.integers(0, 5))) or [draw(spoilt(item, garbage))]


@st.composite
def _spoilt_mapping(draw: Any, right: dict[Any, Any], garbage: st.SearchStrategy[Any]) -> dict[Any, Any]:
    """A value spoilt, a key gone, or one too many."""
    kind, name = draw(st.integers(0, 5)), draw(st.sampled_from(list(right)))
    if kind == 0:
        return {other: value for other, value in right.items() if other != name}
    if kind == 1:
        return right | {draw(TEXT): draw(garbage)}
    return right | {name: draw(spoilt(right[name], garbage))}


@st.composite
def _spoilt_array(draw: Any, right: Any) -> Any:
    """Another dtype, another shape, another number in some place."""
    kind = draw(st.integers(0, 2))
    with np.errstate(all="ignore"):
        if kind == 0:
            return right.astype(draw(st.sampled_from([BFLOAT16, *(dtype for dtype in DTYPES if dtype != "M8[s]")])))
        if kind == 1:
            return draw(st.sampled_from([right[..., :-1], right[None], right.T, right.ravel(), right[:0], right[::-1]]))
        changed = right.astype(np.float64)
        changed[tuple(draw(st.integers(0, size - 1)) for size in right.shape)] = draw(FLOATS | st.integers(-3, 9))
        return changed.astype(right.dtype)


def small_record() -> dict[str, Any]:
    """What a run's report.json holds, with something in every part."""
    return json.loads(_small_record())  # type: ignore[no-any-return]


@cache
def _small_record() -> str:
    variants = dict(zip(STATUSES, OPERATIONS["rnn.lstm"].variants["pytorch"], strict=False))
    checks = {
        status: Check("rnn.lstm", "pytorch", name, "float32", "matches_reference") for status, name in variants.items()
    }
    numbers = {"score": 1.0, "limit": 64.0, "norm_score": 0.5, "norm_limit": 8.0, "max_abs_error": 1e-7, "compared": 9}
    said = {"quantity": "y", "scores": {"y": (1.0, 0.5)}, "worst_index": (0, 1), "reason": "off", **numbers}
    results = [check.result("eager", "one_layer/ragged", status, **said) for status, check in checks.items()]
    failure = checks["failed"].result("eager", "one_layer/ragged", "failed", **said)
    entry = DIVERGENCES["loss.denominator"]
    trials = [Trial(entry.name, framework, seen, stale="changed") for framework, seen in entry.seen.items()]
    settings = {"torch": "2.13.0", "threads": 2, "tf32": {"matmul": False}}
    of_curve = {"model": "model.tagger", "config": "lstm", "optimiser": "sgd", "settings": {"learning_rate": 0.2}}
    series = {"loss": [1.5, None], "distance": [1e-8, 2e-8]}
    curve = {**of_curve, "dtype": "float32", "seed": 0, "steps": 2, "loss": [1.5, 1.4], "envelope": [1e-8, 2e-8]}
    whole = report.record(
        [result.as_dict() for result in results],
        {"pytorch": settings},
        seed=4,
        seconds=1.5,
        planned=1,
        checked=1,
        divergences=entries(trials),
        training=[curve | {"frameworks": {"pytorch": series}}],
        mutants=mutants([Outcome(next(iter(MUTANTS)), "killed", by={"matches_reference": Kill("y", 2.5, "off")})]),
        sweep=summary([Tally("rnn.gru", "pytorch", "float32", [1.0], [0.5], checks=1, failed=[failure])], 0, 1),
    )
    return json.dumps(whole)
