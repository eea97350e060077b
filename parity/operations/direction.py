"""Recurrent layers that read from the end, and sequences that stand behind their padding."""

from __future__ import annotations

from dataclasses import replace

from parity.operations.recurrent import keras_lstm_needs_a_row, recurrent
from parity.operations.row import Operation

BACKWARDS = Operation(
    "direction.backwards",
    configurations=(recurrent("two_layers_from_state", "gru", layers=2, initial=True),),
    variants={"pytorch": ("reversed",), "tensorflow": ("go_backwards",)},
)

LEFT_PADDED = Operation(
    "direction.left_padded",
    configurations=(replace(recurrent("two_layers_from_state", "lstm", layers=2, initial=True), left=True),),
    variants={"pytorch": ("realigned",), "tensorflow": ("masked", "realigned")},
    expected_failures=keras_lstm_needs_a_row("masked"),
)

ROWS = (BACKWARDS, LEFT_PADDED)
