"""Recurrent layers in both directions, and the reversal they rest on."""

from __future__ import annotations

from dataclasses import replace

from parity.operations.recurrent import (
    UNMASKED_CELL_STATE,
    XLA_FAILS,
    keras_lstm_needs_a_row,
    recurrent,
    recurrent_configurations,
)
from parity.operations.row import Configuration, Input, Operation


def _bidirectional(cell: str) -> Operation:
    lstm = cell == "lstm"
    return Operation(
        f"bidirectional.{cell}",
        configurations=recurrent_configurations(cell, both=True),
        variants={
            "pytorch": ("packed", "two_pass", "bucketed", "real_steps"),
            "tensorflow": ("masked", "two_pass", "dynamic_rnn", "packed", "bucketed"),
        },
        omits=dict.fromkeys(("pytorch.two_pass", "pytorch.bucketed"), UNMASKED_CELL_STATE) if lstm else {},
        expected_failures=(*XLA_FAILS, *(keras_lstm_needs_a_row("masked", "two_pass", "bucketed") if lstm else ())),
    )


REVERSE_SEQUENCE = Operation(
    "bidirectional.reverse_sequence",
    configurations=(Configuration("features", inputs={"x": Input("BTD")}, outputs={"y": "BTD"}),),
    variants={"pytorch": ("gather",), "tensorflow": ("reverse_sequence",)},
)


def _merged(merge: str) -> Configuration:
    config = recurrent(merge, "rnn", layers=1, initial=False, both=True, merge=merge)
    return replace(config, outputs={**config.outputs, "y": "BTH"})


MERGED = Operation(
    "bidirectional.merged",
    configurations=tuple(_merged(merge) for merge in ("sum", "mul", "ave")),
    variants={"pytorch": ("packed",), "tensorflow": ("masked",)},
)

ROWS = (REVERSE_SEQUENCE, *(_bidirectional(cell) for cell in ("rnn", "gru", "lstm")), MERGED)
