"""Look up what a framework observed elsewhere or earlier, to compare it with one that runs here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from parity import errors
from parity.arrays import Array, is_float
from parity.cases.case import Case
from parity.errors import InputError, first_lines, printable
from parity.files import read_regular
from parity.frameworks.archive import read_arrays
from parity.frameworks.manifest import MANIFEST, MOST, Manifest, digest, file_name, key_of, read, rejected, unreadable
from parity.frameworks.observation import Observation, restored

CHANGED = "the recording was changed during the run"


class NotInRecording(LookupError):
    """A recording has no observation to compare with; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))  # anybody may have written what it quotes


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
        return f"{first_lines(f'{packages} on {self.manifest.device}')}, recorded in {printable(str(self.folder))}"

    def holds(self, operation: str, dtype: str, variant: str = "") -> bool:
        """Check whether an operation was recorded in a dtype, by that variant if one is given."""
        file = self.manifest.files.get(file_name(operation, dtype))
        variants = file.variants if file else {}
        return variant in variants if variant else bool(variants)

    def observe(self, case: Case, framework: str, variant: str) -> Observation:
        """Look up what a variant observed on a case.

        Raises:
            NotInRecording: the case was not recorded or was sampled from other inputs, the variant raised, or what is
                there is not of the case's shapes and dtype.
        """
        name, key = file_name(case.operation, case.dtype), key_of(case)
        file = self.manifest.files.get(name)
        if file is None or framework != self.framework or key not in file.variants.get(variant, {}):
            raise NotInRecording(f"there is no {framework}.{variant} on {key} in what was recorded: {self}")
        if file.cases[key] != digest(case):
            versions = self.manifest.environment.versions
            there = f"by parity {versions.get('parity')} with numpy {versions.get('numpy')}"
            raise NotInRecording(f"sampled from other inputs: there {there}, here with numpy {np.__version__}; {self}")
        if raised := file.variants[variant][key]:
            raise NotInRecording(f"{framework}.{variant} raised {raised} when it was recorded: {self}")
        try:
            observed = _cached_observations(self.folder / name, file.sha256, file.bytes)[f"{variant}/{key}"]
        except (InputError, KeyError) as error:  # it was verified before the run
            raise NotInRecording(f"{CHANGED}: {error}") from error
        if misfit := _misfit(observed, case):
            raise NotInRecording(f"{framework}.{variant} gave {misfit} when it was recorded: {self}")
        return Observation(observed)


def _misfit(observed: Mapping[str, Array], case: Case) -> str:
    """Describe the first quantity that is not of a case, or has another shape or dtype; nothing if all are right."""
    gradients = {f"d_{name}": array for name, array in case.arrays.items() if is_float(array.dtype)}
    expected = {**case.cotangents, **gradients}
    for name, array in observed.items():
        discrete = name in case.configuration.discrete and array.dtype.kind in "biu"
        typed = discrete or array.dtype.name == case.dtype
        if name not in expected or array.shape != expected[name].shape or not typed:
            return f"{name} of shape {array.shape} in {array.dtype}"
    missing = expected.keys() - observed.keys()
    return f"no {min(missing)}" if missing else ""


def verified(folder: str | Path) -> Recording:
    """Open a recording and verify all of its files, before anything is compared with it.

    Raises:
        InputError: no recording, an unfinished one, one of another schema, or a file that is missing, superfluous, cut
            off, changed or unreadable; the message says which.
    """
    path = errors.file_name("replay", folder)
    recording = Recording(path, read(path))
    files = recording.manifest.files
    try:
        names = sorted(file.name for file in path.iterdir())
    except OSError as error:
        raise unreadable(path, error) from error
    for name in names:
        if name not in files and name != MANIFEST and not name.startswith("."):
            raise rejected(f"{str(path)!r} with {name}, which its manifest does not name")
    for name, file in files.items():
        succeeded = set()
        for variant, raised in file.variants.items():
            succeeded |= {f"{variant}/{key}" for key, error in raised.items() if not error}
        if set(observations(path / name, file.sha256, file.bytes)) != succeeded:
            raise rejected(f"{str(path / name)!r} with other observations than its manifest names")
    return recording


def apart(recording: Recording | None, output: str | Path, argument: str = "output") -> None:
    """Check that a report goes neither into a recording to replay, if there is one, nor around it.

    Raises:
        InputError: it does; ``argument`` is the name of its folder there.
    """
    if recording is None:
        return
    try:
        there, here = (Path(os.path.realpath(folder)) for folder in (recording.folder, output))
    except ValueError:  # no folder has such a name, which is reported where it is created
        return
    if there == here or there in here.parents or here in there.parents:
        raise InputError(argument, repr(str(output)), f"a folder apart from the recording {str(recording.folder)!r}")


def opened(folder: str | Path) -> Recording:
    """Return a `verified` recording, opened once in each process while its manifest is unchanged.

    Raises:
        NotInRecording: it cannot be read any more.
    """
    try:
        return _opened(Path(folder), (Path(folder) / MANIFEST).stat().st_mtime_ns)
    except (OSError, InputError) as error:
        raise NotInRecording(f"{CHANGED}: {error}") from error


@lru_cache(maxsize=4)
def _opened(folder: Path, _: int) -> Recording:
    return Recording(folder, read(folder))


def observations(path: Path, sha256: str, size: int) -> dict[str, dict[str, Array]]:
    """Read the observations of a file: "variant/config/lengths/outputs" -> quantity -> array.

    Raises:
        InputError: it is missing, has another size or checksum, or is no ``.npz`` of numbers.
    """
    arrays = read_file(path, sha256, size, MOST)
    try:
        arrays = restored(arrays)
    except (ValueError, TypeError) as error:
        raise unreadable(path, error) from error
    quantities: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        key, _, quantity = name.rpartition("/")
        array.setflags(write=False)  # observations are cached and shared
        quantities.setdefault(key, {})[quantity] = array
    return quantities


def read_file(path: Path, sha256: str, size: int, most: int, argument: str = "replay") -> dict[str, Array]:
    """Read the arrays of a file of a recording.

    Args:
        sha256, size: those of its manifest.
        most: how many bytes its arrays may have.
        argument: what the recording was given for.

    Raises:
        InputError: as for `observations`.
    """
    try:
        content = read_regular(path, size, follow=False)
    except FileNotFoundError as error:
        raise rejected(f"{str(path.parent)!r} without {path.name}", argument=argument) from error
    except OSError as error:
        raise unreadable(path, error, argument) from error
    if len(content) != size:
        received = f"{str(path)!r} of {len(content)} bytes"
        raise rejected(received, f"the {size} bytes that were written", argument)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise rejected(f"{str(path)!r}, which was changed after it was written", argument=argument)
    try:
        return read_arrays(content, most)
    except (ValueError, TypeError) as error:
        raise unreadable(path, error, argument) from error


_cached_observations = lru_cache(maxsize=4)(observations)
