"""Run two paired layers alone, on the same input in float64, and compare what they return."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.arrays import Array
from parity.errors import INTERRUPTS, first_lines, message_of
from parity.pairs.units import Unit

STEPS = 13  # more than the width of a usual kernel


def difference_alone(
    own: Unit, theirs: Unit, values: tuple[Mapping[str, Array], Mapping[str, Array]]
) -> tuple[float | None, str]:
    """Return the largest difference of two layers, relative to the largest number, or why they were not tried.

    Activations that follow a dense layer or a convolution are left out: they may be a step of their own elsewhere.

    Args:
        own, theirs: the layers.
        values: the arrays of both models by name, in float64.
    """
    if own.alone is None or theirs.alone is None:
        return None, "it cannot be run alone"
    try:
        given = example(own)
        left, right = (np.asarray(unit.alone(each, given)) for unit, each in zip((own, theirs), values, strict=True))  # type: ignore[misc]
    except INTERRUPTS:
        raise
    except Exception as error:  # a layer that takes something else
        return None, f"alone, it raised {first_lines(message_of(error))}"
    if left.shape != right.shape:
        return float("inf"), f"alone, it returns shape {left.shape} here and {right.shape} there"
    return float(np.max(np.abs(left - right), initial=0.0) / max(np.max(np.abs(left), initial=0.0), 1e-300)), ""


def example(unit: Unit) -> dict[str, Array]:
    """Return inputs for a layer, with channels last."""
    rng = np.random.default_rng(16)
    size, kind = unit.size, unit.kind
    if kind == "embedding":
        return {"ids": rng.integers(0, size[0], (2, 9))}
    if kind == "attention":
        return {
            name: rng.standard_normal((2, 5 + (name != "query"), own))
            for name, own in zip(("query", "key", "value"), size, strict=False)
        }
    if kind.startswith("conv_transpose"):
        return {"x": rng.standard_normal((2, *[STEPS] * (len(size) - 3), size[-2]))}
    if kind.startswith("conv"):
        return {"x": rng.standard_normal((2, *[STEPS] * (len(size) - 3), size[-3] * size[-1]))}
    if kind in ("layer_norm", "rms_norm"):
        return {"x": rng.standard_normal((2, 3, *size))}
    if kind == "prelu" and size == (1,):
        return {"x": rng.standard_normal((2, 5, 3))}
    return {"x": rng.standard_normal((2, 3, size[0]))}
