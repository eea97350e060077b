"""Make results, reports and what pytest-benchmark writes: small, made up, and with something in every part."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from parity import report
from parity.checks.batch_errors import BatchErrors
from parity.checks.blame import Blame, LayerMask
from parity.checks.check import Check
from parity.checks.result import FAILED, PASSED, STATUSES, FirstDifference, HeatMap, Result, Scores, Status
from parity.checks.selection import plan
from parity.checks.sweep import SweepReport, SweepRow, Tally, summarise
from parity.checks.verdict import Verdict
from parity.divergences import DIVERGENCES, DivergenceEntry, Trial
from parity.divergences.entry import report_entry, trial
from parity.mutants import MUTANTS, Kill, MutantResult
from parity.mutants.run import mutant_result
from parity.operations import OPERATIONS
from parity.pairs.first_difference import FirstDifference as FirstOfPair
from parity.pairs.layers import LayerDifference, LayerWeights
from parity.pairs.verdict import SAME, PairVerdict
from parity.report import Report
from parity.report.throughput import throughput
from parity.throughput.results import Throughput
from parity.training import Curve, TrainingRun

LSTM = Check("rnn.lstm", "pytorch", "packed", "float32", "matches_reference")
CASE = "one_layer/ragged"


@cache
def every_check() -> tuple[Check, ...]:
    """Return the checks of a default run, planned once."""
    return tuple(plan())


def result(
    status: Status = PASSED,
    check: Check = LSTM,
    *,
    mode: str = "eager",
    case: str = CASE,
    quantity: str = "y",
    score: float | None = 1.0,
    norm_score: float | None = 0.5,
    limit: float | None = 64.0,
    **fields: Any,
) -> Result:
    """Make a result of a check: with numbers if it passed or failed, of the whole check if there is no case."""
    base = check.result(mode if case else "", case, status)
    if status not in (PASSED, FAILED) or not case:
        return msgspec.structs.replace(base, **fields)
    problem = fields.pop("problem", "element" if status == FAILED else "")
    measured: dict[str, Any] = {
        "quantity": quantity,
        "problem": problem,
        "score": score,
        "limit": limit,
        "norm_score": norm_score,
        "norm_limit": 16.0,
        "max_abs_error": 1e-7,
        "worst_index": (0, 1),
        "compared": 9,
        "scores": {quantity: Scores(score, norm_score)},
    }
    return msgspec.structs.replace(base, **(measured | fields))


def report_of(
    *results: Result,
    frameworks: dict[str, dict[str, Any]] | None = None,
    seed: int = 0,
    seconds: float = 1.5,
    planned: int = 1,
    checked: int = 1,
    interrupted: bool = False,
    **parts: Any,
) -> Report:
    """Build a report of some results; ``parts`` are divergences, training, mutants, sweep and throughput."""
    return report.build(
        results,
        frameworks or {},
        seed=seed,
        seconds=seconds,
        planned=planned,
        checked=checked,
        interrupted=interrupted,
        **parts,
    )


def stale_trial(name: str, framework: str) -> Trial:
    """Make a trial of an entry that gives other values than it states."""
    return trial(DIVERGENCES[name], framework, FAILED, "changed", {"value": 1.0})


def divergence(name: str = "loss.denominator", status: Status = PASSED) -> DivergenceEntry:
    """Make an entry with a trial in each of its frameworks."""
    entry = DIVERGENCES[name]
    reason = "" if status == PASSED else "changed"
    trials = [trial(entry, framework, status, reason, entry.expected[framework]) for framework in entry.snippets]
    return report_entry(entry, trials)


def mutant(status: Any = "killed", name: str = "", kills: Iterable[str] = ("matches_reference",)) -> MutantResult:
    """Make the result of a mutant of the catalogue, by default the first."""
    chosen = MUTANTS[name or next(iter(MUTANTS))]
    by = {contract: Kill("y", 2.5, "off") for contract in kills} if status == "killed" else {}
    return mutant_result(
        chosen, status, "" if status == "killed" else "nothing killed it", by, CASE, "eager", "float32"
    )


def curve(model: str = "model.tagger", optimiser: str = "sgd", **fields: Any) -> Curve:
    """Make a curve of two steps."""
    base = Curve(
        model=model,
        config="lstm",
        optimiser=optimiser,
        settings={"learning_rate": 0.2},
        dtype="float32",
        seed=0,
        steps=2,
        loss=(1.5, 1.4),
        envelope=(1e-8, 2e-8),
        frameworks={"pytorch": TrainingRun(loss=(1.5, None), distance=(1e-8, 2e-8))},
    )
    return msgspec.structs.replace(base, **fields)


def sweep(*failed: Result) -> SweepReport:
    """Make a sweep of one operation, with false alarms if results are given."""
    tally = Tally("rnn.gru", "pytorch", "float32", [1.0], [0.5], seeds=1, checks=1, failed=list(failed))
    return summarise([tally], 0, 1)


def benchmarks(*rows: dict[str, Any]) -> Throughput:
    """Make the report's part of some benchmarks; without any, of some of each kind."""
    return throughput(written(*rows))


