"""Define operations on packed rows, each of which holds several documents one behind the other.

``segments`` names the document of each step. A document is a run of steps with one id, which no other document of the
row has. Ids are in no order, rows share them, and those on padding mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from parity.arrays import Array, Lengths
from parity.operations.attention import SELF_ATTENTION
from parity.operations.decoder import FUSED_ONCE
from parity.operations.loss import LOGITS
from parity.operations.recurrent import recurrent
from parity.operations.row import (
    FEW_AND_MANY,
    OF_ALL_SIZES,
    OF_FEW_STEPS,
    Configuration,
    ExpectedFailure,
    Input,
    Operation,
)

BYTE = 256  # steps and documents that a byte can count
CUT = 0.4  # probability that a document ends behind a step


def _segments(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int], many: bool = False) -> Array:
    """Sample the id of the document of each step; the first step of padding goes on with that of the last document.

    With ``many``, a row of 257 steps has more documents than a byte can count.
    """
    ids = rng.integers(0, size["T"], (len(lengths), size["T"]))
    for row, length in enumerate(map(int, lengths)):
        if length:
            single = many and length == BYTE + 1
            sizes = np.ones(length, int) if single else _sizes(rng, length, row == np.argmax(lengths))
            ids[row, :length] = np.repeat(_names(rng, len(sizes), length), sizes)
            ids[row, length : length + 1] = ids[row, length - 1]
    return ids


def _sizes(rng: np.random.Generator, length: int, is_longest: bool) -> Array:
    """Sample the lengths of a row's documents.

    In the longest row there are, as far as it has steps: a document of two steps or more, one of a single step, a third
    and a fourth, of two steps; of four steps, two of two. Of 300 steps, a byte cannot count those of the first.
    """
    if not is_longest or length < 3:
        return _cut(rng, length)
    if length < 5:
        return rng.permutation([2, length - 2])
    first = BYTE + 2 if length > BYTE + 4 else int(rng.integers(2, length - 2))
    return rng.permutation([first, 1, 2, *_cut(rng, length - first - 3)])


def _cut(rng: np.random.Generator, length: int) -> Array:
    """Cut some steps into documents anywhere."""
    ends = np.flatnonzero(rng.uniform(size=length) < CUT) + 1
    return np.diff(np.unique([0, *ends, length]))


def _names(rng: np.random.Generator, count: int, length: int) -> Array:
    """Sample different ids below a row's length: 0 and the largest are among them if there are two.

    Of 257 steps, the largest is behind 0: a byte has one id for both.
    """
    if count == 1:
        return rng.integers(0, length, 1)
    others = rng.permutation(np.arange(1, length - 1))
    ids = rng.permutation([0, length - 1, *others[: count - 2]])
    if length != BYTE + 1:
        return ids
    rest = ids[ids < BYTE]
    return np.insert(rest, np.argmin(rest) + 1, BYTE)


SEGMENTS = Input("BT", below="T", sample=_segments)

POSITIONS = Configuration(
    "restarted",
    {"x": Input("BTD"), "segments": replace(SEGMENTS, sample=partial(_segments, many=True))},
    outputs={"positions": "BT", "document_lengths": "BT"},
    discrete=("positions", "document_lengths"),
    extra_lengths=FEW_AND_MANY,
)

CAUSAL = Configuration(
    "causal",
    {"x": SELF_ATTENTION["x"], "segments": SEGMENTS, **SELF_ATTENTION},
    outputs={"y": "BTH"},
    options={"heads": 2, "causal": True},
    least={"H": 6},
)
BOTH_WAYS = CAUSAL.with_options("both_ways", "one_long", *OF_ALL_SIZES, causal=False)

ONE_LAYER = recurrent("one_layer", "gru", layers=1)
TWO_LAYERS = recurrent("two_layers_from_start", "gru", layers=2)


def _restarted(config: Configuration, *lengths: str, start: str = "") -> Configuration:
    """Return a recurrent configuration that gives the states of each step, from the same start in each document."""
    weights = {name: array for name, array in config.inputs.items() if name.partition(".")[1]}
    inputs = {"x": config.inputs["x"], "segments": SEGMENTS, **weights} | ({"start": Input(start)} if start else {})
    return replace(config, inputs=inputs, outputs={"y": "BTH"}, initial={}, lengths=lengths)


def _convolution(name: str, size: int, *lengths: str, causal: bool) -> Configuration:
    """Return a configuration with a kernel of so many steps."""
    inputs = {
        "x": Input("BTD"),
        "segments": SEGMENTS,
        "kernel": Input(f"{size}DH", scale=0.5, fan_in="D"),
        "bias": Input("H"),
    }
    return Configuration(name, inputs, outputs={"y": "BTH"}, options={"causal": causal}, lengths=lengths)


PER_TOKEN = Configuration(
    "per_token",
    {"logits": LOGITS["logits"], "segments": SEGMENTS, "tokens": LOGITS["targets"]},
    outputs={"loss": ""},
    options={"per_document": False},
    coupling="a mean over the batch: each document's share depends on the others' lengths",
)


def _ragged(variant: str) -> ExpectedFailure:
    """Return the failure of a TensorFlow variant that has ragged tensors."""
    why = "XLA requires shapes that are known, and has no operations on ragged tensors"
    return ExpectedFailure(f"tensorflow.{variant}", "*", "Ragged", why, mode="xla")


ROWS = (
    Operation(
        "documents.positions",
        configurations=(POSITIONS,),
        variants={"pytorch": ("cummax", "cu_seqlens"), "tensorflow": ("ragged", "compared")},
        expected_failures=(_ragged("ragged"),),
    ),
    Operation(
        "documents.self_attention",
        configurations=(
            CAUSAL,
            BOTH_WAYS,
            BOTH_WAYS.with_options("one_head", "tied", "one_sequence", heads=1),
            CAUSAL.with_options("three_heads", "one_long", *OF_FEW_STEPS, heads=3),  # as many as rows, of the first
        ),
        variants={"pytorch": ("layer", "scaled_dot_product"), "tensorflow": ("layer", "dot_product")},
        expected_failures=(FUSED_ONCE,),
    ),
    Operation(
        "documents.gru",
        configurations=(
            _restarted(ONE_LAYER),
            _restarted(TWO_LAYERS, "square", "many_rows", "narrow", start="2H"),
            replace(_restarted(ONE_LAYER, "square", start="1H"), name="one_layer_from_start"),
        ),
        variants={"pytorch": ("unpacked", "stepwise"), "tensorflow": ("unpacked", "stepwise")},
        expected_failures=(_ragged("unpacked"),),
    ),
    Operation(
        "documents.convolution",
        configurations=(
            _convolution("three_steps", 3, causal=False),
            _convolution("four_steps_causal", 4, "one_long", *OF_ALL_SIZES, "square", causal=True),
            _convolution("two_steps", 2, "one_long", "square", causal=False),
            _convolution("five_steps", 5, "one_long", *OF_ALL_SIZES, causal=False),
        ),
        variants={"pytorch": ("unpacked", "windows"), "tensorflow": ("unpacked", "shifted")},
        expected_failures=(_ragged("unpacked"),),
    ),
    Operation(
        "documents.next_token_loss",
        configurations=(
            PER_TOKEN,
            PER_TOKEN.with_options("per_document", "one_long", "square", *OF_ALL_SIZES, per_document=True),
        ),
        variants={"pytorch": ("ignore_index", "flattened"), "tensorflow": ("ignore_class", "flattened")},
    ),
)
