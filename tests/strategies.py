"""Generate wrong input: anything at all, or something right that is wrong in one place."""

from __future__ import annotations

import copy
import datetime
import decimal
import fractions
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np

from parity.arrays import BFLOAT16
from parity.errors import FrameworkUnavailable, InputError

# Sizes are small, or too large for any memory: those between would be allocated.
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
    """Generate ``right`` replaced by garbage, or with garbage somewhere inside."""
    if _is_empty(right) or draw(st.integers(0, 3)) == 0:
        return draw(garbage)
    if isinstance(right, Mapping):
        return draw(_spoilt_mapping(dict(right), garbage))
    if isinstance(right, np.ndarray):
        return draw(_spoilt_array(right))
    at = draw(st.integers(0, len(right) - 1))
    return type(right)([*right[:at], *draw(_changed(right[at], garbage)), *right[at + 1 :]])


def _is_empty(right: Any) -> bool:
    """Tell whether there is nothing inside that could be spoilt."""
    if isinstance(right, np.ndarray):
        return right.size == 0
    return not isinstance(right, Mapping | list | tuple) or not right


@st.composite
def _changed(draw: Any, item: Any, garbage: st.SearchStrategy[Any]) -> list[Any]:
    """Replace one item by none, by itself twice, or by a spoilt one, which is most likely."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return []
    return [item, item] if kind == 1 else [draw(spoilt(item, garbage))]


@st.composite
def _spoilt_mapping(draw: Any, right: dict[Any, Any], garbage: st.SearchStrategy[Any]) -> dict[Any, Any]:
    """Generate it with a spoilt value, without a key, or with one too many."""
    kind, name = draw(st.integers(0, 5)), draw(st.sampled_from(list(right)))
    if kind == 0:
        return {other: value for other, value in right.items() if other != name}
    if kind == 1:
        return right | {draw(TEXT): draw(garbage)}
    return right | {name: draw(spoilt(right[name], garbage))}


@st.composite
def _spoilt_array(draw: Any, right: Any) -> Any:
    """Generate it with another dtype, another shape, or another number somewhere."""
    kind = draw(st.integers(0, 2))
    with np.errstate(all="ignore"):
        if kind == 0:
            return right.astype(draw(st.sampled_from([BFLOAT16, *(dtype for dtype in DTYPES if dtype != "M8[s]")])))
        if kind == 1:
            return draw(st.sampled_from([right[..., :-1], right[None], right.T, right.ravel(), right[:0], right[::-1]]))
        changed = right.astype(np.float64)
        changed[tuple(draw(st.integers(0, size - 1)) for size in right.shape)] = draw(FLOATS | st.integers(-3, 9))
        return changed.astype(right.dtype)


LIMITS: dict[type, list[Any]] = {  # values that a type may have, at its limits and beyond
    int: [0, 1, -1, 9, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, 10**309, 10**4000, 10**4400],
    float: [0.0, -0.0, 0.5, -1.0, 5e-324, 1e-30, 1e30, 1.7e308, -1.7e308, 2.0**53],
    str: [
        *("", " ", "passed", "failed", "skipped", "killed", "pytorch", "jax", "rnn.lstm", "trains_alike", "train", "T"),
        *("matches_reference", "pytorch.padded", "float64", "fill", ".", "x.", "\0", "\x1b[31m", "\u202e", "\u2028"),
        *("</script>", "<b>", "a|b", "`", "\n# one", "%0A::error::", "--output /", "x" * 5000, "9" * 5000),
    ],
}


@st.composite
def mutated(draw: Any, right: Any) -> Any:
    """Generate plain data that is changed in some places, mostly to another value of the same type."""
    made = copy.deepcopy(right)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(made))
        if not places:
            break
        parent, at = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["remove", "copy", "rename", "repeat", "shorten", "anything", *["limit"] * 6])):
            case "remove":
                del parent[at]
            case "copy":
                other, there = places[draw(st.integers(0, len(places) - 1))]
                parent[at] = copy.deepcopy(other[there])
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(LIMITS[str]))] = parent.pop(at)
            case "repeat" if isinstance(parent, list):
                parent[at:at] = [copy.deepcopy(parent[at])] * draw(st.sampled_from([1, 2, 50]))
            case "shorten" if isinstance(parent[at], list):
                del parent[at][draw(st.integers(0, len(parent[at]))) :]
            case "anything":
                parent[at] = draw(JSON)
            case _:
                parent[at] = draw(st.sampled_from([*LIMITS.get(type(parent[at]), LIMITS[float]), None, True, [], {}]))
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every collection inside with each of its keys or indices."""
    for at in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, at
        yield from _places(value[at])


@contextmanager
def any_digits() -> Iterator[None]:
    """Let integers of any number of digits be written."""
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(most)


@contextmanager
def rejected_in_one_sentence() -> Iterator[None]:
    """Check that a call succeeds, or raises an error with argument, value and expectation."""
    try:
        yield
    except InputError as error:
        message = str(error)
        assert re.fullmatch(r".+: got .+, expected .+", message), message
        assert message.isprintable(), message
        assert len(message) < 600, message
    except FrameworkUnavailable:
        pass
