"""Define recurrent layers that run backwards, and over left-padded sequences."""

from __future__ import annotations

from dataclasses import replace

from parity.operations.recurrent import keras_lstm_rejects_empty_batch, recurrent
from parity.operations.row import Operation

OTHER_LAYERS = (
    recurrent("three_layers_from_state", "gru", layers=3, lengths=("one_sequence",)),
    recurrent("one_layer", "gru", layers=1, lengths=("square",)),
)

ROWS = (
    Operation(
        "direction.backwards",
        configurations=(recurrent("two_layers_from_state", "gru", layers=2), *OTHER_LAYERS),
        variants={"pytorch": ("reversed",), "tensorflow": ("go_backwards",)},
    ),
    Operation(
        "direction.left_padded",
        configurations=tuple(
            replace(config, left=True)
            for config in (
                recurrent("two_layers_from_state", "lstm", layers=2),
                recurrent("two_layers_from_c0", "lstm", layers=2, lengths=("square",), given="c"),
                recurrent("two_layers_from_h0", "lstm", layers=2, lengths=("square",), given="h"),
                recurrent("one_layer", "lstm", layers=1, lengths=("one_sequence",)),
            )
        ),
        variants={"pytorch": ("realigned",), "tensorflow": ("masked", "realigned")},
        expected_failures=keras_lstm_rejects_empty_batch("masked"),
    ),
)
