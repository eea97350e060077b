"""Collect the results of a session, and tabulate the fastest variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.grid import Row
from parity.throughput.benchmark import Candidate
from parity.throughput.metrics import Metrics


@dataclass(frozen=True)
class Result:
    """The result of one candidate in one phase of a row.

    Attributes:
        conditions: what was run, by name, for JSON.
        compile_seconds: of the first call, beyond a usual one.
        peak_memory_bytes: that training adds on its device; None where it cannot be measured.
        kernels: names of the kernels that ran in training; None in the forward phase.
        launches: how many kernels training launches on a GPU, over all steps; None on a CPU.
        score: of the worst quantity of its answer: "norm", "element", and its name, "quantity".
    """

    row: Row
    phase: str
    candidate: Candidate
    conditions: Mapping[str, Any]
    metrics: Metrics
    compile_seconds: float
    peak_memory_bytes: int | None
    kernels: list[str] | None
    launches: int | None
    score: Mapping[str, Any]

    def extra_info(self) -> dict[str, Any]:
        """Return all of it as plain data by name, for pytest-benchmark's JSON."""
        return {
            **self.conditions,
            **self.metrics.to_dict(),
            "compile_seconds": self.compile_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "kernels": self.kernels,
            "launches": self.launches,
            "score": dict(self.score),
        }


def fastest(results: Iterable[Result]) -> Table:
    """Return a table of the fastest variant for each row, phase and framework."""
    table = Table(title="fastest exact variant", box=None, pad_edge=False, header_style="dim", title_justify="left")
    for name in ("row", "phase", "framework", "fastest", "kernel"):
        table.add_column(name, no_wrap=True)
    for name in ("real steps/s", "of peak", "over the others (95 %)", "of ideal", "A/A"):
        table.add_column(name, justify="right", no_wrap=True)
    for (row, phase), group in _groups(results).items():
        for framework in sorted({result.candidate.framework for result in group}):
            best = next(result for result in group if result.candidate.framework == framework)
            table.add_row(row, phase, framework, str(best.candidate).partition(".")[2], *_cells(best))
    return table


def _groups(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    """Group results by row and phase, each group fastest first."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((str(result.row), result.phase), []).append(result)
    for group in groups.values():
        group.sort(key=lambda result: result.metrics.median_seconds)
    return groups


def _cells(result: Result) -> list[str]:
    metrics = result.metrics
    speedups = [f"{name.partition('.')[2]} {speedup}" for name, speedup in metrics.speedup_over.items()]
    return [
        ", ".join(result.kernels or []),
        f"{metrics.real_steps_per_second:,.0f}",
        "" if metrics.share_of_peak is None else f"{metrics.share_of_peak:.0%}",
        "  ".join(speedups),
        " / ".join(f"{share:.0%}" for share in metrics.share_of_ideal.values()),
        f"±{metrics.a_a.half_width:.0%}",
    ]
