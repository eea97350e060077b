"""The contracts of a model, which need no reference: each transforms a batch, and says what must stay.

Outputs are compared on real steps, gradients everywhere. What may differ by rounding stays within the noise floor of
the model; where nothing is computed otherwise, every bit stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from parity.models.axes import has_rows
from parity.models.binding import OF_PADDING
from parity.models.inputs import LARGE, Features
from parity.models.layouts import Layout, packed, padded, with_holes
from parity.models.observing import OVER_SEQUENCES, Quantities, View
from parity.models.side import COMPILED

FINITE = len(LARGE)  # fills with finite numbers; the next one has inf and NaN
ALWAYS = ("padded", "alone")
LAYOUTS = (*ALWAYS, "left", "packed", "holes")


class Declined(Exception):
    """A contract is not tried on a model; the message says why."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A model on the sequences of one seed, from which transformations start.

    Attributes:
        view: the model.
        read: what of a batch the model reads.
        holes: whether padding is between steps too.
        recorded: what a recording of the model has for these sequences, if there is one.
        layout: that of the base, if it is given.
    """

    view: View
    read: frozenset[str]
    holes: bool
    recorded: Quantities | None = None
    layout: Layout | None = None

    @cached_property
    def base(self) -> Layout:
        """Return the layout that all others are compared with: there is padding behind each sequence."""
        lengths = self.view.sequences.lengths
        if self.layout is not None:
            return self.layout
        if self.holes:
            return with_holes(lengths)
        return padded(lengths, max(lengths) + 1)


@dataclass(frozen=True, eq=False)
class Transformation:
    """Another way to give a model the same sequences.

    Attributes:
        layouts: the batches.
        against: those of the run that it is compared with; the base when empty.
        view: the model on its sequences, if they are others.
        fill: which other padding there is.
        exact: whether every bit must stay.
        mode, seed: of the run.
        changed: how many sequences have other values, the first ones; they are not compared.
        rows_only: whether only that must stay which each sequence has of its own: not the loss, nor its gradients.
        on_padding: whether gradients on padding are compared instead, with 0.
        recorded: what is compared with instead of a run.
        on_inputs: whether it is asked instead which inputs the model writes to.
        on_last: whether it is asked instead which last real steps the model does not read.
    """

    layouts: Sequence[Layout]
    against: Sequence[Layout] = ()
    view: View | None = None
    fill: int | None = None
    exact: bool = False
    mode: str = ""
    seed: int = 0
    changed: int = 0
    rows_only: bool = False
    on_padding: bool = False
    recorded: Quantities | None = None
    on_inputs: bool = False
    on_last: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Return the options of `parity.models.observing.View.run`."""
        return {"fill": self.fill, "mode": self.mode, "seed": self.seed}

    def kept(self, quantities: Quantities, view: View) -> Quantities:
        """Return what must stay, of the quantities of a model."""
        count = len(view.sequences.lengths)
        rows = {name for name, axes in view.axes.items() if has_rows(axes)}
        rows |= {f"d_{name}" for name in view.inputs.arrays}
        return {
            name: array[self.changed : count] if name in rows else array
            for name, array in quantities.items()
            if name in rows or not self.rows_only
        }


Transformations = Iterator[Transformation]


def _check_several(setting: Setting) -> None:
    if len(setting.view.sequences.lengths) < 2:
        raise Declined("there is one sequence only")


def repeatable(setting: Setting) -> Transformations:
    yield Transformation([setting.base], exact=True, seed=1)


def keeps_inputs(setting: Setting) -> Transformations:
    if setting.view.side.framework != "pytorch":
        raise Declined("its tensors cannot be written to")
    yield Transformation([setting.base], on_inputs=True)
    yield Transformation([setting.base], fill=0, on_inputs=True)


def reads_last_step(setting: Setting) -> Transformations:
    yield Transformation([setting.base], on_last=True)


