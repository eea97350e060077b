"""Whole models on real data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.operations.loss import MEAN_OVER_BATCH
from parity.operations.recurrent import recurrent
from parity.operations.row import Form, Input, Operation


def _tagger(function: str, data: str, inputs: Mapping[str, Input], **options: Any) -> Operation:
    """Features or an embedding, an LSTM, a linear layer and a masked loss, on real data."""
    lstm = recurrent("lstm", "lstm", layers=1, initial=False).inputs
    weights = {name: array for name, array in lstm.items() if name != "x"}
    head = {"w_out": Input("HC", scale=0.5, fan_in="H"), "b_out": Input("C"), "targets": Input("BT", below="C")}
    form = Form(
        data,
        {**inputs, **weights, **head},
        outputs={"logits": "BTC", "loss": ""},
        options=options,
        pad_row="table" if "table" in inputs else "",
        couples=MEAN_OVER_BATCH,
        data=data,
    )
    variants = {"pytorch": ("packed", "padded"), "tensorflow": ("masked", "dynamic_rnn")}
    return Operation(f"model.{function}", (form,), variants)


ROWS = (
    _tagger(
        "speech_tagger",
        "speeches",
        {"tokens": Input("BT", below="V"), "table": Input("VD")},
        padding_index=0,
    ),
    _tagger("vowel_tagger", "utterances", {"x": Input("BTD")}),
)
