"""Whole models on real data. Their outputs stand in the order of computation, so the first that differs says where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.operations.loss import MEAN_OVER_BATCH
from parity.operations.recurrent import recurrent
from parity.operations.row import Configuration, Input, Operation

MEAN_OVER_SEQUENCES = "a mean over the batch's sequences: each one's share depends on how many of them are not empty"

SPEECHES = {"tokens": Input("BT", below="V"), "table": Input("VD")}
UTTERANCES = {"x": Input("BTD")}
SPEAKER = {"speaker": Input("B", below="C")}  # of a whole sequence
TARGETS = {"targets": Input("BT", below="C")}  # of every step
LEADS = {"leads": Input("B1", unit=True)}  # whether it is the speaker who says most: 1.0 or 0.0


def _model(
    cell: str,
    data: Mapping[str, Input],
    label: Mapping[str, Input],
    outputs: Mapping[str, str],
    *,
    both: bool = False,
    couples: str = MEAN_OVER_SEQUENCES,
    options: Mapping[str, Any] | None = None,
) -> Configuration:
    """Features or an embedding, a recurrent layer, a linear layer and a masked loss."""
    layer = recurrent(cell, cell, layers=1, initial=False, both=both, shut=False).inputs  # it is to be trained
    hidden, classes = "E" if both else "H", outputs["logits"][-1]
    weights = {name: array for name, array in layer.items() if name != "x"}
    head = {"w_out": Input(f"{hidden}{classes}", scale=0.5, fan_in=hidden), "b_out": Input(classes)}
    embeds = "table" in data
    return Configuration(
        cell,
        {**data, **label, **weights, **head},
        outputs={**({"embedded": "BTD"} if embeds else {}), "states": f"BT{hidden}", **outputs, "loss": ""},
        options={**(options or {}), **({"padding_index": 0} if embeds else {})},
        pad_row="table" if embeds else "",
        couples=couples,
        data="speeches" if embeds else "utterances",
    )


CLASSIFIER = {"last": "BH", "logits": "BC"}
ONE_WAY = {"pytorch": ("packed", "padded"), "tensorflow": ("masked", "dynamic_rnn")}
BOTH_WAYS = {"pytorch": ("packed", "two_pass"), "tensorflow": ("masked", "dynamic_rnn")}

ROWS = (
    Operation(
        "model.text_classifier",
        tuple(_model(cell, SPEECHES, SPEAKER, CLASSIFIER, options={"cell": cell}) for cell in ("gru", "lstm")),
        ONE_WAY,
    ),
    Operation(
        "model.tagger",
        (_model("lstm", SPEECHES, TARGETS, {"logits": "BTC"}, both=True, couples=MEAN_OVER_BATCH),),
        BOTH_WAYS,
    ),
    Operation(
        "model.sentiment",
        (_model("lstm", SPEECHES, LEADS, {"pooled": "BE", "logits": "B1"}, both=True),),
        BOTH_WAYS,
    ),
    Operation("model.vowel_speaker", (_model("lstm", UTTERANCES, SPEAKER, CLASSIFIER),), ONE_WAY),
)
