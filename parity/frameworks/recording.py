"""Look up what a framework observed elsewhere or earlier, to compare it with one that runs here."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from parity.arrays import Array
from parity.cases.case import Case
from parity.errors import choose
from parity.frameworks.loading import FRAMEWORKS
from parity.frameworks.manifest import MANIFEST, Manifest, digest, file_name, key_of, read, rejected
from parity.frameworks.observation import Observation, restored


class NotInRecording(LookupError):
    """A recording has no observation to compare with; the message says why."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A framework that observes by looking up: one environment, one seed; see `parity.frameworks.manifest`."""

    folder: Path
    manifest: Manifest

    @property
    def framework(self) -> str:
        return self.manifest.framework

    @property
    def seed(self) -> int:
        return self.manifest.seed

    def __str__(self) -> str:
        versions = self.manifest.environment.frameworks[self.framework]
        packages = ", ".join(
            f"{name} {versions[name]}" for name in ("torch", "tensorflow", "keras") if name in versions
        )
        return f"{packages} on {self.manifest.device}, recorded in {self.folder}"

    def holds(self, operation: str, dtype: str, variant: str = "") -> bool:
        """Check whether an operation was recorded in a dtype, by that variant if one is given."""
        file = self.manifest.files.get(file_name(operation, dtype))
        variants = file.variants if file else {}
        return variant in variants if variant else bool(variants)

    def observe(self, case: Case, framework: str, variant: str) -> Observation:
        """Look up what a variant observed on a case.

        Raises:
            NotInRecording: the case was not recorded or was sampled from other inputs, or the variant raised.
        """
        name, key = file_name(case.operation, case.dtype), key_of(case)
        file = self.manifest.files.get(name)
        if file is None or framework != self.framework or key not in file.variants.get(variant, {}):
            raise NotInRecording(f"there is no {framework}.{variant} on {key} in what was recorded: {self}")
        if file.cases[key] != digest(case):
            there = self.manifest.environment.versions
            versions = (
                f"there by parity {there['parity']} with numpy {there['numpy']}, here with numpy {np.__version__}"
            )
            raise NotInRecording(f"sampled from other inputs: {versions}; {self}")
        if error := file.variants[variant][key]:
            raise NotInRecording(f"{framework}.{variant} raised {error} when it was recorded: {self}")
        return Observation(_cached_observations(self.folder / name, file.sha256)[f"{variant}/{key}"])


def verified(folder: str | Path) -> Recording:
    """Open a recording and verify all of its files, before anything is compared with it.

    Raises:
        InputError: no recording, an unfinished one, one of another schema, or a file that is missing, superfluous, cut
            off, changed or unreadable; the message says which.
    """
    recording = Recording(Path(folder), read(Path(folder)))
    choose("framework of the recording", recording.framework, FRAMEWORKS)
    files = recording.manifest.files
    for name in sorted(path.name for path in recording.folder.iterdir() if not path.name.startswith(".")):
        if name not in files and name != MANIFEST:
            raise rejected(f"{str(recording.folder)!r} with {name}, which its manifest does not name")
    for name, file in files.items():
        path = recording.folder / name
        succeeded = set()
        for variant, errors in file.variants.items():
            succeeded |= {f"{variant}/{key}" for key, error in errors.items() if not error}
        if set(observations(path, file.sha256, file.bytes)) != succeeded:
            raise rejected(f"{str(path)!r} with other observations than its manifest names")
    return recording


def opened(folder: str | Path) -> Recording:
    """Return a `verified` recording, opened once in each process while its manifest is unchanged."""
    return _opened(Path(folder), (Path(folder) / MANIFEST).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _opened(folder: Path, _: int) -> Recording:
    return Recording(folder, read(folder))


def observations(path: Path, sha256: str, size: int | None = None) -> dict[str, dict[str, Array]]:
    """Read the observations of a file: "variant/config/lengths/outputs" -> quantity -> array.

    Raises:
        InputError: it is missing, has another size or checksum, or is no ``.npz``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise rejected(f"{str(path.parent)!r} without {path.name} ({error.strerror})") from error
    if size is not None and len(content) != size:
        raise rejected(f"{str(path)!r} of {len(content)} bytes", f"the {size} bytes that were written")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise rejected(f"{str(path)!r}, which was changed after it was written")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = restored(archive)
    except (OSError, ValueError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise rejected(f"{str(path)!r}, which cannot be read ({error})") from error
    quantities: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        key, _, quantity = name.rpartition("/")
        array.setflags(write=False)  # observations are cached and shared
        quantities.setdefault(key, {})[quantity] = array
    return quantities


_cached_observations = lru_cache(maxsize=4)(observations)
