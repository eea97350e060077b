"""Define layers over windows with a stride: their outputs have fewer steps than their inputs, and other lengths.

The outputs keep the axis T, and are zero beyond their own lengths, which are an output too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.alignment import sample_label_counts, sample_labels
from parity.operations.row import FAR, OF_ALL_SIZES, Configuration, ExpectedFailure, Input, Operation

LENGTHS = {"y_lengths": "B"}


def _conv1d(name: str, kernel: str, features: str = "D", hidden: str = "H", **options: int) -> Configuration:
    inputs = {
        "x": Input(f"BT{features}"),
        "w": Input(kernel, scale=0.5, fan_in="D" if "D" in kernel else ""),
        "bias": Input(hidden),
    }
    options = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | options
    return Configuration(name, inputs, {"y": f"BT{hidden}"} | LENGTHS, options, discrete=("y_lengths",))


def _tried_with(config: Configuration, *lengths: str) -> Configuration:
    return config.with_options(config.name, *lengths)


def _pool(name: str, offset: float = 0.0, aborts: str = "", **options: int | bool) -> Configuration:
    # windows of zeros: the first of equal values is the largest
    inputs = {"x": Input("BTD", padding_like=0.3, offset=offset)}
    discrete = ("y_lengths",)
    return Configuration(
        name, inputs, {"y": "BTD"} | LENGTHS, options, discrete=discrete, aborts_without_sequences=aborts
    )


def _max_pool(name: str, **options: int) -> Configuration:
    """Return a configuration that gives a user's function in TensorFlow no empty batch: the layer's gradient aborts.

    See https://github.com/tensorflow/tensorflow/issues/126128.
    """
    return _pool(name, offset=FAR, aborts="tensorflow", **options)


def _ctc(name: str, kernel: int, stride: int, padding: int) -> Configuration:
    def fitting(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
        """Sample counts of labels that fit the steps behind the stride; in short sequences, one more or less too."""
        return sample_label_counts(rng, np.maximum((lengths + 2 * padding - kernel) // stride + 1, 0), size)

    return Configuration(
        name,
        inputs={
            "x": Input("BTD"),
            "targets": Input("BS", below="C", lengths="target_lengths", sample=sample_labels),
            "target_lengths": Input("B", up_to="S", sample=fitting),
            "w": Input(f"{kernel}DC", fan_in="D"),
            "bias": Input("C"),
        },
        outputs={"loss": "B", "logit_lengths": "B"},
        options={"stride": stride, "padding": padding},
        discrete=("logit_lengths",),
        stepwise=True,
        first_derivatives_only="neither PyTorch nor TensorFlow nor the reference differentiates the gradient of CTC",
    )


ROWS = (
    Operation(
        "strided.conv1d",
        configurations=(
            _conv1d("stride_2", "3DH", stride=2),
            _conv1d("dilated", "3DH", stride=3, dilation=2, padding=2),
            _tried_with(_conv1d("even_kernel", "4DH", stride=2, padding=1), *OF_ALL_SIZES, "narrow"),
            _tried_with(_conv1d("dilated_only", "2DH", dilation=3), *OF_ALL_SIZES, "descending"),
            _tried_with(_conv1d("three_groups", "326", "6", "6", padding=1, groups=3), *OF_ALL_SIZES, "descending"),
            _tried_with(
                _conv1d("depthwise", "514", "4", "4", stride=2, padding=2, groups=4), *OF_ALL_SIZES, "ascending"
            ),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
    Operation(
        "strided.max_pool",
        configurations=(
            _max_pool("by_two", kernel=2, stride=2, padding=0),
            _max_pool("overlapping", kernel=3, stride=2, padding=1),
            _tried_with(_max_pool("with_gaps", kernel=2, stride=3, padding=0), *OF_ALL_SIZES, "descending"),
            _tried_with(_max_pool("every_step", kernel=4, stride=1, padding=1), *OF_ALL_SIZES, "narrow"),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("slices",)},
    ),
    Operation(
        "strided.average_pool",
        configurations=(
            _pool("of_all", kernel=3, stride=2, padding=1, count_padding=True),
            _pool("of_real_steps", kernel=3, stride=2, padding=1, count_padding=False),
            _tried_with(
                _pool("by_two", kernel=2, stride=2, padding=0, count_padding=False), "descending", *OF_ALL_SIZES
            ),
            _tried_with(_pool("wide", kernel=5, stride=3, padding=2, count_padding=False), "ascending", *OF_ALL_SIZES),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
    Operation(
        "strided.ctc",
        configurations=(
            _ctc("by_two", kernel=3, stride=2, padding=1),
            _tried_with(_ctc("by_three", kernel=4, stride=3, padding=0), "descending", "ascending"),
        ),
        variants={"pytorch": ("ctc_loss",), "tensorflow": ("forward_algorithm",)},
        expected_failures=(
            ExpectedFailure(
                "pytorch.ctc_loss", "*/[!n]*", "not implemented for", "no ctc_loss in 16 bits", dtype="*float16"
            ),
        ),
    ),
)
