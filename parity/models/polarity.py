"""Find out whether a model that reads padding takes the mask the other way round, or knows padding by its value."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from parity.errors import InputError
from parity.models.findings import Findings
from parity.models.inputs import Tokens
from parity.models.native import NativeBatch
from parity.models.sequences import Inputs
from parity.models.side import Side

ABOUT_PADDING = ("ignores_padding", "ignores_extra_padding", "independent_of_batchmates")
ALL = [*ABOUT_PADDING, "reads_last_step"]  # which a model breaks that takes its padding for real steps
INVERTED = "with `{}` in place of `{}` it ignores padding: does it take {}?"
MEANING = {"mask": "True on padding for the mask", "drop": "True on real steps for the mask"}
AS_DROP = INVERTED.format("drop", "mask", MEANING["mask"])
BY_ID = "only other ids in the padding change it: if it knows padding by its id, parity.tokens(…, known_by_value=True)"


def inverted(side: Any, graphs: bool = True) -> Any:
    """Return a side whose model receives the mask of padding as that of real steps, and that one as the other.

    Args:
        side: that of the model.
        graphs: whether runs may be traced into a graph, which takes longer than a few of them.
    """
    other = copy.copy(side)
    other.call = _exchanging(other.call)
    if hasattr(other, "graphs"):
        other.graphs, other.has_graph = {}, other.has_graph and graphs
    return other


def named_after_padding(note: str) -> bool:
    """Tell whether a note says that an argument receives the mask, and is called after padding.

    >>> named_after_padding("matched by name: x_padding_mask=mask"), named_after_padding("matched by name: valid=mask")
    (True, False)
    """
    return re.search(r"pad\w*=mask\b", note) is not None


def _exchanging(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda model, batch: call(model, _swapped(batch))


def _swapped(batch: NativeBatch) -> NativeBatch:
    return batch.exchanged("mask", "drop")


def _holds(side: Side, judge: Callable[[Side, list[str]], Findings]) -> bool:
    try:
        return bool(judge(side, ALL).verdict({}))
    except InputError:  # its outputs have no rows then
        return False


def hint(side: Side, inputs: Inputs, found: Findings, judge: Callable[[Side, list[str]], Findings]) -> str:
    """Return what a model that reads padding may take otherwise, if that was tried and it ignores padding then.

    Args:
        side, inputs: the model and what it takes.
        found: what is known about it.
        judge: holds a side to some contracts.
    """
    failed = [name for name in found.verdict({}).failed if name in ABOUT_PADDING]
    read = [name for name in MEANING if name in side.read]
    if failed and len(read) == 1 and _holds(inverted(side, graphs=False), judge):
        other = "drop" if read[0] == "mask" else "mask"
        return INVERTED.format(other, read[0], MEANING[read[0]])
    by_id = any(isinstance(spec, Tokens) and not spec.known_by_value for spec in inputs.arrays.values())
    return BY_ID if failed == ["ignores_padding"] and by_id else ""
