"""Define recurrent layers in both directions, and the reversal that they use."""

from __future__ import annotations

from dataclasses import replace

from parity.operations.recurrent import (
    OWN_GRADIENTS,
    REAL_STEPS_ONCE,
    UNMASKED_CELL_STATE,
    XLA_FAILURES,
    keras_lstm_rejects_empty_batch,
    recurrent,
    recurrent_configurations,
)
from parity.operations.row import Configuration, Input, Operation


def _bidirectional(cell: str) -> Operation:
    omits: dict[str, dict[str, str]] = {}
    failures = (REAL_STEPS_ONCE, *XLA_FAILURES)
    if cell == "lstm":
        omits = dict.fromkeys(("pytorch.two_pass", "pytorch.bucketed"), UNMASKED_CELL_STATE)
        failures += keras_lstm_rejects_empty_batch("masked", "two_pass", "bucketed")
    return Operation(
        f"bidirectional.{cell}",
        configurations=recurrent_configurations(cell, bidirectional=True),
        variants={
            "pytorch": ("packed", "two_pass", "bucketed", "real_steps"),
            "tensorflow": ("masked", "two_pass", "dynamic_rnn", "packed", "bucketed"),
        },
        omits=omits,
        expected_failures=failures,
        own_gradients=OWN_GRADIENTS,
    )


def _merged(merge: str) -> Configuration:
    config = recurrent(merge, "rnn", layers=1, bidirectional=True, merge=merge)
    return replace(config, outputs={**config.outputs, "y": "BTH"})


ROWS = (
    Operation(
        "bidirectional.reverse_sequence",
        configurations=(Configuration("features", inputs={"x": Input("BTD")}, outputs={"y": "BTD"}),),
        variants={"pytorch": ("gather",), "tensorflow": ("reverse_sequence",)},
    ),
    _bidirectional("rnn"),
    _bidirectional("gru"),
    _bidirectional("lstm"),
    Operation(
        "bidirectional.merged",
        configurations=(_merged("sum"), _merged("mul"), _merged("ave")),
        variants={"pytorch": ("packed",), "tensorflow": ("masked",)},
    ),
)