def _known_by_value(setting: Setting) -> str:
    """Return the reason why no other value may stand on padding; empty if one may."""
    if not setting.read & OF_PADDING:
        return "the model reads no lengths and no mask: the value of the padding must tell what it is"
    if all(getattr(spec, "known_by_value", True) for spec in setting.view.inputs.arrays.values()):
        return "the value of the padding tells what is padding: no other may stand there"
    return ""


def ignores_padding(setting: Setting) -> Transformations:
    if reason := _known_by_value(setting):
        raise Declined(reason)
    specs = setting.view.inputs.arrays.values()
    for fill in range(FINITE if any(isinstance(spec, Features) for spec in specs) else FINITE + 1):
        yield Transformation([setting.base], fill=fill, exact=True)


def ignores_extra_padding(setting: Setting) -> Transformations:
    steps = setting.base.steps
    last = max(int(max(place.columns, default=0)) for place in setting.base.places)
    for wider in dict.fromkeys((last + 1, steps + 1, steps + 4)):
        yield Transformation([setting.base.widened(wider)])


def zero_gradient_at_padding(setting: Setting) -> Transformations:
    if not any(isinstance(spec, Features) for spec in setting.view.inputs.arrays.values()):
        raise Declined("no input has a gradient")
    yield Transformation([setting.base], exact=True, on_padding=True)


def independent_of_batchmates(setting: Setting) -> Transformations:
    """Compare the batch with each sequence alone, which is what is expected."""
    _check_several(setting)
    yield Transformation([setting.base], against=setting.base.alone())


def follows_permutation(setting: Setting) -> Transformations:
    if setting.view.inputs.lengths.longest_first:
        raise Declined("the longest sequence comes first")
    _check_several(setting)
    yield Transformation([setting.base.permuted()])
    yield Transformation([setting.base.reversed()])


def accepts_empty_sequences(setting: Setting) -> Transformations:
    view, base = setting.view, setting.base
    with_empty = replace(view, sequences=view.sequences.with_empty())
    (empty,) = padded(with_empty.sequences.lengths, base.steps).places[base.rows :]
    layout = replace(base, rows=base.rows + 1, places=(*base.places, empty))
    yield Transformation([layout], view=with_empty, rows_only=view.average == OVER_SEQUENCES)


def same_on_either_side(setting: Setting) -> Transformations:
    view = setting.view
    for steps in (setting.base.steps, setting.base.steps + 3):
        yield Transformation([padded(view.sequences.lengths, steps, left=True)])
    if not _known_by_value(setting):  # the first step may read what stands before it
        yield Transformation([padded(view.sequences.lengths, setting.base.steps, left=True)], fill=0)


def same_with_holes(setting: Setting) -> Transformations:
    yield Transformation([with_holes(setting.view.sequences.lengths)])


def same_when_packed(setting: Setting) -> Transformations:
    lengths = setting.view.sequences.lengths
    yield Transformation([packed(lengths, sum(lengths))])
    yield Transformation([packed(lengths, sum(lengths) + 2)])
    if len(lengths) > 2:
        yield Transformation([packed(lengths, max(max(lengths), sum(lengths) // 2) + 1)])


def independent_of_documents(setting: Setting) -> Transformations:
    _check_several(setting)
    view, lengths = setting.view, setting.view.sequences.lengths
    layout = packed(lengths, sum(lengths))
    other = view.inputs.sample(view.seed + 2**20, lengths)
    changed = replace(view, sequences=view.sequences.replace_first(other))
    yield Transformation([layout], against=[layout], view=changed, exact=True, changed=1, rows_only=True)


def same_in_every_mode(setting: Setting) -> Transformations:
    _, *others = setting.view.side.modes
    for mode in others:
        yield Transformation([setting.base], mode=mode)
    if not others:
        raise Declined("there is one mode only")


def same_when_compiled(setting: Setting) -> Transformations:
    yield Transformation([setting.base], mode=COMPILED)


def agrees_with_recording(setting: Setting) -> Transformations:
    if setting.recorded is None:
        raise Declined("there is no recording of these sequences")
    yield Transformation([setting.base], recorded=setting.recorded)
