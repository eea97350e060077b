"""All pairs by name, those of `tests.test_pairs` among them."""

from __future__ import annotations

import re
from typing import Any

from tests import test_pairs
from tests.pair_zoo import attending, convolving, decoding, gating, recurrent
from tests.pair_zoo.making import Right, Wrong

MODULES = (recurrent, attending, convolving, decoding, gating)
LAYERS = {  # where the other table only says "between", or nothing
    "gelu tanh": ("first", "one"),
    "mask inverted": ("block.self_attn",),
    "no attention mask": ("block.self_attn",),
    "pre-norm": ("enter", "block", "block.self_attn", "block.norm1"),
    "embedding frozen": ("embed.weight",),
    "gradient stopped": ("embed.weight",),
}
CAUSES = {"embedding frozen": "trainable|trained|frozen", "gradient stopped": "stop"}  # named by other means


def of_the_other_table(name: str) -> Wrong:
    """Return a wrong pair of `tests.test_pairs`."""
    make, transfer, where, cause = test_pairs.WRONG[name]
    layers = LAYERS.get(name) or tuple(re.findall("`(.*?)`", where))

    def side(number: int) -> Any:
        return lambda: make()[number]

    return Wrong(
        side(0),
        side(1),
        make()[2],
        transfer or "left to right",
        layers=layers,
        cause=CAUSES.get(name) or re.escape(cause),
    )


RIGHT: dict[str, Right] = {name: pair for module in MODULES for name, pair in module.RIGHT.items()}
RIGHT |= {f"{name}, too": Right(*row) for name, row in test_pairs.RIGHT.items()}
WRONG: dict[str, Wrong] = {name: pair for module in MODULES for name, pair in module.WRONG.items()}
WRONG |= {f"{name}, too": of_the_other_table(name) for name in test_pairs.WRONG}
