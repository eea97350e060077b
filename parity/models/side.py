"""Define how a model of a user's is run and observed, whatever its framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from parity.arrays import Array


@dataclass(frozen=True, eq=False)
class Layer:
    """One call of a layer in a traced run.

    Attributes:
        path: where the layer is in the model, such as "encoder.conv"; "#2" is added for its second call.
        kind: its class.
        inputs, outputs: its float tensors by name.
        mask_in, mask_out: whether it received a mask, and passed one on, in Keras.
    """

    path: str
    kind: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    mask_in: bool = False
    mask_out: bool = False


@dataclass(frozen=True, eq=False)
class Ran:
    """The outcome of one run.

    Attributes:
        outputs: by name.
        gradients: of each parameter, by name; 0 where nothing depends on it.
        input_gradients: of each float input, by name.
        loss: that of the user, if there is one.
        layers: in the order in which they returned, if they were traced.
        modified: the inputs that the model wrote to.
    """

    outputs: Mapping[str, Array]
    gradients: Mapping[str, Array]
    input_gradients: Mapping[str, Array]
    loss: float | None = None
    layers: tuple[Layer, ...] = ()
    modified: tuple[str, ...] = ()


@dataclass(frozen=True)
class Noise:
    """A perturbation of inputs, weights and, if ``inside``, what is computed on the way, by ``step``, up or down."""

    step: float
    seed: int
    inside: bool = True


Cotangent = Callable[[str, tuple[int, ...]], Array]

COMPILED = "compiled"  # the mode of torch.compile, and of XLA


class Side(Protocol):
    """A model in one framework. A run leaves it, and the state of the process, as they were.

    Attributes:
        framework, name: of the model.
        device: on which it runs, "cpu" or "cuda".
        read: what it has read of batches so far.
        whole_masks: whether masks are whole numbers instead of booleans.
        training: whether layers are in the mode of training.
        narrow: the narrowest dtype below float32 in which something was computed, as by autocast; empty if none was.
        is_of_sequences: whether its loss is known to be one of whole sequences, such as CTC.
        leaves_out: whether the model would have entered autocast, and was not let to.
        factory: makes another model of the same kind, if a function without arguments was given.
        response: takes a view and layouts, and returns the response to noise of what stands in for the model, if that
            has none of its own.
    """

    response: Callable[..., Mapping[str, Array]] | None
    factory: Callable[[], Any] | None
    framework: str
    name: str
    device: str
    read: set[str]
    whole_masks: bool
    training: bool
    narrow: str
    leaves_out: bool
    is_of_sequences: bool

    @property
    def has_loss(self) -> bool: ...

    def take_as_loss(self, output: str) -> None:
        """Let an output be the loss."""

    @property
    def modes(self) -> tuple[str, ...]:
        """Return the names of all ways to run it; the first has gradients and is the default."""

    def run(
        self,
        batch: Mapping[str, Array],
        cotangent: Cotangent | None,
        *,
        dtype: str,
        noise: Noise | None = None,
        traced: bool = False,
        mode: str = "",
        seed: int = 0,
    ) -> Ran:
        """Run the model on a batch.

        Args:
            batch: arrays by name.
            cotangent: returns that of an output from its name and shape; None for a run without gradients.
            dtype: that of floats.
            noise: what to perturb.
            traced: whether layers are observed.
            mode: one of `modes`, or `COMPILED`.
            seed: of the framework's random numbers.
        """

    def weights(self) -> list[tuple[str, Array]]:
        """Return the names and values of all weights, in the dtypes that they have."""

    def load(self, weights: Sequence[Array]) -> None:
        """Let the model run with other weights, in the order of `weights`; the user's own model keeps its own."""

    def dropouts(self) -> list[str]:
        """Return the paths of layers that are random in the mode of training."""

    def batch_norms(self) -> list[str]:
        """Return the paths of layers that couple the rows of a batch in the mode of training."""
