"""Transfer the weights of one model to another, layer by layer, or say all that stands against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from parity.arrays import numpy_defaults
from parity.errors import InputError, a_function, of_kind
from parity.errors import names as name_list
from parity.pairs.names import Named
from parity.pairs.pairing import Layers
from parity.pairs.planning import Plan
from parity.pairs.reading import Reader, Transferring
from parity.pairs.recorded import Recorded
from parity.pairs.rows import round_trip, rows_of, rows_of_map
from parity.pairs.runnables import Call, Given, prepare
from parity.pairs.running import Runnable, Weights, model_of
from parity.pairs.transfer import Transfer


def transfer_weights(
    source: object,
    target: object,
    *,
    inputs: Given = None,
    call: Call = None,
    pairs: Mapping[Named, Named] | None = None,
    ignore: Iterable[str] = (),
    transfer: Transferring | None = None,
    apply: bool = True,
) -> Transfer:
    """Copy the weights of one model to another, in PyTorch or Keras, and return the table of what went where.

    Both models run once on a batch. Layers are paired by kind and sizes, in the order in which they are called. Unless
    every array finds a partner, nothing is changed, and the error lists all that did not.

    Args:
        source, target: modules, Keras models or layers, or functions without arguments that make one. The source may
            be the folder of a recording by `parity.record_model`; ``inputs`` are those of the recording then.
        inputs: what both take: `parity.inputs` or `parity.batch`; or a tuple of the arguments of each, such as
            ``((ids, lengths), ids)``, as arrays or tensors. Guessed from the first layer when None.
        call: takes a model and a batch, as for `check_model`; or a tuple of two, one for each model.
        pairs: names of layers or arrays of the source -> those of the target. Three or four dense layers may stand for
            one attention layer: ``{("query", "key", "value", "output"): "attention"}``.
        ignore: names of layers or arrays, on either side, that are left as they are.
        transfer: a function of your own that copies the weights of its first argument to its second, in place of
            ``pairs`` and ``ignore``. Its map is read off it by numbers in place of weights; both models keep theirs.
        apply: whether to set the weights of the target.

    Returns:
        A `Transfer`: ``str`` is the table; ``weights`` are the arrays, ``gradients`` maps those of the target back.

    Raises:
        TransferError: layers without a partner, choices that are left to the user, or layers that no weights make
            equal, all at once.
        InputError: a wrong argument, or a model that does not run.
        FrameworkUnavailable: a framework cannot be loaded.

    For example, ``print(parity.transfer_weights(module, keras_model))``.
    """
    of_kind("apply", apply, bool, "True or False")
    with numpy_defaults():
        first, second = prepare(source, target, inputs, call)
        _check_recordings(first, second, transfer is not None, apply)
        if transfer is not None:
            if pairs or ignore:
                raise InputError("transfer", "a function, with pairs or ignore", "one of them")
            found = _read(first.model, second.model, a_function("transfer", transfer))
        else:
            found = _transfer(Plan(Layers(first), Layers(second), dict(pairs or {}), name_list("ignore", ignore)))
    if apply:
        found.apply()
    return found


def _check_recordings(source: Runnable, target: Runnable, by_function: bool, apply: bool) -> None:
    """Refuse to change a recording, or to call a user's function with one."""
    recorded = [isinstance(model_of(one.model.side), Recorded) for one in (source, target)]
    if by_function and any(recorded):
        raise InputError("transfer", "a function, with a recording", "two models, or no function")
    if apply and recorded[1]:
        raise InputError("target", "a recording", "a model, which can be given weights")


def _transfer(plan: Plan) -> Transfer:
    """Compute the weights of a plan, and compare each pair of layers alone."""
    connection, couples, notes = plan.decide()
    source, target = plan.source.runnable.model, plan.target.runnable.model
    weights = connection.there.forward(plan.values, {name: a.dtype for name, a in target.arrays().items()})
    rows = rows_of(couples, (plan.source, plan.target), connection, plan.values)
    inexact = round_trip(connection, plan.values, weights) | dict.fromkeys(source.derived(), "it is computed")
    return Transfer(weights, rows, notes, connection.there, inexact, source, target)


def _read(source: Weights, target: Weights, function: Transferring) -> Transfer:
    """Read the map of a user's function off it, and compare the layers that it connects."""
    found, weights, computed = Reader(source, target, function).read()
    values = source.arrays()
    notes = [f"{name}: it is computed by more than copying and adding; its gradient is not mapped" for name in computed]
    left = [name for name in target.numbering.shapes if name not in weights]
    notes += [f"the function leaves as it is: {', '.join(left)}"] if left else []
    unused = [name for name in source.numbering.shapes if not found.used()[source.numbering.ids(name)].all()]
    inexact = dict.fromkeys(unused, "some of it has no image")
    return Transfer(
        weights, rows_of_map(source, target, found, values), notes, found, inexact, source, target, computed
    )
