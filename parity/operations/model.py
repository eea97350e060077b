"""Define whole models on real data, with outputs in the order of computation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.operations.loss import MEAN_OVER_BATCH
from parity.operations.recurrent import recurrent
from parity.operations.row import Configuration, Input, Operation

A_WORD = 323  # "the", the most frequent one: no word has the id of the data's own padding, 0
MEAN_OVER_SEQUENCES = "a mean over the batch's sequences: each one's share depends on how many of them are not empty"

DATA = {"speeches": {"tokens": Input("BT", below="V"), "table": Input("VD")}, "utterances": {"x": Input("BTD")}}
SPEAKER = {"speaker": Input("B", below="C")}  # of a whole sequence
TARGETS = {"targets": Input("BT", below="C")}  # of every step
LEADS = {"leads": Input("B1", unit=True)}  # 1.0 if the speaker has the most text, else 0.0


def _model(
    cell: str,
    data: str,
    label: Mapping[str, Input],
    outputs: Mapping[str, str],
    /,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    coupling: str = MEAN_OVER_SEQUENCES,
    padding_index: int = 0,
    **options: Any,
) -> Configuration:
    """Return a model: an embedding or features, a recurrent layer, a linear layer and a masked loss."""
    layer = recurrent(cell, cell, layers, bidirectional=bidirectional, saturated=False)  # trainable
    hidden, classes = "E" if bidirectional else "H", outputs["logits"][-1]
    weights = {name: array for name, array in layer.inputs.items() if "." in name}  # all states start from zeros
    head = {"w_out": Input(f"{hidden}{classes}", scale=0.5, fan_in=hidden), "b_out": Input(classes)}
    inputs = {**DATA[data], **label, **weights, **head}
    outputs = {"states": f"BT{hidden}", **outputs, "loss": ""}
    if data == "utterances":
        return Configuration(cell, inputs, outputs, options, coupling=coupling, data=data)
    options = {**options, "padding_index": padding_index}
    outputs = {"embedded": "BTD", **outputs}
    return Configuration(cell, inputs, outputs, options, coupling=coupling, data=data, pad_row="table")


CLASSIFIER = {"last": "BH", "logits": "BC"}
UNIDIRECTIONAL = {"pytorch": ("packed", "padded"), "tensorflow": ("masked", "dynamic_rnn")}
BIDIRECTIONAL = {"pytorch": ("packed", "two_pass"), "tensorflow": ("masked", "dynamic_rnn")}

ROWS = (
    Operation(
        "model.text_classifier",
        (
            _model("gru", "speeches", SPEAKER, CLASSIFIER, cell="gru"),
            _model("lstm", "speeches", SPEAKER, CLASSIFIER, layers=2, padding_index=A_WORD, cell="lstm"),
        ),
        UNIDIRECTIONAL,
    ),
    Operation(
        "model.tagger",
        (_model("lstm", "speeches", TARGETS, {"logits": "BTC"}, bidirectional=True, coupling=MEAN_OVER_BATCH),),
        BIDIRECTIONAL,
    ),
    Operation(
        "model.sentiment",
        (_model("lstm", "speeches", LEADS, {"pooled": "BE", "logits": "B1"}, bidirectional=True),),
        BIDIRECTIONAL,
    ),
    Operation("model.vowel_speaker", (_model("lstm", "utterances", SPEAKER, CLASSIFIER),), UNIDIRECTIONAL),
)
