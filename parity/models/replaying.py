"""Compare a model with what was recorded of it: another version, another machine, another environment.

The recording has the weights. A model whose weights have the same names and shapes runs with the recorded ones, so that
a factory that initialises at random agrees too; the verdict says in how many arrays the model's own are others.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.arrays import Array
from parity.errors import InputError, file_name, printable
from parity.frameworks.manifest import rejected
from parity.frameworks.model_manifest import (
    WEIGHTS,
    ModelFile,
    ModelManifest,
    RecordedArray,
    digest_of,
    read_model,
    run_file,
)
from parity.frameworks.recording import read_file
from parity.models.layouts import Layout
from parity.models.observing import Quantities, View, arrays_of
from parity.models.side import Side

SAME = "a recording of this model, with the same inputs and options"
SPARE = 2**20  # bytes of a file beside its numbers


@dataclass(frozen=True, eq=False)
class ModelRecording:
    """A recording of a model; see `parity.frameworks.model_manifest`."""

    folder: Path
    manifest: ModelManifest

    def __str__(self) -> str:
        origin = self.manifest.environment
        package = {"pytorch": "torch", "tensorflow": "tensorflow"}[self.manifest.framework]
        return printable(f"{package} {origin.versions.get(package)}, recorded on {origin.date} in {self.folder}")

    def load(self, side: Side) -> str:
        """Let a model run with the recorded weights; return a note about those that it has.

        Raises:
            InputError: it is another model, or its weights have other names or shapes.
        """
        if (side.framework, side.training) != (self.manifest.framework, self.manifest.training):
            recorded = _kind(self.manifest.framework, self.manifest.training)
            raise _other(f"one of {recorded}, for {_kind(side.framework, side.training)}")
        file = self.manifest.files[WEIGHTS]
        own = side.weights()
        names = canonical([name for name, _ in own], side.framework)
        _check_weights(file.arrays, dict(zip(names, (array for _, array in own), strict=True)))
        side.load(self._arrays(WEIGHTS, file))
        pairs = zip(file.arrays, own, strict=True)
        differing = sum(one.sha256 != digest_of(array) for one, (_, array) in pairs)
        loaded = f"; ran with its weights, which differ in {differing} of {len(own)} arrays" if differing else ""
        return f"compared with {self}{loaded}"

    def observed(self, view: View, base: Layout, before: Mapping[str, Array]) -> Quantities | None:
        """Return what was recorded for the sequences of a view; None for a seed that was not.

        Args:
            before: what the model gives here.

        Raises:
            InputError: other inputs were recorded, or other outputs or gradients.
        """
        if view.seed >= self.manifest.seeds:
            return None
        if view.dtype not in self.manifest.dtypes:
            raise _other(f"one in {' and '.join(self.manifest.dtypes)}, for {view.dtype}")
        name = run_file(view.seed, view.dtype)
        file = self.manifest.files[name]
        if file.inputs != digest_of_inputs(view, base):
            raise _other(f"one of other inputs, lengths or axes, for seed {view.seed}")
        names = canonical(list(before), view.side.framework)
        size, largest = sum(math.prod(one.shape) for one in file.arrays), 4 * sum(each.size for each in before.values())
        if size > largest + SPARE:
            raise _other(f"one of {size} numbers in {name}, where this model gives {largest // 4}")
        recorded = [one.name for one in file.arrays]
        if recorded != names:
            odd = sorted(set(names).symmetric_difference(recorded)) or names
            raise _other(f"one with other outputs or gradients, such as {printable(odd[0])}")
        return dict(zip(before, self._arrays(name, file), strict=True))

    def _arrays(self, name: str, file: ModelFile) -> list[Array]:
        """Read the arrays of a file, which must be as its manifest describes them."""
        most = 8 * sum(math.prod(one.shape) for one in file.arrays) + SPARE
        path = self.folder / name
        found = read_file(path, file.sha256, min(file.bytes, most), most, "recording")
        arrays = [found.get(str(n)) for n in range(len(file.arrays))]
        kept = [array for array in arrays if array is not None]
        described = [(one.shape, one.dtype) for one in file.arrays]
        if len(found) != len(described) or [(array.shape, array.dtype.name) for array in kept] != described:
            raise rejected(f"{str(path)!r} with other arrays than its manifest names", argument="recording")
        return kept


def opened(folder: str | Path) -> ModelRecording:
    """Open a recording of a model.

    Raises:
        InputError: there is none, or its manifest was changed.
    """
    path = file_name("recording", folder)
    return ModelRecording(path, read_model(path))


def digest_of_inputs(view: View, base: Layout) -> str:
    """Return the SHA-256 of all input of a run: its batch, and what its cotangents are sampled from."""
    generator = np.random.default_rng([view.seed, 17])
    arrays = arrays_of(view.inputs, view.sequences, base) | {"cotangents": generator.standard_normal(8)}
    checksum = hashlib.sha256(repr(sorted(view.axes.items())).encode())
    for name, array in arrays.items():
        checksum.update(f"{name} {array.dtype.kind} {array.shape} {digest_of(array)}".encode())
    return checksum.hexdigest()


def canonical(names: Sequence[str], framework: str) -> list[str]:
    """Return names that another process gives too: Keras numbers layers on, over all models of a process.

    >>> canonical(["sequential_4/dense_7/kernel", "sequential_4/dense_8/kernel"], "tensorflow")
    ['sequential/dense/kernel', 'sequential/dense#2/kernel']
    """
    if framework != "tensorflow":
        return list(names)
    seen: dict[str, dict[str, str]] = {}
    found = []
    for name in names:
        path = ""
        for part in name.split("/"):
            base = re.sub(r"_\d+$", "", part)
            siblings = seen.setdefault(f"{path}/{base}", {})
            number = len(siblings) + 1
            path += "/" + siblings.setdefault(part, base if number == 1 else f"{base}#{number}")
        found.append(path[1:])
    return found


def _check_weights(recorded: Sequence[RecordedArray], own: Mapping[str, Array]) -> None:
    """Check that weights here and in a recording have the same names and shapes."""
    there = {one.name: one.shape for one in recorded}
    for name in dict.fromkeys([*own, *there]):
        if name not in own or name not in there:
            raise _other(f"one {'with' if name in there else 'without'} weights {printable(name)}")
        if own[name].shape != there[name]:
            raise _other(f"one with weights {printable(name)} of shape {there[name]}, for {own[name].shape}")
    if len(recorded) != len(own):
        raise _other("one with two weights of one name")


def _kind(framework: str, training: bool) -> str:
    return f"a model in {framework}, in the mode of {'training' if training else 'inference'}"


def _other(received: str) -> InputError:
    return InputError("recording", received, SAME)
