"""Record what a model of your own gives, for another version, machine, environment or framework to be compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import parity
from parity import frameworks
from parity.arrays import Array, numpy_defaults
from parity.errors import INTERRUPTS, InputError, first_lines, message_of
from parity.frameworks import writing
from parity.frameworks.manifest import Origin
from parity.frameworks.model_manifest import LAYERS, WEIGHTS, ModelFile, ModelManifest, describe, layers_file, run_file
from parity.models.checking import Options as Checking
from parity.models.findings import Findings
from parity.models.replaying import ModelRecording, canonical, digest_of_inputs, opened
from parity.models.sequences import Inputs
from parity.models.side import Side
from parity.models.subject import NotRun, Subject
from parity.pairs.halves import Options
from parity.pairs.recording_layers import record_layers
from parity.pairs.running import model_of

RUNS = "a model that runs on the inputs"


def record_model(
    model: object,
    inputs: Inputs,
    folder: str | Path,
    *,
    call: Callable[..., Any] | None = None,
    outputs: Callable[..., Any] | None = None,
    loss: Callable[..., Any] | None = None,
    dtype: str = "float32",
    training: bool = False,
    seeds: int = 3,
    framework: str = "",
) -> ModelRecording:
    """Record what a model gives: its outputs on real steps and all gradients, in float64 and in a dtype.

    The recording has the weights, what each layer receives and returns, and the versions of the environment too.
    ``parity.check_model(…, recording=folder)`` compares the same model with it, and ``parity.check_pair`` takes the
    folder in place of one of both models: the other framework need not be installed there.

    Args:
        model, inputs, call, outputs, loss, dtype, training, seeds, framework: those of `parity.check_model`.
        folder: a new or an empty one, or that of a recording, which is replaced whole or not at all.

    Raises:
        InputError: a wrong argument, a model that does not run, or a folder that has something else in it.
        FrameworkUnavailable: its framework cannot be loaded.
    """
    side, notes = Checking(call, outputs, loss, dtype, training, seeds, framework).side_of(model, inputs)
    with numpy_defaults(), writing.begin(folder):
        try:
            new = Path(folder) / writing.UNFINISHED
            files, dtypes = _files(side, inputs, dtype, seeds, notes, new)
            options = Options(call, outputs, loss, training, graphs=seeds > 1)
            layers, lacking = _layers(side, inputs, options, seeds, dtype, new)
            origin = parity.report.describe_environment(frameworks.environment(), 0)
            manifest = ModelManifest(
                model=side.name,
                framework=side.framework,
                training=training,
                seeds=seeds,
                dtypes=dtypes,
                environment=msgspec.convert(origin, Origin, from_attributes=True),
                layers=not lacking,
                lacking=lacking,
                files=files | layers,
            )
            writing.finish(folder, manifest)
        except NotRun as error:
            raise InputError("model", f"one that {error}", RUNS) from error
        finally:
            writing.discard(folder)
    return opened(folder)


def _files(
    side: Side, inputs: Inputs, dtype: str, seeds: int, notes: list[str], folder: Path
) -> tuple[dict[str, ModelFile], tuple[str, ...]]:
    """Run a model on the sequences of all seeds, and write its files; return them, and the dtypes of the runs."""
    subject = Subject(side, inputs, [], dtype, Findings(side.name, side.framework, notes))
    files = {}
    for seed in range(seeds):
        view = subject.prepare(seed)
        base = subject.setting(view).base
        for one in dict.fromkeys((subject.found.wide, dtype)):
            own = replace(view, dtype=one)
            observed = own.observe([base])
            names = canonical(list(observed), side.framework)
            name = run_file(seed, one)
            pairs = zip(names, observed.values(), strict=True)
            files[name] = _write(folder / name, pairs, digest_of_inputs(own, base))
    weights = side.weights()
    names = canonical([name for name, _ in weights], side.framework)
    files[WEIGHTS] = _write(folder / WEIGHTS, zip(names, (array for _, array in weights), strict=True))
    return files, tuple(dict.fromkeys((subject.found.wide, dtype)))


def _layers(
    side: Side, inputs: Inputs, options: Options, seeds: int, dtype: str, folder: Path
) -> tuple[dict[str, ModelFile], str]:
    """Write what the check of a pair needs; return the files, or why there are none."""
    try:
        return record_layers(model_of(side), inputs, options, seeds, dtype, folder), ""
    except INTERRUPTS:
        raise
    except Exception as error:  # a function has no layers, and whatever a model raises
        for name in (LAYERS, *map(layers_file, range(seeds))):
            (folder / name).unlink(missing_ok=True)
        return {}, first_lines(message_of(error))


def _write(path: Path, arrays: Iterable[tuple[str, Array]], inputs: str = "") -> ModelFile:
    """Write arrays in their order, numbered."""
    pairs = list(arrays)
    with path.open("xb") as file:
        np.savez(file, **{str(n): array for n, (_, array) in enumerate(pairs)})  # type: ignore[arg-type]
    content = path.read_bytes()
    return ModelFile(len(content), hashlib.sha256(content).hexdigest(), describe(pairs), inputs)
