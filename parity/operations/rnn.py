"""Recurrent layers."""

from __future__ import annotations

from parity.operations.recurrent import (
    UNMASKED_CELL_STATE,
    XLA_FAILS,
    keras_lstm_needs_a_row,
    recurrent_configurations,
)
from parity.operations.row import ExpectedFailure, Operation

STATIC_NEEDS_T = ExpectedFailure(
    "tensorflow.static",
    "*",
    "Cannot unroll a RNN if the time dimension is undefined",
    "an unrolled layer needs T when its graph is built, and this graph leaves T open",
    mode="graph",
)


def _unidirectional(cell: str) -> Operation:
    lstm = cell == "lstm"
    unmasked = ("pytorch.padded", "pytorch.padded_native", "pytorch.bucketed", "tensorflow.padded")
    onednn = ("padded_native",) if lstm else ()  # oneDNN has no other cell
    return Operation(
        f"rnn.{cell}",
        configurations=recurrent_configurations(cell),
        variants={
            "pytorch": (
                "packed",
                "packed_sorted",
                "time_major",
                "padded",
                *onednn,
                "stepwise",
                "bucketed",
                "real_steps",
            ),
            "tensorflow": (
                "masked",
                "static",
                "padded",
                "dynamic_rnn",
                "time_major",
                "stepwise",
                "packed",
                "bucketed",
            ),
        },
        omits=dict.fromkeys(unmasked, UNMASKED_CELL_STATE) if lstm else {},
        expected_failures=(
            STATIC_NEEDS_T,
            *XLA_FAILS,
            *(keras_lstm_needs_a_row("masked", "static", "padded", "bucketed") if lstm else ()),
        ),
    )


ROWS = tuple(_unidirectional(cell) for cell in ("rnn", "gru", "lstm"))
