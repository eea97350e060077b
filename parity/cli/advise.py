"""``parity advise``: which variant is fastest for your lengths, predicted, and measured on one batch of them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from parity import bucketing as planner
from parity import frameworks
from parity.arrays import Lengths
from parity.cases import real_data as data
from parity.cases.lengths import DISTRIBUTIONS, sample_lengths
from parity.cli.terminal import console as screen
from parity.errors import FrameworkUnavailable, InputError, choose, whole_number
from parity.operations import GATES
from parity.throughput.advice import Layer, Model, cached, calibrated, regret, unmasked
from parity.throughput.benchmark import PHASES, timed

HELP = "predict which variant is fastest for your lengths, and measure it"
SAMPLED = 4096  # sequences, where a distribution is given and not a file
LOOKED_AT = 32  # random batches, for a prediction
LARGEST = 100_000  # of any size: what is larger would fill the memory before it said anything
BUDGET = 4.0  # seconds for measuring


def add_options(parser: argparse.ArgumentParser) -> None:
    """What ``parity advise`` takes."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--lengths", metavar="FILE", help="whole numbers, separated by white space or commas")
    source.add_argument("--lognormal", nargs=2, type=float, metavar=("MEDIAN", "SIGMA"), help="sample lengths, up to T")
    source.add_argument(
        "--distribution", help=f"sample lengths, up to T: {', '.join(DISTRIBUTIONS)}, {', '.join(data.DATA)}"
    )
    parser.add_argument("--steps", type=int, default=128, metavar="T", help="longest that is sampled (default 128)")
    parser.add_argument("--cell", default="lstm", help=f"{', '.join(GATES)} (default lstm)")
    parser.add_argument("--bidirectional", action="store_true")
    parser.add_argument("--features", type=int, metavar="D", help="default: as --hidden")
    parser.add_argument("--hidden", type=int, default=256, metavar="H", help="default 256")
    parser.add_argument("--batch", type=int, default=64, metavar="B", help="default 64")
    parser.add_argument("--phase", default="train", help="train, which is forward and backward (default), or forward")
    parser.add_argument("--calibrate", action="store_true", help="measure this machine again, though it was before")
    parser.add_argument(
        "--no-measure",
        action="store_true",
        help="predict only, once this machine is measured; by default one batch is measured too",
    )


def run(options: argparse.Namespace) -> int:
    """Print what is predicted, and how it compares with what is measured."""
    layer, batch = _layer(options), _size("--batch", options.batch)
    lengths = _lengths(options)
    if not layer.entries():
        raise FrameworkUnavailable("; ".join(filter(None, map(frameworks.missing, frameworks.FRAMEWORKS))))
    console = screen(110)
    model = _model(layer, batch, int(lengths.max(initial=1)), options.calibrate)
    batches = [np.random.default_rng(seed).choice(lengths, batch) for seed in range(LOOKED_AT)]
    predicted = {name: float(np.mean([model.seconds(name, some) for some in batches])) for name in model.costs}
    first = {name: model.seconds(name, batches[0]) for name in model.costs}
    measured = {} if options.no_measure else _measured(layer, model, batches[0])
    console.print(f"{layer}, {batch} of {len(lengths)} sequences at a time, {_fill(batches):.0%} of padded steps real")
    console.print(_table(predicted, first, measured, batches))
    for framework in sorted({name.partition(".")[0] for name in predicted}):
        console.print(_advice(framework, predicted, first, measured), highlight=False)
        console.print(_planned(framework, model, lengths, batch), highlight=False)
    return 0


def _layer(options: argparse.Namespace) -> Layer:
    cell = choose("--cell", options.cell, GATES)
    phase = choose("--phase", options.phase, PHASES)
    hidden = _size("--hidden", options.hidden)
    features = hidden if options.features is None else _size("--features", options.features)
    config = "tanh" if cell == "rnn" else "one_layer"
    return Layer(f"{'bidirectional' if options.bidirectional else 'rnn'}.{cell}", config, features, hidden, phase)


def _size(option: str, came: int) -> int:
    return whole_number(option, came, least=1, most=LARGEST)


def _lengths(options: argparse.Namespace) -> Lengths:
    """From the file, or sampled."""
    if options.lengths is not None:
        return read_lengths(options.lengths)
    steps, rng = _size("--steps", options.steps), np.random.default_rng(0)
    if options.lognormal is not None:
        median, sigma = options.lognormal
        if not (median > 0 and sigma >= 0 and np.isfinite([median, sigma]).all()):
            raise InputError("--lognormal", f"{median:g} {sigma:g}", "a median above 0 and a sigma of 0 or more")
        logs = np.clip(rng.normal(np.log(median), sigma, SAMPLED), 0, np.log(steps))  # of huge ones, exp would overflow
        return np.rint(np.exp(logs)).astype(np.int64)
    name = choose("--distribution", options.distribution, (*DISTRIBUTIONS, *data.DATA))
    sampled = data.lengths(name) if name in data.DATA else sample_lengths(name, rng, SAMPLED, steps)
    if sampled.max() < 1:
        raise InputError("--distribution", repr(name), "one with real steps")
    return sampled


