"""Predict which variant is fastest for given lengths, and measure one batch: ``parity advise``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping

import numpy as np
from rich.console import Console
from rich.table import Table

from parity import bucketing, frameworks
from parity.arrays import Lengths
from parity.cases import real_data
from parity.cases.lengths import DISTRIBUTIONS, sample_lengths
from parity.cli.terminal import console as terminal
from parity.errors import FrameworkUnavailable, InputError, cause, choose, file_name, shown, whole_number
from parity.files import read_regular
from parity.operations import GATES
from parity.throughput.advice import Layer, Model, padded_variant, regret
from parity.throughput.benchmark import PHASES, framework_of
from parity.throughput.calibration import calibrated, stored
from parity.throughput.timing import by_framework, time_all

Seconds = Mapping[str, float]  # by "framework.variant"

SAMPLED = 4096  # sequences, where a distribution is given and not a file
BATCHES = 32  # random batches, for a prediction
MOST = 2**22  # bytes of a file of lengths, so that batches can be planned in memory
LARGEST = 100_000  # of any size: a larger one would fill the memory before anything is printed
BUDGET, ROUNDS = 4.0, 3  # seconds for measuring, and rounds at least
MEASURED_UP_TO = 2.0  # times the fastest prediction of a framework, above which a variant is not measured


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``parity advise``."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--lengths", metavar="FILE", help="read whole numbers, separated by white space or commas")
    source.add_argument("--lognormal", nargs=2, type=float, metavar=("MEDIAN", "SIGMA"), help="sample lengths, up to T")
    distributions = ", ".join([*DISTRIBUTIONS, *real_data.DATA])
    source.add_argument("--distribution", metavar="NAME", help=f"sample lengths, up to T: {distributions}")
    parser.add_argument("--steps", type=int, default=128, metavar="T", help="longest that is sampled (default 128)")
    parser.add_argument("--cell", default="lstm", help=f"use this layer: {', '.join(GATES)} (default lstm)")
    parser.add_argument("--bidirectional", action="store_true", help="run the layer in both directions")
    parser.add_argument("--features", type=int, metavar="D", help="size of the input of a step (default: as --hidden)")
    parser.add_argument("--hidden", type=int, default=256, metavar="H", help="units of the layer (default 256)")
    parser.add_argument("--batch", type=int, default=64, metavar="B", help="sequences in a batch (default 64)")
    parser.add_argument("--phase", default="train", help="train, which is forward and backward (default), or forward")
    parser.add_argument("--calibrate", action="store_true", help="measure this machine again, even if it was before")
    no_measure = "predict only, once this machine is measured; by default one batch is measured too"
    parser.add_argument("--no-measure", action="store_true", help=no_measure)


def run(options: argparse.Namespace) -> int:
    """Print predicted times, the measured times of one batch, and advice for each framework."""
    layer, batch = _layer(options), _size("batch", options.batch)
    lengths = _lengths(options)
    if not layer.candidates():
        raise FrameworkUnavailable("; ".join(filter(None, map(frameworks.missing, frameworks.FRAMEWORKS))))
    console = terminal(110)
    model = _model(layer, batch, int(lengths.max(initial=1)), options.calibrate)
    batches = [np.random.default_rng(seed).choice(lengths, batch) for seed in range(BATCHES)]
    first = {name: model.seconds(name, batches[0]) for name in model.costs}
    measured = {} if options.no_measure else _measured(layer, model, batches[0], first)
    mean = {name: float(np.mean([model.seconds(name, lengths) for lengths in batches])) for name in model.costs}
    fill = float(np.mean([lengths.mean() / max(1, lengths.max()) for lengths in batches]))
    console.print(f"{layer}, batches of {batch} drawn from {len(lengths)} lengths, {fill:.0%} of padded steps real")
    console.print(_table(mean, first, measured, float(np.mean([lengths.sum() for lengths in batches]))))
    for framework in sorted({framework_of(name) for name in model.costs}):
        console.print(_advice(framework, mean, first, measured))
        console.print(_planned_batches(framework, model, lengths, batch))
    if not model.steady:
        console.print("Other programs ran meanwhile, and these times are theirs too: repeat it when none does.")
    return 0


def _layer(options: argparse.Namespace) -> Layer:
    cell = choose("cell", options.cell, GATES)
    phase = choose("phase", options.phase, PHASES)
    hidden = _size("hidden", options.hidden)
    features = hidden if options.features is None else _size("features", options.features)
    config = "tanh" if cell == "rnn" else "one_layer"
    topic = "bidirectional" if options.bidirectional else "rnn"
    return Layer(f"{topic}.{cell}", config, features, hidden, phase)


def _size(name: str, received: int) -> int:
    return whole_number(name, received, least=1, most=LARGEST)


def _lengths(options: argparse.Namespace) -> Lengths:
    if options.lengths is not None:
        return read_lengths(options.lengths)
    steps, rng = _size("steps", options.steps), np.random.default_rng(0)
    if options.lognormal is not None:
        median, sigma = options.lognormal
        if not (median > 0 and sigma >= 0 and np.isfinite([median, sigma]).all()):
            raise InputError("lognormal", f"{median:g} {sigma:g}", "a median above 0 and a sigma of 0 or more")
        logs = np.clip(rng.normal(np.log(median), sigma, SAMPLED), 0, np.log(steps))  # of huge ones, exp would overflow
        return np.rint(np.exp(logs)).astype(np.int64)
    name = choose("distribution", options.distribution, [*DISTRIBUTIONS, *real_data.DATA])
    sampled = real_data.lengths(name) if name in real_data.DATA else sample_lengths(name, rng, SAMPLED, steps)
    if sampled.max() < 1:
        raise InputError("distribution", repr(name), "one with real steps")
    return sampled


def read_lengths(file: str) -> Lengths:
    """Read whole numbers of 0 or more from a text file."""
    try:
        words = re.split(r"\s*,\s*|\s+", read_regular(file_name("lengths", file), MOST).decode().strip())
    except (OSError, ValueError) as error:
        raise InputError("lengths", shown(file), f"a text file of whole numbers ({cause(error)})") from error
    if wrong := [word for word in dict.fromkeys(words) if not re.fullmatch("[0-9]{1,18}", word)]:
        expected = "whole numbers of at most 18 digits, separated by white space or commas"
        raise InputError(f"lengths {shown(file)}", shown(wrong[0]), expected)
    lengths = np.array(list(map(int, words)), np.int64)
    if not 1 <= lengths.max() <= LARGEST:
        received = f"{len(lengths)} numbers, from {lengths.min()} to {lengths.max()}"
        raise InputError(f"lengths {shown(file)}", received, f"lengths from 0 to {LARGEST}, one of them above 0")
    return lengths


def _model(layer: Layer, batch: int, steps: int, again: bool) -> Model:
    progress = Console(stderr=True)
    message = f"measuring the cost of each variant of {layer.operation} on this machine, once: about a minute"
    if not progress.is_terminal and (again or stored(layer, batch, steps) is None):
        progress.print(message)
    with progress.status(message):
        model = calibrated(layer, batch, steps, again)
    if not model.steady:
        progress.print("the machine is busy: runs differed too much, and the measured costs are not stored")
    return model


def _measured(layer: Layer, model: Model, lengths: Lengths, predicted: Seconds) -> dict[str, float]:
    """Measure the seconds of one batch: of the padded variants, and of those that may be fastest."""
    fastest = {framework: min(times.values()) for framework, times in by_framework(predicted).items()}
    benchmark = layer.benchmark(lengths, costs=model.groupings())
    calls = {}
    with Console(stderr=True).status("measuring one batch"):
        for candidate in layer.candidates():
            name, framework = str(candidate), candidate.framework
            if predicted[name] <= MEASURED_UP_TO * fastest[framework] or name == padded_variant(framework, predicted):
                calls[name] = benchmark.prepare(candidate).calls[layer.phase]
        times = time_all(calls, BUDGET, least=ROUNDS)
    return {name: float(np.median(times[name])) for name in calls}


def _table(mean: Seconds, first: Seconds, measured: Seconds, real_steps: float) -> Table:
    """Tabulate all variants: the mean prediction for random batches, and the first of them."""
    rows = Table(box=None, pad_edge=False, header_style="dim")
    rows.add_column("variant", no_wrap=True)
    for name in ("predicted ms", "real steps/s", "over padded", "one batch ms", "measured ms"):
        rows.add_column(name, justify="right", no_wrap=True)
    for name, seconds in sorted(mean.items(), key=lambda pair: pair[1]):
        padded = mean.get(padded_variant(framework_of(name), mean), seconds)
        rows.add_row(
            name,
            f"{seconds * 1e3:.1f}",
            f"{real_steps / seconds:,.0f}",
            f"{padded / seconds:.2f}",
            f"{first[name] * 1e3:.1f}",
            f"{measured[name] * 1e3:.1f}" if name in measured else "",
        )
    return rows


def _advice(framework: str, mean: Seconds, first: Seconds, measured: Seconds) -> str:
    """Name the variant to use; on the measured batch, compare the predicted variant with the fastest."""
    names = by_framework(mean)[framework]
    best = min(names, key=lambda name: mean[name])
    padded = padded_variant(framework, names) or best
    variant = best.partition(".")[2]
    use = f"{framework}: use {variant}, predicted {mean[padded] / mean[best]:.2f} times as fast as {padded}"
    timed = by_framework(measured).get(framework, {})
    if not timed:
        return use
    fastest = min(timed, key=lambda name: timed[name])
    predicted = min(timed, key=lambda name: first[name])
    return (
        f"{use}; on the measured batch, {fastest.partition('.')[2]} is fastest of {len(timed)}, "
        f"and the variant predicted for that batch takes {regret(predicted, timed):.2f} times as long"
    )


def _planned_batches(framework: str, model: Model, lengths: Lengths, batch: int) -> str:
    """Predict the speed-up of batches of similar length over random ones."""
    padded = padded_variant(framework, model.costs)
    cost, order = model.costs[padded], np.random.default_rng(0).permutation(lengths)
    random = [order[start : start + batch] for start in range(0, len(order), batch)]
    seconds = sum(cost.of(len(rows), max(1, int(rows.max()))) for rows in random)
    plan = bucketing.batches(lengths, batch, cost)
    padding = bucketing.padded_over_real(lengths, plan)
    return (
        f"  batches of similar length (parity.bucketing.batches): {len(plan.steps)} instead of {len(random)}, "
        f"{padding:.2f} padded steps per real step, predicted epoch {seconds / plan.seconds:.2f} times as fast "
        f"with {padded}"
    )
