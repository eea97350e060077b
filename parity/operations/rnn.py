"""Define recurrent layers in one direction."""

from __future__ import annotations

from parity.operations.recurrent import (
    OWN_GRADIENTS,
    REAL_STEPS_ONCE,
    UNMASKED_CELL_STATE,
    XLA_FAILURES,
    keras_lstm_rejects_empty_batch,
    recurrent_configurations,
)
from parity.operations.row import ExpectedFailure, Operation

STATIC_NEEDS_T = ExpectedFailure(
    "tensorflow.static",
    "*",
    "Cannot unroll a RNN if the time dimension is undefined",
    "an unrolled layer needs T when its graph is built, and this graph leaves T open",
    mode="graph",
    unless="same_for_known_sizes",
)
PYTORCH = (
    *("packed", "packed_sorted", "time_major", "padded", "padded_native"),
    *("stepwise", "bucketed", "real_steps", "auto"),
)
TENSORFLOW = ("masked", "static", "padded", "dynamic_rnn", "time_major", "stepwise", "bucketed", "packed")
UNMASKED = ("pytorch.padded", "pytorch.padded_native", "pytorch.bucketed", "pytorch.auto", "tensorflow.padded")


def _unidirectional(cell: str) -> Operation:
    pytorch = tuple(variant for variant in PYTORCH if variant != "padded_native")  # oneDNN has an LSTM only
    omits: dict[str, dict[str, str]] = {}
    failures: tuple[ExpectedFailure, ...] = (STATIC_NEEDS_T, REAL_STEPS_ONCE, *XLA_FAILURES)
    if cell == "lstm":
        pytorch = PYTORCH
        omits = dict.fromkeys(UNMASKED, UNMASKED_CELL_STATE)
        failures += keras_lstm_rejects_empty_batch("masked", "static", "padded", "bucketed")
    return Operation(
        f"rnn.{cell}",
        configurations=recurrent_configurations(cell),
        variants={"pytorch": pytorch, "tensorflow": TENSORFLOW},
        omits=omits,
        expected_failures=failures,
        own_gradients=OWN_GRADIENTS,
    )


ROWS = (_unidirectional("rnn"), _unidirectional("gru"), _unidirectional("lstm"))