def own_verdict(status: Status = FAILED, contract: str = "ignores_padding", **fields: Any) -> Verdict:
    """Make a verdict on a model of a user's, with one contract that has a result and one that was declined."""
    measured = {"quantity": "output", "score": 2.0, "limit": 64.0, "worst_index": (0, 1), "compared": 9}
    problem: Any = "element" if status == FAILED else ""
    one = Result(
        operation="Model",
        framework="pytorch",
        variant="",
        mode="eager",
        dtype="float32",
        case="",
        seed=0,
        contract=contract,
        status=status,
        problem=problem,
        scores={"output": Scores(2.0, 0.5)},
        **measured,  # type: ignore[arg-type]
    )
    errors = BatchErrors("conv", sequences=(0, 2), lengths=(3, 1), steps_per_column=1, rows=((0.0, 1e-3, 2.0), (None,)))
    usual: dict[str, Any] = {
        "declined": {"repeatable": "it is random"},
        "blames": {contract: Blame("conv", "Conv1d", "in", "embed", 0, 1, 3, errors=errors)} if problem else {},
        "otherwise": {contract: "reads padding"},
        "axes": {"output": "BT."},
        "masks": (LayerMask("embed", "Embedding", False, True), LayerMask("conv", "Conv1D", True, False)),
        "notes": ("matched by name: ids=tokens",),
    }
    return Verdict(name="Model", framework="pytorch", results=(one,), **(usual | fields))


def pair_verdict(status: Status = FAILED, **fields: Any) -> PairVerdict:
    """Make a verdict on a pair of models, whose second layers differ if it failed."""
    apart = status == FAILED
    norms = LayerWeights("norm", "bn", "layer_norm", "copied", {"gain": "(3,) | (3,)"}, 4.9e-4 * apart, apart)
    usual: dict[str, Any] = {
        "results": own_verdict(status, SAME).results,
        "same_function": not apart,
        "table": (LayerWeights("head", "tags", "dense", "kernel transposed"), norms),
        "layers": (LayerDifference("head", "tags", "Dense", 0.0, 6e-8), *_norms(apart)),
        "difference": FirstOfPair("norm", "bn", "LayerNormalization", step=1, difference=4.9e-4) if apart else None,
        "cause": "eps is 1e-05 left, 0.001 right; with 0.001 on both sides it agrees to 1.1e-15" if apart else "",
        "weights": "weights: 4 of 4 arrays transferred",
    }
    return PairVerdict(name="Norm = functional", framework="pytorch/tensorflow", **(usual | fields))


def _norms(apart: bool) -> tuple[LayerDifference, ...]:
    norm = LayerDifference("norm", "bn", "LayerNormalization", 2.2e-16, 1.2e-7)
    after = LayerDifference("last", "last", "Dense", None, None)
    differing = LayerDifference("norm", "bn", "LayerNormalization", 4.9e-4, 4.8e-4, differs=True, step=1)
    return (differing if apart else norm, after)


