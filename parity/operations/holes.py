"""Define operations whose mask may have holes: steps to skip among the real ones, which no length can express."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from parity.arrays import A_BYTE, Array, Lengths, valid
from parity.operations.attention import SCORE_PER_STEP, TWO_HEADS
from parity.operations.loss import LOGITS, MEAN_OVER_BATCH
from parity.operations.row import FAR, OF_ALL_SIZES, OF_FEW_STEPS, Configuration, Input, Operation


def _with_holes(rng: np.random.Generator, lengths: Lengths, size: Mapping[str, int]) -> Array:
    """Sample a mask that is 1 on six of ten real steps.

    The longest sequence has its hole in the middle, the next one at both ends, and the one after that has nothing else;
    a single one past a byte of steps has its hole at the start, so that a byte cannot count what is kept.
    """
    real = valid(lengths, size["T"])
    mask = (real & (rng.uniform(size=real.shape) < 0.6)).astype(np.int64)
    longest_first = np.argsort(-lengths, kind="stable")
    alone = len(lengths) == 1 and size["T"] >= A_BYTE
    for place, row in enumerate(longest_first[:3]):
        kind = place + alone
        mask[row, : lengths[row]] = kind == 0
        mask[row, 1 : max(lengths[row] - (not alone), 1)] = kind == 1
    return mask


MASK = {"mask": Input("BT", below="2", padding=0.0, sample=_with_holes)}  # 0 on padding: no lengths are needed
X = {"x": Input("BTD", padding_like=0.3), **MASK}


def _pooled(function: str, variants: Mapping[str, tuple[str, ...]], offset: float = 0.0) -> Operation:
    inputs = {**X, "x": replace(X["x"], offset=offset)}
    return Operation(f"holes.{function}", (Configuration("features", inputs, outputs={"y": "BD"}),), variants)


SKIPPING = Configuration(
    "two_heads",
    {"x": TWO_HEADS.inputs["x"], **MASK, **{k: v for k, v in TWO_HEADS.inputs.items() if k != "x"}},
    TWO_HEADS.outputs,
    options={"heads": 2},
    least=TWO_HEADS.least,
)
OBSERVED = Configuration(
    "population",
    {"x": Input("BTH", offset=100.0), **MASK},
    outputs={"mean": "BH", "variance": "BH"},
    options={"correction": 0},
)

ROWS = (
    _pooled("mean", {"pytorch": ("masked_sum",), "tensorflow": ("keras", "masked_sum")}),
    _pooled("max", {"pytorch": ("masked",), "tensorflow": ("masked",)}, offset=FAR),
    _pooled("last", {"pytorch": ("gather", "indexed"), "tensorflow": ("gather", "one_hot")}),
    Operation(
        "holes.attention_pooling",
        configurations=(
            Configuration(
                "learned_query",
                {"x": Input("BTD"), **MASK, "query": Input("D", scale=0.5, fan_in="D")},
                outputs={"weights": "BT", "y": "BD"},
            ),
        ),
        variants={"pytorch": ("softmax", "scaled_dot_product"), "tensorflow": ("keras", "softmax")},
        omits={"pytorch.scaled_dot_product": {"weights": "the fused kernel does not return them"}},
    ),
    Operation(
        "holes.softmax",
        configurations=(Configuration("one_score", {"scores": SCORE_PER_STEP, **MASK}, outputs={"weights": "BT"}),),
        variants={"pytorch": ("masked_fill",), "tensorflow": ("keras", "where")},
    ),
    Operation(
        "holes.self_attention",
        configurations=(SKIPPING, SKIPPING.with_options("three_heads", "one_long", *OF_FEW_STEPS, heads=3)),
        variants={"pytorch": ("layer",), "tensorflow": ("layer",)},
    ),
    Operation(
        "holes.gru",
        configurations=(
            Configuration(
                "one_layer",
                {
                    "x": Input("BTD", padding_like=0.3),
                    **MASK,
                    "w_in": Input("D3H", scale=0.3, fan_in="D"),
                    "w_rec": Input("H3H", scale=0.3, fan_in="H"),
                    "bias": Input("4H", scale=0.5),
                },
                outputs={"y": "BTH", "h": "BH"},
                initial={"h": ""},
                stepwise=True,
            ),
        ),
        variants={"pytorch": ("compacted", "stepwise"), "tensorflow": ("masked",)},
    ),
    Operation(
        "holes.cross_entropy",
        configurations=(Configuration("mean", {**LOGITS, **MASK}, outputs={"loss": ""}, coupling=MEAN_OVER_BATCH),),
        variants={"pytorch": ("ignore_index", "weighted"), "tensorflow": ("keras_mask", "ignore_class")},
    ),
    Operation(
        "holes.mean_squared_error",
        configurations=(
            Configuration(
                "mean",
                {"prediction": Input("BTD"), "target": Input("BTD"), **MASK},
                outputs={"loss": ""},
                coupling=MEAN_OVER_BATCH,
            ),
        ),
        variants={"pytorch": ("selected", "weighted"), "tensorflow": ("keras_mask", "selected")},
    ),
    Operation(
        "holes.moments",
        configurations=(OBSERVED, OBSERVED.with_options("sample", *OF_ALL_SIZES, correction=1)),
        variants={"pytorch": ("masked_sum",), "tensorflow": ("weighted_moments",)},
    ),
)
