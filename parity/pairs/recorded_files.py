"""Write and read the files of a recording about layers: arrays, and a description that refers to them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from parity.arrays import Array
from parity.frameworks.manifest import rejected, unreadable
from parity.frameworks.model_manifest import MOST_FILE, ModelFile
from parity.frameworks.recording import read_file
from parity.pairs.recorded_format import Part, RecordedModel, RecordedSample, Ref, Refs

TEXT = "text"  # the array with the description
Described = TypeVar("Described", RecordedModel, RecordedSample)


class Arrays:
    """Arrays that a description refers to; equal ones are kept once."""

    def __init__(self) -> None:
        self.every: list[Array] = []
        self.known: dict[str, int] = {}

    def add(self, array: Array) -> Ref:
        """Keep an array, and return its number."""
        array = np.asarray(array)
        key = f"{array.dtype.str} {array.shape} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"
        if key not in self.known:
            self.known[key] = len(self.every)
            self.every.append(array)
        return self.known[key]

    def add_all(self, arrays: dict[str, Array]) -> Refs:
        """Keep arrays by name."""
        return {name: self.add(array) for name, array in arrays.items()}

    def write(self, path: Path, description: Part) -> ModelFile:
        """Write a description and its arrays."""
        text = np.frombuffer(msgspec.json.encode(description), np.uint8)
        with path.open("xb") as file:
            np.savez(file, **{str(n): array for n, array in enumerate(self.every)}, **{TEXT: text})  # type: ignore[arg-type]
        content = path.read_bytes()
        return ModelFile(len(content), hashlib.sha256(content).hexdigest(), ())


def read_description(path: Path, file: ModelFile, kind: type[Described]) -> tuple[Described, list[Array]]:
    """Read a description and its arrays.

    Raises:
        InputError: the file is missing, was changed, or has something else in it.
    """
    found = read_file(path, file.sha256, file.bytes, MOST_FILE, "recording")
    try:
        text = found.pop(TEXT)
        described = msgspec.json.decode(text.tobytes(), type=kind)
        return described, [found[str(n)] for n in range(len(found))]
    except KeyError as error:
        raise rejected(f"{str(path)!r} with other arrays than it describes", argument="recording") from error
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise unreadable(path, error, "recording") from error