@cache
def small_report() -> Report:
    """Build a report with something in every part."""
    variants = OPERATIONS["rnn.lstm"].variants["pytorch"]
    checks = {
        status: Check("rnn.lstm", "pytorch", variant, "float32", "matches_reference", seed=4)
        for status, variant in zip(STATUSES, variants, strict=False)
    }
    heat_map = HeatMap(
        "y", lengths=(3, 1), steps=3, left=False, steps_per_column=1, rows=((0.1, 1.0, 70.0), (0.5, 0.0, None))
    )
    first = FirstDifference(2, "c", layer=0)
    results = [
        result(PASSED, checks[PASSED], heat_map=heat_map, histogram=(1, 2, 3, 0, 0, 0, 0, 0, 0, 0)),
        result(FAILED, checks[FAILED], score=70.0, observed=0.5, expected=0.25, first=first),
        result("xfailed", checks["xfailed"], problem="raised", detail="it cannot"),
        result("skipped", checks["skipped"], detail="no torch"),
    ]
    return report_of(
        *results,
        frameworks={"pytorch": {"torch": "2.13.0", "threads": 2, "tf32": {"matmul": False}}},
        seed=4,
        planned=4,
        checked=4,
        divergences=[divergence(status=FAILED)],
        training=[curve()],
        mutants=[mutant()],
        sweep=sweep(result(FAILED)),
        throughput=benchmarks(),
        own={"test_model.py::test_model": own_verdict(PASSED)},
    )


RATIO = {"median": 2.0, "low": 1.5, "high": 2.5, "half_width": 0.25}


def row(framework: str, variant: str, phase: str = "train", seconds: float = 0.01, **info: Any) -> dict[str, Any]:
    """Make a benchmark of ``benchmarks/test_recurrent.py``; ``info`` replaces some of its extra_info."""
    padded = variant == "padded"
    usual = {
        "operation": "rnn.lstm",
        "config": "one_layer",
        "distribution": "lognormal",
        "phase": phase,
        "framework": framework,
        "variant": variant,
        "mode": "eager",
        "device": "cpu",
        "B": 8,
        "T": 16,
        "D": 4,
        "H": 6,
        "rounds": 5,
        "median_seconds": seconds,
        "real_steps": 40,
        "padded_steps": 128,
        "fill": 0.3125,
        "real_steps_per_second": 40 / seconds,
        "gflops": 12.5,
        "peak_gflops": 100.0,
        "share_of_peak": 0.125,
        "speedup_over": {} if padded else {f"{framework}.padded": RATIO, f"{framework}.packed": RATIO},
        "a_a": RATIO | {"median": 1.0, "low": 0.95, "high": 1.05},
        "ideal_speedup": {"by_flops": 3.2},
        "share_of_ideal": {} if padded else {"by_flops": 0.625},
        "compile_seconds": 0.5,
        "peak_memory_bytes": 4_000_000,
        "kernels": ["oneDNN"],
        "score": {"norm": 0.5, "element": 2.0, "quantity": "d_x"},
    }
    rounds = [seconds * share for share in (0.8, 0.9, 1.0, 1.1, 1.2)]
    return {"name": "test_throughput", "extra_info": usual | info, "stats": {"data": rounds}}


def point(at: float, speedup: float, axis: str = "fill", **info: Any) -> dict[str, Any]:
    """Make a benchmark of ``benchmarks/test_crossover.py``: one variant, whose interval is a tenth to both sides."""
    over = {"median": speedup, "low": speedup / 1.1, "high": speedup * 1.1, "half_width": 0.1, "median_seconds": 0.1}
    usual = {
        "axis": axis,
        "at": at,
        "operation": "rnn.lstm",
        "phase": "train",
        "device": "cpu",
        "B": 8,
        "T": 16,
        "D": 4,
        "H": 6,
        "ideal_speedup": {"by_flops": 1 / max(at, 1e-300)},
        "speedup_over_padded": {"pytorch.padded": over, "pytorch.packed": over},
    }
    return {"name": "test_over_fill", "extra_info": usual | info, "stats": {"data": [1.0]}}


