"""Embeddings."""

from __future__ import annotations

from parity.operations.row import Form, Input, Operation, Refusal


def _lookup(name: str, padding_index: int | None) -> Form:
    return Form(
        name,
        inputs={"tokens": Input("BT", below="V"), "table": Input("VD")},
        outputs={"y": "BTD"},
        options={"padding_index": padding_index},
        pad_row="" if padding_index is None else "table",
    )


def _scaled_by_frequency(name: str, padding_index: int | None) -> Form:
    form = _lookup(name, padding_index)
    couples = "a row's gradient is divided by how often its token occurs in the whole batch"
    return Form(name, form.inputs, form.outputs, form.options, pad_row=form.pad_row, couples=couples)


ROWS = (
    Operation(
        "embedding.lookup",
        forms=(_lookup("pad_is_0", 0), _lookup("pad_is_3", 3), _lookup("no_pad", None)),
        variants={"pytorch": ("padding_idx", "sparse"), "tensorflow": ("mask_zero", "indexed_slices")},
        refusals=(Refusal("tensorflow.mask_zero", "pad_is_3/*", "mask_zero", "Keras can mask no index but 0"),),
    ),
    Operation(
        "embedding.scaled_by_frequency",
        forms=(_scaled_by_frequency("pad_is_0", 0), _scaled_by_frequency("no_pad", None)),
        variants={"pytorch": ("scale_grad_by_freq",), "tensorflow": ("custom_gradient",)},
    ),
)
