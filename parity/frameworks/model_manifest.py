"""The manifest of a recording of a user's model: what it gave, on which inputs, with which weights, and where.

Its arrays are numbered in their files, and their names are in the manifest, because a user's names may be anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from parity.arrays import Array
from parity.errors import InputError, choose, shown
from parity.frameworks.loading import FRAMEWORKS
from parity.frameworks.manifest import Dtype, Manifest, Origin, Sealed, Text, Whole, read, read_as

WEIGHTS = "weights.npz"
LAYERS = "layers.npz"
MOST_FILE = 2**31  # bytes
MOST_AXES = 32


class RecordedArray(Struct, frozen=True, forbid_unknown_fields=True):
    """One array: its name, shape and dtype, and the SHA-256 of its numbers."""

    name: Text
    shape: Annotated[tuple[Whole, ...], Meta(max_length=MOST_AXES)]
    dtype: Annotated[str, Meta(pattern=r"^[a-z]+\d*\Z", max_length=10)]
    sha256: Text


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file with arrays, in the order of ``arrays``; ``inputs`` is the SHA-256 of all input of the run.

    One about layers describes its arrays itself.
    """

    bytes: Annotated[int, Meta(ge=0, le=MOST_FILE)]
    sha256: Text
    arrays: tuple[RecordedArray, ...]
    inputs: Text = ""


class ModelManifest(Sealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of a recording of a model.

    Attributes:
        model, framework, training: its name, and the mode of its layers.
        seeds, dtypes: what was recorded: a file for each seed from 0 on and each dtype.
        environment: where it was recorded.
        layers: whether there is what the check of a pair needs: a file about the model, and one for each seed.
        lacking: why there is not.
        files: name -> file; one has the weights.
    """

    model: Text
    framework: str
    training: bool
    seeds: Annotated[int, Meta(ge=1, le=10_000)]
    dtypes: Annotated[tuple[Dtype, ...], Meta(min_length=1)]
    environment: Origin
    layers: bool = False
    lacking: Text = ""
    files: dict[str, ModelFile]

    def __post_init__(self) -> None:
        choose("framework of the recording", self.framework, FRAMEWORKS)
        names = {WEIGHTS, *(run_file(seed, dtype) for seed in range(self.seeds) for dtype in self.dtypes)}
        if self.layers:
            names |= {LAYERS, *(layers_file(seed) for seed in range(self.seeds))}
        if odd := sorted(names ^ self.files.keys()):
            raise ValueError(f"a file {shown(odd[0])} that is missing or that it cannot have")


def run_file(seed: int, dtype: str) -> str:
    """Return the name of the file of a run.

    >>> run_file(0, "float64")
    'seed-0-float64.npz'
    """
    return f"seed-{seed}-{dtype}.npz"


def layers_file(seed: int) -> str:
    """Return the name of the file about the layers in the run of a seed."""
    return f"seed-{seed}-layers.npz"


def digest_of(array: Array) -> str:
    """Return the SHA-256 of the numbers of an array, in little-endian order."""
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()


def describe(arrays: Iterable[tuple[str, Array]]) -> tuple[RecordedArray, ...]:
    """Describe arrays by name."""
    return tuple(RecordedArray(name, array.shape, array.dtype.name, digest_of(array)) for name, array in arrays)


def read_model(folder: Path) -> ModelManifest:
    """Read the manifest of a recording of a model; see `parity.frameworks.manifest.read`."""
    return read_as(ModelManifest, folder, "recording")


def read_either(folder: Path) -> Manifest | ModelManifest:
    """Read the manifest of a recording of either kind."""
    try:
        return read(folder)
    except InputError:
        return read_model(folder)
