"""An ONNX model as one of both models of a pair: forward only, judged by the noise floor of the other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, cast

import numpy as np

from parity.errors import FrameworkUnavailable, InputError, cause
from parity.models.binding import TARGETS
from parity.models.floors import Floors, noise_floor
from parity.models.layouts import Layout
from parity.models.observing import Quantities, View
from parity.models.sequences import Inputs
from parity.models.transformations import Setting
from parity.pairs.halves import DOUBLE, SINGLE, Half, Options
from parity.pairs.running import Weights

ENDING = ".onnx"
NEEDS_GRADIENTS = ("zero_gradient_at_padding",)


def is_onnx(model: object) -> bool:
    """Tell whether a model is the name of an ONNX file, or its bytes.

    >>> is_onnx("tagger.onnx"), is_onnx("folder/of/a/recording")
    (True, False)
    """
    return isinstance(model, bytes) or (isinstance(model, str | os.PathLike) and str(model).lower().endswith(ENDING))


@dataclass(eq=False)
class OnnxHalf(Half):
    """An ONNX model on the left or on the right; ``other`` is the other side."""

    is_whole: ClassVar[bool] = True
    other: Half | None = None

    @classmethod
    def of(cls, name: str, model: Any, inputs: Inputs, options: Options) -> OnnxHalf:
        """Return an ONNX model as a side of a pair.

        Raises:
            InputError: it cannot be loaded, or does not run on the inputs.
            FrameworkUnavailable: ONNX Runtime is not installed.
        """
        if options.training:
            raise InputError("training", "True for an ONNX model", "False")
        try:
            module: Any = import_module("parity.models.onnx_side")
        except ImportError as error:
            why = f"ONNX Runtime cannot be loaded ({cause(error)}); pip install 'padding-parity[onnx]'"
            raise FrameworkUnavailable(why) from error
        given = model if isinstance(model, bytes) else os.fspath(model)
        names = [one for one in inputs.arrays if options.loss is None or one not in TARGETS]
        side = module.OnnxSide(given, name, names, options.call, options.outputs)
        return cls(name, side, cast(Weights, None), DOUBLE, guessed=side.guessed)

    @property
    def caveat(self) -> str:
        """Say what cannot be had of it."""
        version = import_module("parity.models.onnx_side").VERSION
        lacking = "gradients or layers" if self.wide == DOUBLE else "gradients, layers or float64"
        return f"{self.name}: an ONNX model, run by ONNX Runtime {version}, without {lacking}"

    @property
    def framework(self) -> Any:
        """Return nothing: it has no layers to be changed."""
        return None

    def check(self, seeds: int, dtype: str, steps: int) -> None:  # noqa: ARG002
        """Check that it is not to be trained.

        Raises:
            InputError: it is.
        """
        if steps:
            raise InputError("steps", f"{steps} with an ONNX model", "0: it cannot be trained")

    def recognise(self, inputs: Inputs) -> None:
        """Find the axes of all outputs."""
        try:
            super().recognise(inputs)
        except InputError:
            raise
        except Exception as error:  # of the kinds that ONNX Runtime raises, few are documented
            expected = "inputs=parity.inputs(…) on which it runs"
            raise InputError(self.name, f"an ONNX model that raised {cause(error)}", expected) from error

    def measure(self, inputs: Inputs) -> None:
        """Read its precision off the dtypes of its outputs."""
        found = self.observed(self.setting(inputs, 0, DOUBLE))
        floats = [array.dtype for array in found.values() if array.dtype.kind == "f"]
        self.wide = DOUBLE if all(dtype == np.float64 for dtype in floats) else SINGLE

    def floors_by(self, setting: Setting, others: Floors) -> Floors:
        """Observe it, with the response of the other side to noise."""
        expected = self.observed(setting)
        return Floors(expected, {name: others.response[name] for name in expected if name in others.response})

    def declined(self, contracts: Sequence[str]) -> dict[str, str]:
        """Return the contracts that cannot be tried on it, with the reason."""
        if not cast(Half, self.other).runs:
            reason = f"{self.name} is an ONNX model beside a recording, of which no other batch has a noise floor"
            return dict.fromkeys(contracts, reason)
        reason = f"{self.name} is an ONNX model, which has no gradients"
        return {name: reason for name in contracts if name in NEEDS_GRADIENTS}

    def lend(self) -> None:
        """Let its contracts be judged by the noise floor of the other side, on what is compared."""
        side: Any = self.side
        side.only, side.response = set(self.names), self._response

    def _response(self, view: View, layouts: Sequence[Layout]) -> Quantities:
        """Return the response of the other side to noise, by the names of its own outputs."""
        other = cast(Half, self.other)
        names, steps = other.names, other.steps
        given = (view.inputs, view.sequences, other.axes, other.wide, view.seed)
        borrowed = View(other.side, *given, steps=steps, names=names, differentiated=False)
        found = noise_floor(borrowed, layouts, other.wide).response
        return {own: found[label] for own, label in self.names.items() if label in found}
