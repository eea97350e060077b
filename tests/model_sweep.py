"""Check many samples of weights and sequences of good models, and print false alarms and the largest scores.

Each sample has weights and sequences of its own; float64 and the dtype are both judged. Exit with 1 for a false alarm.

    python tests/model_sweep.py --seeds 100                       # everything; hours on two cores
    python tests/model_sweep.py --seeds 10 --scale 1 --only attention --framework pytorch
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.arrays import numpy_defaults
from parity.checks.result import Result
from parity.checks.verdict import Verdict
from parity.models.checking import chosen_contracts
from parity.models.findings import Findings
from parity.models.sides import side_of
from parity.models.subject import NotRun, Subject

SCALES = (1.0, 5.0, 15.0)  # of the weights; attention is saturated with the last
NEAR = 0.25  # of a limit: a score to look at


def main() -> int:
    """Run the sweep and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="samples of each model and scale (default: 3)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--scale", type=float, action="append", help="of the weights (default: 1, 5 and 15)")
    parser.add_argument("--framework", choices=("pytorch", "tensorflow"), help="only this one")
    parser.add_argument("--only", default="", help="only models whose name has this in it")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent.parent))  # for the tables of models
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    alarms = count = 0
    for seed in range(
        options.first, options.first + options.seeds
    ):  # seeds first: a sweep that ends early has all models
        for scale in options.scale or SCALES:
            for subject in subjects(options.framework, options.only):
                verdict = subject.judged(seed, scale)
                count += 1
                alarms += not verdict
                if not verdict:
                    print(f"FALSE ALARM: {subject.name}, seed {seed}, weights x {scale:g}\n{verdict}", flush=True)
        print(f"seed {seed}: {count} checks so far, {alarms} false alarms, {time.process_time():.0f} s", flush=True)
        for subject in subjects(options.framework, options.only):
            if subject.worst is not None and subject.worst[0] > NEAR:
                print(f"  {subject.summary()}", flush=True)
    for subject in subjects(options.framework, options.only):
        print(subject.summary())
    return int(alarms > 0)


@dataclass
class Model:
    """A good model, and the largest share of a limit that it has taken so far."""

    name: str
    make: Callable[[int, float], Any]
    inputs: Any
    options: dict[str, Any]
    worst: tuple[float, Result, int, float] | None = None
    sides: list[Any] = field(default_factory=list)

    def judged(self, seed: int, scale: float) -> Verdict:
        """Judge it with weights and sequences of a seed."""
        chosen = chosen_contracts([*self.options.get("layouts", ["padded"])], [])
        with numpy_defaults():
            side = self.side(seed, scale)
            found = Findings(side.name, side.framework, [])
            try:
                Subject(side, self.inputs, chosen, "float32", found).judge(seed)
            except NotRun as error:
                found.not_run(str(error), "float32")
        verdict = found.verdict({})
        for result in verdict.results:
            if self.worst is None or result.share > self.worst[0]:
                self.worst = result.share, result, seed, scale
        return verdict

    def side(self, seed: int, scale: float) -> Any:
        """Return a side with other weights; in Keras the same side, whose graphs need not be traced again."""
        model = self.make(seed, scale)
        if self.sides and self.sides[0].framework == "tensorflow":
            side = self.sides[0]
            if model.weights:
                side.model.set_weights(model.get_weights())
            return side
        options = {"call": None, "outputs": None, "loss": None, **self.options, "training": False}
        options.pop("layouts", None)
        side, _ = side_of(model, self.inputs, **options)
        self.sides[:] = [side]
        return side

    def summary(self) -> str:
        """Return the largest share of a limit in one line."""
        if self.worst is None:
            return f"{self.name}: nothing was compared"
        share, result, seed, scale = self.worst
        at = f"{result.contract}, {result.quantity}, {result.dtype}, seed {seed}, weights x {scale:g}"
        return f"{self.name}: at most {share:.3f} of a limit ({at})"


MODELS: dict[str, Model] = {}


def subjects(framework: str | None, only: str) -> Iterator[Model]:
    """Yield all models of a framework whose names have some text in them."""
    if not MODELS:
        MODELS.update({model.name: model for model in every(framework)})
    return (model for model in MODELS.values() if only in model.name)


def every(framework: str | None) -> Iterator[Model]:
    """Yield the good models of one framework, or of both."""
    if framework != "tensorflow":
        from tests import pytorch_models

        for name, good in pytorch_models.GOOD.items():
            make = lambda seed, scale, good=good: in_pytorch(good.make, seed, scale)  # noqa: E731
            yield Model(f"pytorch {name}", make, good.inputs, dict(good.options))
    if framework != "pytorch":
        from tests import keras_models

        for name, good in keras_models.GOOD.items():
            make = lambda seed, scale, good=good: in_keras(good.make, seed, scale)  # noqa: E731
            yield Model(f"keras {name}", make, good.inputs, dict(good.options))


def in_pytorch(make: Callable[[], Any], seed: int, scale: float) -> Any:
    """Make a module of PyTorch with random weights, some times as large as usual."""
    import torch

    torch.manual_seed(seed)
    module = make()
    with torch.no_grad():
        for parameter in module.parameters():
            if not torch.nn.parameter.is_lazy(parameter):
                parameter.mul_(scale)
    return module


def in_keras(make: Callable[[], Any], seed: int, scale: float) -> Any:
    """Make a model of Keras with random weights, some times as large as usual."""
    import keras

    keras.utils.set_random_seed(seed)
    model = make()
    for variable in model.trainable_variables:
        variable.assign(variable * scale)
    return model


if __name__ == "__main__":
    raise SystemExit(main())