def written(*benchmarks: dict[str, Any]) -> dict[str, Any]:
    """Make all of pytest-benchmark's JSON; without any benchmarks, with some of each kind."""
    machine = {
        "machine": "x86_64",
        "system": "Linux",
        "release": "6.1",
        "python_version": "3.11.7",
        "cpu": {"brand_raw": "a processor", "count": 2, "flags": ["avx"]},
        "versions": {"torch": "2.13.0", "tensorflow": None},
        "frameworks": {"pytorch": {"device": "cpu", "threads": 2}},
    }
    usual = [
        row("pytorch", "padded", "train", 0.03),
        row("pytorch", "packed", "train", 0.03),
        row("pytorch", "padded", "forward", 0.01),
        row("pytorch", "packed", "forward", 0.01),
        row("tensorflow", "padded", mode="graph"),
        row("tensorflow", "padded", mode="xla", kernels=None, share_of_peak=None),
        point(0.25, 2.0),
        point(0.5, 1.0),
        point(1.0, 0.5),
        {"name": "test_an_epoch", "extra_info": {"batches": "planned", "real_steps_per_second": 100.0}, "stats": {}},
        {"name": "test_import", "extra_info": {"import_seconds": 0.1}, "stats": {}},
    ]
    return {"machine_info": machine, "datetime": "2026-11-21T09:23:05+00:00", "benchmarks": list(benchmarks) or usual}


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "handler": "<img src=x onerror=alert(1)>",
    "end of a section": "]]></pre></code></td></table></title><!-- ",
    "quotes": "\"double\" 'single' `back` ``two`` ```three",
    "pipes": "a | b || c \\| d \\",
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u2029six\x85seven\x0beight\x0cnine",
    "controls": "nul \x00 bell \x07 red \x1b[31m delete \x7f",
    "half a character": "\ud800 and \udc80",
    "right to left": "\u202eelbadaer ton\u2066 \u200b\ufeff",
    "a long word": "x" * 4_000,
    "link": "[x](javascript:alert(1)) [y]: http://evil.tld <http://evil.tld> https://evil.tld www.evil.tld",
    "image": "![i](http://evil.example/i.png)",
    "headings": "\n\n# one\n\ntwo\n===\n\n## three ##",
    "blocks": "\n- item\n\n1. first\n\n> quote\n\n    code\n\n---\n\n```\nfence\n```\n\n| a |\n| - |\n| b |",
    "starts like a block": "- item",
    "emphasis": "*a* **b** _c_ __init__ ~~d~~ snake_case",
    "entities": "&lt;b&gt; &#60;b&#62; &amp;amp; &copy;",
    "template": "{{ 7 * 7 }} {% raw %} {# #}",
    "options": "parity check --a <b> --c 'd' -- --e",
    "fences": "````",
    "nothing": " ",
}


def hostile_result(text: str, status: Status) -> Result:
    """Make a result with a text in every field, behind a name that differs between fields and statuses."""
    measured: dict[str, Any] = {}
    if status in (PASSED, FAILED):
        measured = {"score": 1.0, "limit": 64.0, "norm_score": 0.5, "norm_limit": 8.0, "max_abs_error": 1e-7}
        measured |= {"compared": 9, "scores": {f"{text} y": Scores(1.0, 0.5)}}
    return Result(
        operation=f"{status} operation {text}",
        framework=f"{status} framework {text}",
        variant=f"{status} variant {text}",
        mode=f"{status} mode {text}",
        dtype=f"{status} dtype {text}",
        case=f"{status} case {text}",
        seed=0,
        contract=f"{status} contract {text}",
        status=status,
        quantity=text,
        problem="" if status == PASSED else "other",
        detail="" if status == PASSED else f"{status} detail {text}",
        first=FirstDifference(2, f"{status} first {text}"),
        reproduce=text,
        **measured,
    )


def hostile_divergence(text: str) -> DivergenceEntry:
    """Make an entry with a text in every field, stale in one framework."""
    trials = {
        f"{framework} {text}": Trial(
            name=f"name {text}",
            framework=f"{framework} {text}",
            status=status,
            reason=f"reason {text}",
            code=f"code {text}",
            expected={f"value {text}": f"expected {text}"},
            observed={f"value {text}": f"observed {text}"},
        )
        for framework, status in (("one", PASSED), ("other", FAILED))
    }
    return DivergenceEntry(
        name=f"name {text}",
        claim=f"claim {text}",
        verdict=f"verdict {text}",
        why=f"why {text}",
        instead=f"instead {text}",
        operation=f"operation {text}",
        sources=(f"source {text}", text, f"javascript:{text}"),
        frameworks=trials,
    )


def hostile_curve(text: str) -> Curve:
    """Make a curve with a text in every field and without a finite number."""
    return Curve(
        model=f"model {text}",
        config=f"config {text}",
        optimiser=f"optimiser {text}",
        settings={text: 0.1},
        dtype=f"dtype {text}",
        seed=0,
        steps=1,
        loss=(None,),
        envelope=(None,),
        frameworks={f"framework {text}": TrainingRun(loss=(None,), distance=(None,))},
    )


