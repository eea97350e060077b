"""Name the cause of a difference: an alternative that was tried, and makes both models agree in float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
from msgspec import structs

from parity.checks.comparison import Difference
from parity.models.observing import LOSS
from parity.pairs.alternatives import GONE, PARTNERS, SHARED, Alternative
from parity.pairs.comparing import Links, Seen, compare_pair
from parity.pairs.first_difference import Component, FirstDifference, Traces
from parity.pairs.recognising import recognised

DIVERGENCES = {  # entries of `parity divergences` about a cause
    ("eps", "BatchNorm"): "normalisation.batchnorm_conventions",
    ("eps", "LayerNorm"): "normalisation.layernorm_epsilon",
    ("padding_idx", ""): "embedding.pad_row",
    ("mask", ""): "masking.lost_silently",
    ("lengths", ""): "rnn.output_on_padding",
    ("key_padding_mask", ""): "attention.polarity",
    ("padding of its input", ""): "convolution.stack_bias",
    ("batch_first", ""): "packing.batch_first_forgotten",
    ("packing", ""): "masking.side",
    ("go_backwards", ""): "bidirectional.go_backwards",
    ("count_include_pad", ""): "pooling.average_at_the_edge",
}

TRYING = {"pytorch": "parity.pairs.pytorch_alternatives", "tensorflow": "parity.pairs.keras_alternatives"}


@dataclass(eq=False)
class Trials:
    """Runs both models again with one thing changed.

    Attributes:
        traces: the layers of both.
        seen: their outputs and noise floors.
        first: where they begin to differ.
    """

    traces: Traces
    seen: tuple[Seen, Seen]
    links: Links | None
    first: FirstDifference

    @property
    def component(self) -> Component | None:
        """Return the layers that differ."""
        at = 0 if self.first.where == "between" else -1
        if self.first.where not in ("in", "between"):
            return None
        return next((one for one in self.traces.components if one.left[at] == self.first.left), None)

    def agreement(self, number: int, context: AbstractContextManager[object]) -> float | None:
        """Return how far both are apart if one model is run in a context; None if that is more than rounding."""
        component, tracer = self.component, self.traces.tracers[number]
        try:
            with context:
                if component is None:
                    return self._whole(number)
                before = tracer.axes.observed(tracer.setting.view, [tracer.setting.base])
        except Exception:  # not every alternative fits every layer
            return None
        known = {**self.traces.known, number: before}
        other = replace(self.traces, known=known)
        apart = other.apart(component, "outputs" if self.first.where == "in" else "inputs")
        return None if apart is None or apart.differs else apart.difference

    def _whole(self, number: int) -> float | None:
        """Compare outputs, and gradients when only these differ."""
        quantities = [dict(one.floors.expected) for one in self.seen]
        setting = self.seen[number].setting
        quantities[number] = setting.view.observe([setting.base], mode="eager")  # a graph keeps what it was traced with
        links = self.links if self.first.where == "gradients" else None
        found = compare_pair(self.seen, (quantities[0], quantities[1]), links, "float64")
        if links is None:
            found = [one for one in found if not one.quantity.startswith("d_")]
        return None if any(one.failed for one in found) else largest(found)

    def layers(self, number: int) -> list[str]:
        """Return the paths of one model's layers that may cause it: those that differ, or lie between, and around."""
        traces, first = self.traces, self.first
        equal = first.equal[number]
        own = (first.left, first.right)[number]
        paths = [own]
        if first.where not in ("in", "gradients"):
            paths = [equal, *traces.window(number, equal, own or None), *traces.untraced(number)]
        if (component := self.component) is not None and first.where == "in":
            paths = list((component.left, component.right)[number])
        separator = traces.halves[number].weights.separator
        around = [path[:at] for path in [*paths, own] for at in range(len(path)) if path.startswith(separator, at)]
        return [path for path in dict.fromkeys([*paths, *around]) if path]


def largest(differences: list[Difference]) -> float:
    """Return the largest error of outputs."""
    return max((one.max_abs_error for one in differences), default=0.0)


