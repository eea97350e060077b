"""The layers of a recording: what they receive and return, and their settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from parity.arrays import Array
from parity.models.side import Layer, Ran
from parity.models.tracing import TracedAxes, Tracer
from parity.pairs.alternatives import Alternative
from parity.pairs.elementwise import ELEMENTWISE, Elementwise
from parity.pairs.recorded import Recorded
from parity.pairs.recorded_format import RecordedLayer, RecordedSample, whole

OTHER_NAMES = {  # of activations
    "gelu": "exact gelu",
    "hard_sigmoid of Keras 3": "hard_sigmoid of Keras 3 and PyTorch",
    "leaky_relu": "leaky_relu with slope 0.2",
}


@dataclass(eq=False)
class RecordedTracer(Tracer):
    """The layers of a recorded run."""

    sample: tuple[RecordedSample, list[Array]] = None  # type: ignore[assignment]

    @cached_property
    def axes(self) -> TracedAxes:
        """Return the recorded axes of all that layers receive and return."""
        tensors = {
            f"{name}/{kind}/{key}": tensor
            for name, layer in self.sample[0].layers.items()
            for kind in ("inputs", "outputs")
            for key, tensor in getattr(layer, kind).items()
        }
        steps = {name: tensor.steps for name, tensor in tensors.items() if tensor.steps is not None}
        return TracedAxes({name: tensor.letters for name, tensor in tensors.items()}, steps)

    @cached_property
    def ran(self) -> Ran:
        """Return the outputs of the recorded run."""
        return Ran({name: self.sample[1][ref] for name, ref in self.sample[0].outputs.items()}, {}, {})

    @cached_property
    def calls(self) -> dict[str, Layer]:
        """Return the recorded layers in the order of their first calls."""
        return {name: self._layer(layer) for name, layer in self.sample[0].layers.items()}

    def _layer(self, layer: RecordedLayer) -> Layer:
        inputs, outputs = (
            {key: self.sample[1][tensor.array] for key, tensor in own.items()} for own in (layer.inputs, layer.outputs)
        )
        return Layer(layer.path, layer.kind, inputs, outputs, layer.mask_in, layer.mask_out)

    @cached_property
    def floors(self) -> Mapping[str, Mapping[str, Array]]:
        """Return the recorded noise floors, one number for each array."""
        return {
            name: {
                key: np.asarray([tensor.floor])
                for key, tensor in (layer.inputs | layer.outputs).items()
                if tensor.floor is not None
            }
            for name, layer in self.sample[0].layers.items()
        }


@dataclass(frozen=True, eq=False)
class RecordedLayers:
    """The settings of recorded layers, as the modules that change layers in a framework give them; none changes."""

    recorded: Recorded

    def activation_of(self, side: object, path: str) -> Callable[[Array], Array] | None:  # noqa: ARG002
        """Return the activation of a layer; None if it has none, or one that NumPy does not have here."""
        name = self.recorded.described.activations.get(path, "")
        found: Elementwise | None = ELEMENTWISE.get(OTHER_NAMES.get(name, name))
        return found

    def settings_of(self, side: object, path: str) -> dict[str, Any]:  # noqa: ARG002
        """Return the settings of a layer by their common names."""
        return {name: whole(value) for name, value in self.recorded.described.settings.get(path, {}).items()}

    def alternatives(self, *_: object) -> Iterator[Alternative]:
        """Yield nothing: it cannot run again."""
        return iter(())
