"""Hold a copy of a module in float64 for the time of a check, and change single layers of it."""

import contextlib
import copy

from parity.pairs.alternatives import settings
from parity.pairs.pytorch_computed import computed

# common name -> those of modules, also of people's own
SETTINGS = {
    "eps": ("eps", "epsilon", "variance_epsilon"),
    "padding": ("padding",),
    "stride": ("stride",),
    "dilation": ("dilation",),
}


def hold(side, dtype, stack):  # noqa: ARG001
    """Let a side have a copy of its module in a dtype; the user's own is not touched."""
    side.originals = {id(p): name for name, p in side.model.named_parameters()}  # to which an optimiser refers
    side.computed = computed
    side.model = copy.deepcopy(side.copied(dtype))
    side.renew()


def layers_of(side):
    """Return all layers of the copy in float64 by their paths."""
    return dict(side.copied("float64").named_modules())


@contextlib.contextmanager
def changed(layer, name, value):
    """Give a layer another attribute until the context ends."""
    before = getattr(layer, name)
    setattr(layer, name, value)
    try:
        yield
    finally:
        setattr(layer, name, before)


def activation_of(side, path):
    """Return None: activations are layers or functions of their own."""


def activation_name(side, path):  # noqa: ARG001
    """Return nothing: no layer has an activation of its own."""
    return ""


def settings_of(side, path):
    """Return the settings of a layer by their common names."""
    return settings(layers_of(side).get(path), SETTINGS)
