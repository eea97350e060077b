"""One session of benchmarks: races are run once for each group, and every test of the group takes its part of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.grid import SLOW, SLOWER, Row, Size
from parity import frameworks
from parity.arrays import Array
from parity.bucketing import Cost
from parity.operations import GATES, find
from parity.throughput.advice import Layer, Model, calibrated, regret, unmasked
from parity.throughput.benchmark import Entry, Prepared, Race, timed
from parity.throughput.metrics import figures

LEAST = 6  # rounds: of fewer, no interval holds 95 %


@dataclass(frozen=True)
class Result:
    """What one entry reached in one phase of a row."""

    row: Row
    phase: str
    entry: Entry
    figures: dict[str, Any]


@dataclass
class Group:
    """A row at its size: what is ready to run, and why the rest is not."""

    race: Race
    prepared: dict[str, Prepared] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    times: dict[str, dict[str, Array]] = field(default_factory=dict)  # by phase


@dataclass
class Bench:
    """The session.

    Attributes:
        sizes: of the scale, by name.
        timing: False in a plain test run, where answers are checked and nothing is timed.
        device: of the frameworks that can choose.
    """

    sizes: dict[str, Size]
    timing: bool
    device: str
    results: list[Result] = field(default_factory=list)
    models: dict[Layer, Model] = field(default_factory=dict)
    curves: dict[str, dict[float, dict[str, Any]]] = field(default_factory=dict)  # by axis and point
    said: list[str] = field(default_factory=list)  # sentences for the end of the run
    _row: Row | None = None
    _group: Group | None = None

    def group(self, row: Row) -> Group:
        """The row's race, every answer checked. Only the latest is kept: its tensors are large."""
        if row != self._row or self._group is None:
            self._row, self._group = row, self._prepared(row)
        return self._group

    def _prepared(self, row: Row) -> Group:
        case = row.case(self.sizes[row.size])
        model = self.model(row)
        group = Group(Race(case, model.groupings() if model else {}, self.device))
        for entry in row.entries():
            if frameworks.missing(entry.framework):
                continue
            mode = entry.mode if self.timing else "eager"  # tracing costs seconds, and the matrix tries the graphs
            try:
                group.prepared[str(entry)] = group.race.prepare(Entry(entry.framework, entry.variant, mode))
            except Exception as error:  # its own test reports it
                group.failures[str(entry)] = error
        return group

    def model(self, row: Row) -> Model | None:
        """What the row's variants cost on this machine, if its layer is one that `parity advise` knows."""
        cell = find(row.operation).function
        if cell not in GATES:
            return None
        return self.model_of(self.layer(row), self.sizes[row.size])

    def model_of(self, layer: Layer, size: Size) -> Model | None:
        """What the layer's variants cost on this machine, measured once; nothing in a plain run."""
        if self.timing and layer not in self.models:
            self.models[layer] = calibrated(layer, size.batch, size.steps)
        return self.models.get(layer)

    def times(self, row: Row, phase: str) -> dict[str, Array]:
        """Seconds of every entry that is ready, in interleaved rounds."""
        group = self.group(row)
        if phase not in group.times:
            budget = row.budget if phase == "train" else row.budget / 3
            group.times[phase] = timed(group.prepared, phase, budget, self.device, least=LEAST)
        return group.times[phase]

    def result(self, row: Row, phase: str, entry: Entry) -> tuple[Array, dict[str, Any]]:
        """The rounds of one entry, and what they mean."""
        times, group = self.times(row, phase), self.group(row)
        ready, name = group.prepared[str(entry)], str(entry)
        cost = self.padded_cost(row, entry.framework)
        found = self.described(row, phase, entry) | figures(group.race.case, phase, name, times, cost)
        found |= {
            "compile_seconds": max(0.0, ready.first_seconds[phase] - found["median_seconds"]),
            "peak_memory_bytes": ready.memory() if phase == "train" and self.device == "cpu" else None,
            "kernels": ready.kernels() if phase == "train" else None,
            "score": {"norm": ready.worst.norm_score, "element": ready.worst.score, "quantity": ready.worst.quantity},
        }
        self.results.append(Result(row, phase, entry, found))
        return times[name], found

    def regrets(self) -> dict[str, float]:
        """For each trained row, and each framework: what following `parity advise` would have cost."""
        found = {}
        for row in dict.fromkeys(result.row for result in self.results if self.model(result.row)):
            model, case = self.models[self.layer(row)], row.case(self.sizes[row.size])
            for framework in frameworks.FRAMEWORKS:
                measured = {
                    str(result.entry): float(result.figures["median_seconds"])
                    for result in self.results
                    if (result.row, result.phase, result.entry.framework) == (row, "train", framework)
                }
                advised = [name for name, _ in model.ranking(case.lengths, case.steps) if name in measured]
                if len(measured) > 1:
                    found[f"{row} {framework}"] = regret(advised[0], measured)
        return found

    def layer(self, row: Row) -> Layer:
        """What `parity advise` calls it."""
        size = self.sizes[row.size]
        without = SLOWER if row.operation.startswith("bidirectional.") else SLOW
        return Layer(row.operation, row.config, size.features, size.hidden, without=without, device=self.device)

    def padded_cost(self, row: Row, framework: str) -> Cost | None:
        """What the variant costs whose speed-up the ideals are about."""
        costs = self.models[self.layer(row)].costs if self.model(row) else {}
        return costs.get(unmasked(framework, costs))

    def described(self, row: Row, phase: str, entry: Entry) -> dict[str, Any]:
        """What was run."""
        size = self.sizes[row.size]
        return {
            "operation": row.operation,
            "config": row.config,
            "distribution": row.distribution,
            "phase": phase,
            "framework": entry.framework,
            "variant": entry.variant,
            "mode": entry.mode,
            "device": frameworks.device_of(entry.framework, self.device),
            "B": size.batch,
            "T": self.group(row).race.case.steps,
            "D": size.features,
            "H": size.hidden,
        }
