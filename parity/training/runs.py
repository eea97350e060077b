"""Train a model in one framework, and cache the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from parity import frameworks
from parity.caching import cached
from parity.errors import a_function, choose
from parity.operations import find
from parity.training.floors import envelope
from parity.training.setup import MODELS, OPTIMISERS, STEPS, Trajectory, check_numbers, training_setup

Build = Callable[[Mapping[str, Any]], Any]  # from a framework's parameters by name to one of its optimisers
Model = Callable[..., Mapping[str, Any]]


def train(
    model: str,
    optimiser: str,
    framework: str,
    *,
    steps: int = STEPS,
    seed: int = 0,
    build: Build | None = None,
    function: Model | None = None,
) -> Trajectory:
    """Train a model in one framework, in float32.

    Args:
        model, optimiser: of `MODELS` and `OPTIMISERS`.
        framework: "reference", "pytorch" or "tensorflow"; their first variants.
        steps, seed: how many batches to learn from, and what samples them and the weights.
        build: an optimiser of your own: from parameters by name to a `torch.optim.Optimizer` or a Keras one. With
            "clipped", the gradients that it gets are clipped already.
        function: a model of your own; see ``parity/pytorch/model.py`` for its arguments. Both run under the defaults of
            their framework, whatever the caller has set, and nothing is remembered of them.

    Raises:
        InputError: an unknown name, with the nearest right one; steps that are not 1 to 999; a wrong seed.
        FrameworkUnavailable: the framework cannot be loaded.

    >>> trained = train("model.vowel_speaker", "adam", "reference", steps=2)
    >>> trained.losses.shape, trained.weights["w_out"].shape
    ((2,), (3, 6, 9))
    """
    choose("model", model, MODELS)
    choose("optimiser", optimiser, OPTIMISERS)
    choose("framework", framework, frameworks.WITH_REFERENCE)
    check_numbers(steps, seed)
    for name, given in (("build", build), ("function", function)):
        if given is not None:
            a_function(name, given)
    if framework == "reference":
        return envelope(model, steps, seed)[optimiser].expected
    run = _trained if build is None and function is None else _train
    return run(model, optimiser, framework, steps, seed, build, function)


def _train(
    model: str, optimiser: str, framework: str, steps: int, seed: int, build: Build | None, function: Model | None
) -> Trajectory:
    row, config = find(model), MODELS[model]
    setup = training_setup(model, steps, seed)
    call = frameworks.call(row, config, framework, row.variants[framework][0])
    if function is not None:
        call = frameworks.bind(function, row, config)
    module = import_module(f"parity.{framework}.optimiser")
    chosen = OPTIMISERS[optimiser]
    usual = partial(module.OPTIMISERS[chosen.kind], pad_rows=setup.pad_rows, **chosen.settings)
    axes = {"lengths": "B", **row.configuration(config).axes}
    *batches, unseen = setup.batches
    with frameworks.runtime(framework).settings():
        trainer = module.Trainer(call, setup.start, usual if build is None else build, axes, chosen.clip_norm)
        losses, path = [], [_copied(trainer.weights())]
        for batch in batches:
            losses.append(trainer.step(batch))
            path.append(_copied(trainer.weights()))
        logits = np.array(trainer.predict(unseen)["logits"])
    if function is not None:
        frameworks.release(call)
    weights = {name: np.stack([at[name] for at in path]) for name in setup.start}
    return Trajectory(np.array(losses), weights, logits)


_trained = cached(maxsize=64)(_train)  # not with a user's model or optimiser, which may change


def _copied(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: array.copy() for name, array in weights.items()}