def cause_of(trials: Trials) -> str:
    """Return the cause of a difference in words; nothing if none of the known ones explains it."""
    found = next(_alternatives(trials), "")
    if not found and trials.first.where in ("between", "after"):
        found = recognised(trials.traces, trials.first, trials.component)
    if not found and trials.first.where == "between":  # its own padding may be there to undo the other model's
        found = next(_alternatives(replace(trials, first=structs.replace(trials.first, where="in"))), "")
    return found


def _alternatives(trials: Trials) -> Iterator[str]:
    """Yield the alternatives of the layers in question that make both agree, in the order of their ranks."""
    halves = trials.traces.halves
    mask = trials.traces.tracers[0].setting.base.mask
    tried: list[tuple[int, str, Alternative]] = []
    for number, half in enumerate(halves):
        if not half.runs:  # a recording
            continue
        other = halves[1 - number]
        framework = import_module(TRYING[half.side.framework])
        for own, theirs in _with_partners(trials, number):
            settings = other.framework.settings_of(other.side, theirs)
            tried += [(number, own, one) for one in framework.alternatives(half.side, own, settings, mask)]
        tried += [(number, "", one) for one in framework.operations(mask)]
    for number, own, one in sorted(tried, key=lambda each: each[2].rank):
        apart = trials.agreement(number, one.context)
        if apart is not None:
            yield _sentence(trials, number, own, one, apart)


def _with_partners(trials: Trials, number: int) -> Iterator[tuple[str, str]]:
    theirs = trials.layers(1 - number)
    for own in trials.layers(number):
        yield own, theirs[0] if theirs else ""


def _sentence(trials: Trials, number: int, path: str, tried: Alternative, apart: float) -> str:
    halves = trials.traces.halves
    name, other = halves[number].name, halves[1 - number].name
    whose = f"of `{path}` {name}" if path else name
    if tried.what == "eps" or (tried.what in SHARED and tried.rank == PARTNERS):
        values = {name: tried.before, other: tried.after}
        said = f"{tried.what} is {values['left']} left, {values['right']} right; with {tried.after} on both sides"
    elif tried.after == GONE:
        said = f"without the {tried.what} {whose},"
    else:
        was = f" is {tried.before};" if tried.before else ":"
        said = f"{tried.what} {whose}{was} with {tried.after}"
    entry = _entry(trials, number, path, tried)
    return f"{said} it agrees to {apart:.1e}" + (f"   (parity divergences {entry})" if entry else "")


def _entry(trials: Trials, number: int, path: str, tried: Alternative) -> str:
    """Return the divergence that a cause is an example of; nothing if there is none."""
    kind = (trials.first.kind or _kind(trials, number, path)).replace("Normalization", "Norm")
    if tried.after == GONE:
        return ""
    return next((entry for (what, own), entry in DIVERGENCES.items() if what == tried.what and own in kind), "")


def _kind(trials: Trials, number: int, path: str) -> str:
    traced = trials.traces.before(number)
    return traced[path].kind if path in traced else ""


def only_loss(failed: list[Difference]) -> FirstDifference | None:
    """Return the loss as the first difference, if all outputs agree."""
    names = {one.quantity: one for one in failed if not one.quantity.startswith("d_")}
    if set(names) != {LOSS}:
        return None
    return FirstDifference("", "", where="loss", difference=names[LOSS].max_abs_error)


def gradients_first(traces: Traces, failed: list[Difference]) -> FirstDifference | None:
    """Return the layer whose gradient differs, going backward from the loss."""
    names = {one.quantity.removeprefix("d_"): one for one in failed if one.quantity.startswith("d_")}
    best: tuple[int, str] | None = None
    calls = list(traces.before(0))
    separator = traces.halves[0].weights.separator
    for name in names:
        path = name
        while path and path not in calls:
            path = path.rpartition(separator)[0]
        place = calls.index(path) if path else -1
        if best is None or place > best[0]:
            best = place, name
    if best is None:
        return None
    error = names[best[1]].max_abs_error
    return FirstDifference(best[1], best[1], where="gradients", difference=error if np.isfinite(error) else 0.0)
