"""Recurrent layers."""

from __future__ import annotations

from parity.operations.recurrent import UNMASKED_CELL_STATE, keras_lstm_needs_a_row, recurrent_forms
from parity.operations.row import Operation


def _unidirectional(cell: str) -> Operation:
    lstm = cell == "lstm"
    unmasked = ("pytorch.padded", "pytorch.padded_native", "pytorch.bucketed", "tensorflow.padded")
    native = ("padded_native",) if lstm else ()  # oneDNN has no other cell
    return Operation(
        f"rnn.{cell}",
        forms=recurrent_forms(cell),
        variants={
            "pytorch": ("packed", "packed_sorted", "padded", *native, "stepwise", "bucketed", "real_steps"),
            "tensorflow": ("masked", "padded", "dynamic_rnn", "stepwise", "packed", "bucketed"),
        },
        omits=dict.fromkeys(unmasked, UNMASKED_CELL_STATE) if lstm else {},
        refusals=keras_lstm_needs_a_row("masked", "padded", "bucketed") if lstm else (),
    )


ROWS = tuple(_unidirectional(cell) for cell in ("rnn", "gru", "lstm"))
