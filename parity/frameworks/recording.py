"""Read what a framework observed elsewhere, or earlier, so that one that runs here can be compared with it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.errors import choose
from parity.frameworks.loading import FRAMEWORKS
from parity.frameworks.manifest import MANIFEST, digest, file_name, key_of, read, refused
from parity.frameworks.observation import Observation, restored

PACKAGES = ("torch", "tensorflow", "keras")


class NotInRecording(LookupError):
    """A recording has nothing that a case could be compared with; the message says why."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What one framework observed, in one environment, of the cases of one seed; see `parity.frameworks.manifest`."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def framework(self) -> str:
        return str(self.manifest["framework"])

    @property
    def seed(self) -> int:
        return int(self.manifest["seed"])

    def __str__(self) -> str:
        said = self.manifest["environment"]["frameworks"][self.framework]
        versions = ", ".join(f"{name} {said[name]}" for name in PACKAGES if name in said)
        return f"{versions} on {self.manifest['device']}, recorded in {self.folder}"

    @property
    def environment(self) -> dict[str, Any]:
        """Where it was made, for a report."""
        return {"framework": self.framework, "folder": str(self.folder), **self.manifest["environment"]}

    def holds(self, operation: str, dtype: str, variant: str = "") -> bool:
        """Whether an operation was recorded in a dtype, and that variant of it."""
        variants = self.manifest["files"].get(file_name(operation, dtype), {}).get("variants", {})
        return variant in variants if variant else bool(variants)

    def observed(self, case: Case, framework: str, variant: str) -> Observation:
        """What a variant gave for a case when it was recorded.

        Raises:
            NotInRecording: it was not recorded, or was sampled from other inputs, or the variant raised.
        """
        name, key = file_name(case.operation, case.dtype), key_of(case)
        entry = self.manifest["files"].get(name)
        raised = entry["variants"].get(variant, {}).get(key) if entry and framework == self.framework else None
        if raised is None:
            raise NotInRecording(f"there is no {framework}.{variant} on {key} in what was recorded: {self}")
        if entry["cases"][key] != digest(case):
            raise NotInRecording(f"sampled from other inputs: {self._sampled()}; {self}")
        if raised:
            raise NotInRecording(f"{framework}.{variant} raised {raised} when it was recorded: {self}")
        return Observation(_remembered(self.folder / name, entry["sha256"])[f"{variant}/{key}"])

    def _sampled(self) -> str:
        there = self.manifest["environment"]["versions"]
        return f"there by parity {there['parity']} with numpy {there['numpy']}, here with numpy {np.__version__}"


def verified(folder: str | Path) -> Recording:
    """Open a recording and make sure of all of it, before anything is compared with it.

    Raises:
        InputError: no recording, an unfinished one, one of another schema, or a file that is missing, too many, cut
            off, changed or unreadable; the message says which.
    """
    recording = Recording(Path(folder), read(Path(folder)))
    choose("framework of the record", recording.framework, FRAMEWORKS)
    files = recording.manifest["files"]
    for name in sorted(path.name for path in recording.folder.iterdir() if not path.name.startswith(".")):
        if name not in files and name != MANIFEST:
            raise refused(f"{str(recording.folder)!r} with {name}, which its manifest does not name")
    for name, entry in files.items():
        held = set(observations(recording.folder / name, entry["sha256"], entry["bytes"]))
        told = {f"{variant}/{key}" for variant, keys in entry["variants"].items() for key in keys if not keys[key]}
        if held != told:
            raise refused(f"{str(recording.folder / name)!r} with other observations than its manifest names")
    return recording


def opened(folder: str | Path) -> Recording:
    """A recording that was `verified`: opened once in each process, for as long as its manifest stays the same."""
    return _opened(Path(folder), (Path(folder) / MANIFEST).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(folder: Path, _: int) -> Recording:
    return Recording(folder, read(folder))


def observations(path: Path, sha256: str, size: int | None = None) -> dict[str, dict[str, Array]]:
    """What a file holds: "variant/config/lengths/outputs" -> quantity -> array.

    Raises:
        InputError: it is not there, not of that size, not what was written, or no ``.npz``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise refused(f"{str(path.parent)!r} without {path.name} ({error.strerror})") from error
    if size is not None and len(content) != size:
        raise refused(f"{str(path)!r} of {len(content)} bytes", f"the {size} bytes that were written")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise refused(f"{str(path)!r}, which was changed after it was written")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = restored(archive)
    except (OSError, ValueError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise refused(f"{str(path)!r}, which cannot be read ({error})") from error
    found: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        key, _, quantity = name.rpartition("/")
        array.setflags(write=False)  # remembered, and compared with by many
        found.setdefault(key, {})[quantity] = array
    return found


_remembered = lru_cache(maxsize=4)(observations)
