"""Do without dropout in a module, that of functions too."""

import contextlib
from unittest import mock

import torch
from torch.nn import functional

from parity.pairs.pytorch_half import changed
from parity.pairs.randomness import dropping

FUNCTIONS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
RATES = ("p", "dropout", "dropout_p", "attention_dropout", "stddev")


def dropouts(side):
    """Return all layers that drop numbers in training."""
    return dropping(side.model.named_modules(), RATES)


@contextlib.contextmanager
def without_dropout(side, found):
    """Set all rates to 0 until the context ends, and note those of functions."""
    own = dropouts(side)
    found.rates.update({path: rate for path, _, _, rate in own})
    with contextlib.ExitStack() as stack:
        for _, layer, name, _ in own:
            stack.enter_context(changed(layer, name, 0.0))
        side.copies.clear()
        for name in FUNCTIONS:
            stack.enter_context(mock.patch.object(functional, name, kept(side, found, True)))
        stack.enter_context(mock.patch.object(torch, "dropout", kept(side, found, False)))
        attend = functional.scaled_dot_product_attention
        attention = attending(side, found, attend)
        stack.enter_context(mock.patch.object(functional, "scaled_dot_product_attention", attention))
        yield
    side.copies.clear()


def kept(side, found, training):
    """Return a function that drops nothing, and notes what it would have dropped."""

    def drop(input, p=0.5, training=training, inplace=False):  # noqa: A002, ARG001
        if training and p > 0:
            found.call(paths(side), p)
        return input

    return drop


def attending(side, found, attend):
    def attention(*args, dropout_p=0.0, **options):
        if dropout_p > 0:
            found.call(paths(side), dropout_p)
        return attend(*args, **options)

    return attention


def paths(side):
    return {id(layer): path for model in side.copies.values() for path, layer in model.named_modules()}


def seeded(side, seed):  # noqa: ARG001
    """Return a context for other random numbers: a run has its own seed."""
    return contextlib.nullcontext()
