"""Run each benchmark once in a session, for all tests of its group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.grid import SCALES, SLOW, SLOWER, Row, Size
from benchmarks.results import Result
from parity import frameworks
from parity.arrays import Array
from parity.bucketing import Cost
from parity.operations import GATES, find
from parity.throughput.advice import Layer, Model, padded_variant, regret
from parity.throughput.benchmark import Benchmark, Candidate, Prepared
from parity.throughput.calibration import calibrated
from parity.throughput.metrics import metrics_of
from parity.throughput.timing import time_all

LEAST = 6  # rounds: of fewer, no interval covers 95 %


@dataclass
class Group:
    """A row at its size: prepared candidates, errors of the others, times by phase."""

    benchmark: Benchmark
    prepared: dict[str, Prepared] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    times: dict[str, dict[str, Array]] = field(default_factory=dict)


@dataclass
class Bench:
    """A session of benchmarks.

    Attributes:
        sizes: of the scale, by name.
        timing: False in a plain test run, where answers are checked and nothing is timed.
        device: of the frameworks that can choose.
        curves: speed-ups over padded, by axis and point.
        summary: sentences for the end of the run.
    """

    sizes: dict[str, Size]
    timing: bool
    device: str
    results: list[Result] = field(default_factory=list)
    models: dict[Layer, Model] = field(default_factory=dict)
    curves: dict[str, dict[float, dict[str, Any]]] = field(default_factory=dict)
    summary: list[str] = field(default_factory=list)
    _row: Row | None = None
    _group: Group | None = None

    def budget(self, seconds: float) -> float:
        """Return the seconds for the rounds of a group; none at tiny sizes, where only the fewest rounds are made."""
        return 0.0 if self.sizes == SCALES["tiny"] else seconds

    def group(self, row: Row) -> Group:
        """Prepare the candidates of a row, and drop those of the row before."""
        if row != self._row or self._group is None:
            self._row, self._group = row, self._prepared(row)
        return self._group

    def _prepared(self, row: Row) -> Group:
        case = row.case(self.sizes[row.size])
        model = self.model(row)
        group = Group(Benchmark(case, model.groupings() if model else {}, self.device))
        for candidate in row.candidates():
            if frameworks.is_absent(candidate.framework):
                continue
            name = str(candidate)
            if not self.timing:  # tracing takes seconds, and the matrix of checks runs the graphs
                candidate = replace(candidate, mode="eager")
            try:
                group.prepared[name] = group.benchmark.prepare(candidate)
            except Exception as error:  # its own test reports it
                group.failures[name] = error
        return group

    def model(self, row: Row) -> Model | None:
        """Return the costs of a row's variants; None if the row is not recurrent."""
        cell = find(row.operation).function
        if cell not in GATES:
            return None
        return self.model_of(self.layer(row), self.sizes[row.size])

    def model_of(self, layer: Layer, size: Size) -> Model | None:
        """Return the costs of a layer's variants, measured once; None in a plain run."""
        if self.timing and layer not in self.models:
            self.models[layer] = calibrated(layer, size.batch, size.steps)
        return self.models.get(layer)

    def times(self, row: Row, phase: str) -> dict[str, Array]:
        """Return the seconds of every prepared candidate, in interleaved rounds."""
        group = self.group(row)
        if phase not in group.times:
            budget = self.budget(row.budget if phase == "train" else row.budget / 3)
            calls = {name: one.calls[phase] for name, one in group.prepared.items()}
            group.times[phase] = time_all(calls, budget, self.device, least=LEAST)
        return group.times[phase]

    def result(self, row: Row, phase: str, candidate: Candidate) -> tuple[Array, dict[str, Any]]:
        """Return the rounds of one candidate, and its metrics as plain data."""
        times, group, name = self.times(row, phase), self.group(row), str(candidate)
        prepared = group.prepared[name]
        metrics = metrics_of(name, group.benchmark.case, phase, times, self.padded_cost(row, candidate.framework))
        worst = prepared.worst
        result = Result(
            row,
            phase,
            candidate,
            conditions=self.conditions(row, phase, candidate),
            metrics=metrics,
            compile_seconds=max(0.0, prepared.first_seconds[phase] - metrics.median_seconds),
            peak_memory_bytes=prepared.memory() if phase == "train" else None,
            kernels=prepared.kernels() if phase == "train" else None,
            launches=prepared.launches() if phase == "train" else None,
            score={"norm": worst.norm_score, "element": worst.score, "quantity": worst.quantity},
        )
        self.results.append(result)
        return times[name], result.extra_info()

    def regrets(self) -> dict[str, float]:
        """Return the regret of following `parity advise`, by trained row and framework."""
        regrets = {}
        for row in dict.fromkeys(result.row for result in self.results):
            model = self.model(row)
            if model is None:
                continue
            case = row.case(self.sizes[row.size])
            ranking = model.ranking(case.lengths, case.steps)
            for framework in frameworks.FRAMEWORKS:
                measured = self._trained(row, framework)
                if len(measured) > 1:
                    advised = next(name for name, _ in ranking if name in measured)
                    regrets[f"{row} {framework}"] = regret(advised, measured)
        return regrets

    def _trained(self, row: Row, framework: str) -> dict[str, float]:
        key = (row, "train", framework)
        trained = [result for result in self.results if (result.row, result.phase, result.candidate.framework) == key]
        return {str(result.candidate): result.metrics.median_seconds for result in trained}

    def layer(self, row: Row) -> Layer:
        """Return the layer of a row, as `parity advise` describes it."""
        size = self.sizes[row.size]
        without = SLOWER if row.operation.startswith("bidirectional.") else SLOW
        return Layer(row.operation, row.config, size.features, size.hidden, without=without, device=self.device)

    def padded_cost(self, row: Row, framework: str) -> Cost | None:
        """Return the cost of a framework's padded variant; None where it is not measured."""
        model = self.model(row)
        return model.costs.get(padded_variant(framework, model.costs)) if model else None

    def conditions(self, row: Row, phase: str, candidate: Candidate) -> dict[str, Any]:
        """Return what is run, and at which size."""
        size = self.sizes[row.size]
        return {
            "operation": row.operation,
            "config": row.config,
            "distribution": row.distribution,
            "phase": phase,
            "framework": candidate.framework,
            "variant": candidate.variant,
            "mode": candidate.mode,
            "device": frameworks.device_of(candidate.framework, self.device),
            "B": size.batch,
            "T": self.group(row).benchmark.case.steps,
            "D": size.features,
            "H": size.hidden,
        }
