"""Define recurrent layers that run backwards, and over left-padded sequences."""

from __future__ import annotations

from dataclasses import replace

from parity.operations.recurrent import keras_lstm_rejects_empty_batch, recurrent
from parity.operations.row import Operation

ROWS = (
    Operation(
        "direction.backwards",
        configurations=(recurrent("two_layers_from_state", "gru", layers=2),),
        variants={"pytorch": ("reversed",), "tensorflow": ("go_backwards",)},
    ),
    Operation(
        "direction.left_padded",
        configurations=(replace(recurrent("two_layers_from_state", "lstm", layers=2), left=True),),
        variants={"pytorch": ("realigned",), "tensorflow": ("masked", "realigned")},
        expected_failures=keras_lstm_rejects_empty_batch("masked"),
    ),
)
