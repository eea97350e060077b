"""What a session of benchmarks says in the end: a table of figures, and which way to go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rich.table import Table

from benchmarks.bench import Result

Key = tuple[str, str]  # row, phase


def groups(results: Iterable[Result]) -> dict[Key, list[Result]]:
    """Results of the same row and phase, fastest first."""
    found: dict[Key, list[Result]] = defaultdict(list)
    for result in results:
        found[str(result.row), result.phase].append(result)
    return {
        key: sorted(group, key=lambda result: float(result.figures["median_seconds"])) for key, group in found.items()
    }


def fastest(results: Iterable[Result]) -> Table:
    """For each row, phase and framework: the fastest exact variant, and by how much."""
    table = Table(title="fastest exact variant", box=None, pad_edge=False, header_style="dim", title_justify="left")
    for name in ("what", "phase", "framework", "fastest", "kernel"):
        table.add_column(name, no_wrap=True)
    for name in ("real steps/s", "of peak", "over the others (95 %)", "of ideal", "A/A"):
        table.add_column(name, justify="right", no_wrap=True)
    for (row, phase), group in groups(results).items():
        for framework in sorted({result.entry.framework for result in group}):
            best = next(result for result in group if result.entry.framework == framework)
            table.add_row(row, phase, framework, str(best.entry).partition(".")[2], *_cells(best))
    return table


def _cells(best: Result) -> list[str]:
    figures = best.figures
    over = [
        f"{name.partition('.')[2]} {ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"
        for name, ratio in figures["speedup_over"].items()
    ]
    ideal = figures.get("share_of_ideal", {})
    return [
        ", ".join(figures["kernels"] or []),
        f"{figures['real_steps_per_second']:,.0f}",
        f"{figures['share_of_peak']:.0%}" if "share_of_peak" in figures else "",
        "  ".join(over),
        " / ".join(f"{share:.0%}" for share in ideal.values()),
        f"±{figures['a_a']['half_width']:.0%}",
    ]
