"""What pytest-benchmark writes of a run of benchmarks, small and made up."""

from __future__ import annotations

from typing import Any

RATIO = {"median": 2.0, "low": 1.5, "high": 2.5, "half_width": 0.25}


def row(framework: str, variant: str, phase: str = "train", seconds: float = 0.01, **said: Any) -> dict[str, Any]:
    """A benchmark of ``benchmarks/test_recurrent.py``."""
    over = {} if variant == "padded" else {f"{framework}.padded": RATIO, f"{framework}.packed": RATIO}
    info = {
        **{"operation": "rnn.lstm", "config": "one_layer", "distribution": "lognormal", "phase": phase},
        **{
            "framework": framework,
            "variant": variant,
            "mode": "eager",
            "device": "cpu",
            "B": 8,
            "T": 16,
            "D": 4,
            "H": 6,
        },
        **{"rounds": 5, "median_seconds": seconds, "real_steps": 40, "padded_steps": 128, "fill": 0.3125},
        **{"real_steps_per_second": 40 / seconds, "peak_gflops": 100.0, "speedup_over": over, "a_a": RATIO},
        **{"gflops": 12.5, "share_of_peak": 0.125, "ideal_speedup": {"by_flops": 3.2}, "compile_seconds": 0.5},
        **{
            "share_of_ideal": {"by_flops": 0.625} if over else {},
            "peak_memory_bytes": 4_000_000,
            "kernels": ["oneDNN"],
        },
        "score": {"norm": 0.5, "element": 2.0, "quantity": "d_x"},
    }
    rounds = [seconds * share for share in (0.8, 0.9, 1.0, 1.1, 1.2)]
    return {"name": "test_throughput", "extra_info": info | said, "stats": {"data": rounds}}


def point(at: float, speedup: float, axis: str = "fill", **said: Any) -> dict[str, Any]:
    """A benchmark of ``benchmarks/test_crossover.py``: one variant, whose interval is a tenth to both sides."""
    over = {"median": speedup, "low": speedup / 1.1, "high": speedup * 1.1, "half_width": 0.1, "median_seconds": 0.1}
    variants = {"pytorch.padded": over, "pytorch.packed": over}
    info = {"axis": axis, "at": at, "B": 8, "T": 16, "speedup_over_padded": variants} | said
    return {"name": "test_over_fill", "extra_info": info, "stats": {"data": [1.0]}}


def written(*benchmarks: dict[str, Any]) -> dict[str, Any]:
    """The whole JSON; without benchmarks of your own, one with some of each kind."""
    usual = [
        *(
            row("pytorch", variant, phase, seconds)
            for phase, seconds in (("train", 0.03), ("forward", 0.01))
            for variant in ("padded", "packed")
        ),
        row("tensorflow", "padded", mode="graph"),
        row("tensorflow", "padded", mode="xla", kernels=None, share_of_peak=None),
        *(point(at, speedup) for at, speedup in ((0.25, 2.0), (0.5, 1.0), (1.0, 0.5))),
        {"name": "test_an_epoch", "extra_info": {"batches": "planned", "real_steps_per_second": 100.0}, "stats": {}},
        {"name": "test_import", "extra_info": {"import_seconds": 0.1}, "stats": {}},
    ]
    machine = {
        **{"machine": "x86_64", "system": "Linux", "release": "6.1", "python_version": "3.11.7"},
        "cpu": {"brand_raw": "a processor", "count": 2, "flags": ["avx"]},
        "versions": {"torch": "2.13.0", "tensorflow": None},
        "frameworks": {"pytorch": {"device": "cpu", "threads": 2}},
    }
    return {"machine_info": machine, "datetime": "2026-11-21T09:23:05+00:00", "benchmarks": list(benchmarks) or usual}