def read_lengths(file: str) -> Lengths:
    """Whole numbers of 0 or more from a text file.

    Raises:
        InputError: it cannot be read, holds something else, or nothing.
    """
    try:
        words = Path(file).read_text(encoding="utf-8").replace(",", " ").split()
        lengths = np.array([int(word) for word in words], np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError("--lengths", repr(file), f"a text file of whole numbers ({error})") from error
    if not len(lengths) or lengths.min() < 0 or not 1 <= lengths.max() <= LARGEST:
        came = f"{len(lengths)} numbers" + (f", from {lengths.min()} to {lengths.max()}" if len(lengths) else "")
        raise InputError("--lengths", came, f"lengths from 0 to {LARGEST}, one of them above 0")
    return lengths


def _model(layer: Layer, batch: int, steps: int, again: bool) -> Model:
    """From the file, or measured now, which takes a while and says so."""
    progress = Console(stderr=True)
    saying = f"measuring what each variant of {layer.operation} costs here, once: about a minute"
    if not progress.is_terminal and (again or cached(layer, batch, steps) is None):
        progress.print(saying)
    with progress.status(saying):
        model = calibrated(layer, batch, steps, again)
    if not model.steady:
        progress.print("the machine is busy: runs differed too much, and what was measured is not kept for next time")
    return model


def _measured(layer: Layer, model: Model, lengths: Lengths) -> dict[str, float]:
    """Median seconds of every variant on one batch, each answer checked first."""
    race = layer.race(lengths, costs=model.groupings())
    with Console(stderr=True).status("measuring one batch"):
        prepared = {str(entry): race.prepare(entry) for entry in layer.entries()}
        times = timed(prepared, layer.phase, BUDGET)
    return {name: float(np.median(times[name])) for name in prepared}


def _fill(batches: list[Lengths]) -> float:
    return float(np.mean([some.mean() / max(1, some.max()) for some in batches]))


def _table(
    predicted: Mapping[str, float], first: Mapping[str, float], measured: Mapping[str, float], batches: list[Lengths]
) -> Table:
    real = float(np.mean([some.sum() for some in batches]))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("variant", no_wrap=True)
    for name in ("predicted ms", "real steps/s", "over padded", "one batch ms", "measured ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, seconds in sorted(predicted.items(), key=lambda pair: pair[1]):
        base = predicted.get(_base(name, predicted), seconds)
        seen = f"{measured[name] * 1e3:.1f}" if name in measured else ""
        table.add_row(
            name,
            f"{seconds * 1e3:.1f}",
            f"{real / seconds:,.0f}",
            f"{base / seconds:.2f}",
            f"{first[name] * 1e3:.1f}",
            seen,
        )
    return table


def _base(name: str, known: Mapping[str, float]) -> str:
    """The padded variant of the same framework."""
    return unmasked(name.partition(".")[0], known) or name


def _advice(
    framework: str, predicted: Mapping[str, float], first: Mapping[str, float], measured: Mapping[str, float]
) -> str:
    ours = {name: seconds for name, seconds in predicted.items() if name.startswith(f"{framework}.")}
    best = min(ours, key=lambda name: ours[name])
    base = _base(best, ours)
    said = f"{framework}: use {best.partition('.')[2]}, predicted {ours[base] / ours[best]:.2f} times as fast as {base}"
    seen = {name: seconds for name, seconds in measured.items() if name in ours}
    if not seen:
        return said
    fastest = min(seen, key=lambda name: seen[name])
    lost = regret(min(seen, key=lambda name: first[name]), seen)  # what was predicted for the batch that was measured
    return (
        f"{said}; on the batch that was measured, {fastest.partition('.')[2]} is fastest, "
        f"and what was predicted for that batch takes {lost:.2f} times as long"
    )


def _planned(framework: str, model: Model, lengths: Lengths, batch: int) -> str:
    """What grouping the data set would bring, before any strategy inside a batch."""
    base = unmasked(framework, model.costs)
    cost, order = model.costs[base], np.random.default_rng(0).permutation(lengths)
    random = [order[start : start + batch] for start in range(0, len(order), batch)]
    plan = planner.batches(lengths, batch, cost)
    seconds = sum(cost.of(len(some), max(1, int(some.max()))) for some in random)
    padding = planner.padded_over_real(lengths, plan)
    return (
        f"  batches of similar length (parity.bucketing.batches): {len(plan.steps)} batches for {len(random)}, "
        f"{padding:.2f} padded steps a real one, {base} predicted {seconds / plan.seconds:.2f} times as fast an epoch"
    )