def hostile_mutant(text: str) -> MutantResult:
    """Make a mutant that survived, with a text in every field."""
    return MutantResult(
        name=f"name {text}",
        operation=f"operation {text}",
        subject=f"subject {text}",
        mistake=f"mistake {text}",
        location=f"location {text}",
        before=f"before {text}",
        after=f"after {text}",
        killed_by=text,
        optimiser=f"optimiser {text}",
        status="survived",
        case=f"case {text}",
        mode=f"mode {text}",
        dtype=f"dtype {text}",
        kills={f"contract {text}": Kill(text, 2.0, f"killed {text}")},
        reason=f"mutant {text}",
    )


def hostile_sweep(text: str) -> SweepReport:
    """Make a sweep with a text in every field, and a false alarm."""
    row = SweepRow(
        operation=f"operation {text}",
        framework=f"framework {text}",
        dtype=f"dtype {text}",
        seeds=1,
        checks=1,
        failed=1,
        scores=1,
        element=(1.0,),
        norm=(1.0,),
        worst=text,
    )
    return SweepReport(
        first=0, seeds=1, contracts=(text,), checks=1, failed=1, failures=(hostile_result(text, FAILED),), rows=(row,)
    )


def hostile_throughput(text: str) -> Throughput:
    """Make the benchmarks of one variant with a text in every field."""
    names = ("operation", "config", "distribution", "phase", "variant", "mode", "device", "framework")
    (timed,) = benchmarks(row("pytorch", "packed")).rows
    fields: dict[str, Any] = {name: f"{name} {text}" for name in names}
    timed = msgspec.structs.replace(timed, kernels=(f"kernel {text}",), **fields)
    return msgspec.structs.replace(
        benchmarks(row("pytorch", "packed")),
        versions={f"torch {text}": text},
        frameworks={f"framework {text}": {f"device {text}": text}},
        rows=(timed,),
    )


def hostile_verdict(text: str) -> Verdict:
    """Make a verdict with a text in every field."""
    contract = f"{FAILED} contract {text}"
    errors = BatchErrors(f"layer {text}", sequences=(0,), lengths=(1,), steps_per_column=1, rows=((0.5,),))
    return Verdict(
        name=f"model {text}",
        framework=f"framework {text}",
        operation=f"operation {text}",
        results=(hostile_result(text, FAILED), hostile_result(text, PASSED)),
        declined={f"declined {text}": f"why {text}"},
        blames={contract: Blame(f"layer {text}", f"kind {text}", "in", f"equal {text}", 0, 0, 1, text, errors)},
        causes={contract: f"cause {text}"},
        otherwise={contract: f"breaks {text}"},
        axes={f"output {text}": f"BT {text}"},
        masks=(LayerMask(f"embed {text}", f"kind {text}", False, True),),
        notes=(f"note {text}",),
    )


def hostile_pair(text: str) -> PairVerdict:
    """Make a verdict on a pair of models with a text in every field."""
    shared = msgspec.structs.asdict(hostile_verdict(text))
    left, right = f"left {text}", f"right {text}"
    return PairVerdict(
        **shared,
        same_function=False,
        table=(LayerWeights(left, right, text, text, {text: text}, None, True, {text: (left, right)}, text),),
        layers=(LayerDifference(left, right, text, 0.5, None, True, 0), LayerDifference(left, left, text, None)),
        difference=FirstOfPair(left, right, text, "between", (left, right), (text,), 1, None),
        cause=f"cause {text}",
        mask_ends={"left": left},
        dtype=text,
        wide=text,
        weights=f"weights: {text}",
    )


def hostile_report(text: str) -> Report:
    """Build a report with a text in every field of every part."""
    settings = {f"device {text}": f"on {text}", "tf32": {f"of {text}": True}}
    made = report_of(
        *(hostile_result(text, status) for status in STATUSES),
        frameworks={f"framework {text}": settings},
        planned=4,
        checked=4,
        divergences=[hostile_divergence(text)],
        training=[hostile_curve(text)],
        mutants=[hostile_mutant(text)],
        sweep=hostile_sweep(text),
        throughput=hostile_throughput(text),
        own={f"test {text}": hostile_verdict(text), f"pair {text}": hostile_pair(text)},
    )
    environment = msgspec.structs.replace(
        made.environment, python=text, platform=text, cpu=text, versions={f"numpy {text}": text}
    )
    return msgspec.structs.replace(made, environment=environment)
