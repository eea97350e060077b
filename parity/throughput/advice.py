"""Which variant is fastest for given lengths, from a model that is calibrated once per machine.

Whatever a strategy does, it makes some calls, takes some steps one after the other, and works on some rows; a
variant's time is close to ``call·calls + step·steps + row·rows`` (`parity.bucketing.Cost`), with three figures of its
own. They are fitted to a few short runs at the layer's width, and kept in a file. Strategies differ in how they count:

    padded, masked …     one call, T steps, B·T rows
    packed, real_steps   one call, as many steps as the longest has, a row for each real step
    bucketed             a call for each group, its longest, its rows padded to that
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from parity import __version__, frameworks
from parity import bucketing as planner
from parity.arrays import Lengths, check_lengths
from parity.bucketing import Cost
from parity.cases.lengths import sample_lengths
from parity.cases.sampling import with_lengths
from parity.errors import InputError, choose, finite, of_kind, shown, whole_number
from parity.operations import find
from parity.throughput.benchmark import Entry, Race, by_framework, entries, installed
from parity.throughput.timing import interleaved, seconds

STEADY = 1.3  # median over fastest round: more, in half of all runs, says that something else was running
MOST_STEPS = 1024  # of a calibration's long batches: time is linear in steps

Counts = tuple[float, float, float]  # calls, steps, rows

ON_REAL_STEPS = ("packed", "packed_sorted", "pytorch.time_major", "real_steps")  # TensorFlow's is padded
IN_GROUPS = {"pytorch": ("padded", "two_pass"), "tensorflow": ("masked",)}  # what `bucketed` runs on each group


@dataclass(frozen=True)
class Layer:
    """What is to be run: an operation at a size, in a phase.

    Attributes:
        operation, config: a recurrent row of `OPERATIONS` and one of its configurations.
        features, hidden: D and H.
        phase: "train" (forward and backward) or "forward".
        without: variants, or "framework.variant", that are left out.
        device: of the frameworks that can choose.
    """

    operation: str
    config: str
    features: int
    hidden: int
    phase: str = "train"
    without: tuple[str, ...] = ()
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.operation}, D = {self.features}, H = {self.hidden}, {self.phase}"

    def race(self, lengths: npt.ArrayLike, steps: int = 0, costs: Mapping[str, Cost] | None = None) -> Race:
        """Its variants on sampled input with these lengths, float32."""
        case = with_lengths(self.operation, self.config, lengths, "float32", 0, steps, D=self.features, H=self.hidden)
        return Race(case, costs or {}, self.device)

    def entries(self) -> list[Entry]:
        """Its variants, of the frameworks that are there."""
        return installed(entries(find(self.operation), self.config, self.without))


@dataclass(frozen=True)
class Model:
    """What each variant costs on this machine.

    Attributes:
        costs: by name, "framework.variant".
        steady: whether the runs it was fitted to agreed with each other; a busy machine's figures are not kept.
    """

    costs: Mapping[str, Cost]
    steady: bool = True

    def seconds(self, name: str, lengths: npt.ArrayLike, steps: int = 0) -> float:
        """Predicted seconds for one batch."""
        cost = self.costs[choose("name", name, self.costs)]
        counted = counts(name, check_lengths(lengths, planner.ANY_STEPS), steps, self.grouping(name))
        return float(np.dot([cost.call, cost.step, cost.row], counted))

    def grouping(self, name: str) -> Cost:
        """What ``bucketed`` plans by: the cost of what it runs on each group."""
        framework = name.partition(".")[0]
        known = (
            self.costs[f"{framework}.{base}"] for base in IN_GROUPS[framework] if f"{framework}.{base}" in self.costs
        )
        return next(known, planner.DEFAULT)

    def groupings(self) -> dict[str, Cost]:
        """`grouping`, by framework."""
        return {
            framework: self.grouping(f"{framework}.") for framework in {name.partition(".")[0] for name in self.costs}
        }

    def ranking(self, lengths: npt.ArrayLike, steps: int = 0) -> list[tuple[str, float]]:
        """All variants with their predicted seconds, fastest first."""
        return sorted(((name, self.seconds(name, lengths, steps)) for name in self.costs), key=lambda pair: pair[1])


def unmasked(framework: str, known: Collection[str]) -> str:
    """The name of a framework's padded variant, over which speed-ups count; empty if it is not among the known."""
    return next((name for base in ("padded", "two_pass") if (name := f"{framework}.{base}") in known), "")


def counts(name: str, lengths: Lengths, steps: int, grouping: Cost) -> Counts:
    """Calls, steps and rows of a variant on one batch.

    >>> counts("pytorch.packed", np.array([3, 1]), steps=4, grouping=planner.DEFAULT)
    (1, 3, 4)
    >>> counts("pytorch.padded", np.array([3, 1]), steps=4, grouping=planner.DEFAULT)
    (1, 4, 8)
    """
    variant = name.partition(".")[2]
    longest = int(lengths.max(initial=1))
    steps = max(whole_number("steps", steps), longest)
    if variant == "bucketed":
        plan = planner.split(lengths, grouping)
        sizes = np.diff(plan.bounds)
        return len(plan.steps), int(plan.steps.sum()), int(sizes @ plan.steps)
    if {variant, name} & set(ON_REAL_STEPS):
        return 1, longest, int(lengths.sum())
    return 1, steps, steps * len(lengths)


def calibration_lengths(batch: int, steps: int) -> list[Lengths]:
    """Batches that tell calls, steps and rows apart, at a third of the steps and at a tenth: time is linear in them.

    No batch has all lengths equal: PyTorch runs such a packed batch as if it were padded, several times as fast.
    """
    steps = min(steps, MOST_STEPS)
    long, short, few = max(2, steps // 3), max(2, steps // 10), max(2, batch // 8)
    ragged = sample_lengths("lognormal", np.random.default_rng(0), batch, long)
    almost_equal = []
    for rows, extent in ((batch, long), (batch, short), (few, long)):
        lengths = np.full(rows, extent)
        lengths[0] -= 1
        almost_equal.append(check_lengths(lengths, extent))
    return [*almost_equal, ragged]


def calibrate(layer: Layer, batch: int, steps: int, rounds: int = 3) -> Model:
    """Measure every variant of a layer on this machine.

    Answers are not checked here: nothing of it is reported, and the contracts hold all variants at small sizes.
    """
    names = layer.entries()
    samples: dict[str, list[tuple[Counts, float]]] = {str(entry): [] for entry in names}
    model, spread = Model({}), []
    for lengths in calibration_lengths(batch, steps):
        race = layer.race(lengths, costs=model.groupings())
        contenders = {str(entry): race.unchecked(entry)[0][layer.phase] for entry in names}
        for contender in contenders.values():
            seconds(contender)  # a first call, for nothing
        for group in by_framework(contenders).values():
            for name, found in interleaved(group, budget=0.0, least=rounds).items():
                fastest = float(found.min())  # whatever else ran can only add
                samples[name].append((counts(name, lengths, 0, model.grouping(name)), fastest))
                spread.append(float(np.median(found)) / fastest)
        model = Model({name: planner.fit(found) for name, found in samples.items()}, float(np.median(spread)) < STEADY)
    return model


def calibrated(layer: Layer, batch: int, steps: int, again: bool = False) -> Model:
    """The model of a layer on this machine, from the file if it was measured before.

    Args:
        batch, steps: B and T of a usual batch: the calibration stays in their order of magnitude.
        again: measure even if the file has it.
    """
    model = None if again else cached(layer, batch, steps)
    if model is None:
        model = calibrate(layer, batch, steps)
        keep(layer, batch, steps, model)
    return model


def regret(predicted: str, measured: Mapping[str, float]) -> float:
    """Measured seconds of the variant that was advised, over those of the fastest.

    >>> regret("a", {"a": 1.5, "b": 1.0})
    1.5
    """
    of_kind("measured", measured, Mapping, "seconds by name")
    seconds = {str(name): finite("measured", found, "seconds") for name, found in measured.items()}
    fastest = min(seconds.values(), default=0.0)
    if fastest <= 0:
        raise InputError("measured", shown(measured), "seconds above 0 by name")
    return seconds[choose("predicted", predicted, seconds)] / fastest


def cache_file() -> Path:
    """Where calibrations are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, padding-parity/costs.json."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "padding-parity" / "costs.json"


def cached(layer: Layer, batch: int, steps: int) -> Model | None:
    """What the file says about a layer on this machine, with these versions; None if nothing."""
    found: Any = _read().get(_key(layer, batch, steps))
    try:
        model = Model({name: Cost(**cost) for name, cost in found.items()})
    except (AttributeError, TypeError, InputError):  # somebody else's file, or a damaged one
        return None
    return model if set(model.costs) == {str(entry) for entry in layer.entries()} else None


def keep(layer: Layer, batch: int, steps: int, model: Model) -> None:
    """Write a steady model to the file, as far as that can be done: without it, the next run measures again."""
    if not model.steady:
        return
    known = _read() | {_key(layer, batch, steps): {name: asdict(cost) for name, cost in model.costs.items()}}
    with suppress(OSError, RuntimeError):  # RuntimeError: nobody's home
        file = cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        whole = file.with_suffix(f".{os.getpid()}")
        whole.write_text(json.dumps(known, indent=1), encoding="utf-8")
        whole.replace(file)


def _key(layer: Layer, batch: int, steps: int) -> str:
    """What the figures depend on. Neighbouring sizes share them."""
    present = sorted({entry.framework for entry in layer.entries()})
    found = [
        f"{frameworks.runtime(framework).VERSION} {frameworks.runtime(framework).environment()['threads']} threads"
        for framework in present
    ]
    machine = [platform.node(), platform.machine(), str(_cores()), __version__, *found]
    size = [str(2 ** round(math.log2(max(1, extent)))) for extent in (batch, steps)]
    return " ".join([*map(str, asdict(layer).values()), *size, *machine])


def _cores() -> int:
    """Those that this process may use, where the system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read() -> dict[str, Any]:
    try:
        found = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}
