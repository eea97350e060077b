"""Write and read the manifest of a recording, which lists its contents and their checksums.

A recording is a folder: an ``.npz`` for each operation and dtype, and ``manifest.json``, the encoding of a `Manifest`,
which is written last. The checksums detect files that were cut off, mixed up or edited by accident. They are no
signature, because anybody can compute them.

New files are written into a folder inside the recording. Only when all of them are complete do they replace those of an
earlier recording, so that an interrupted run leaves the earlier one intact.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from parity.cases.case import Case
from parity.errors import InputError
from parity.frameworks.observation import plain

SCHEMA = 1
MANIFEST = "manifest.json"
UNFINISHED = ".unfinished"  # inside the recording's folder, so that files need not move to another file system
WRITTEN = "a folder that parity record has written, whole and unchanged"

Setting = str | int | float | bool | None
Settings = dict[str, Setting | dict[str, Setting]]  # that a framework reports


class Origin(Struct, frozen=True, forbid_unknown_fields=True):
    """The environment in which a recording was made, as in a report."""

    date: str
    python: str
    platform: str
    cpu: str
    cores: int | None
    versions: dict[str, str | None]
    seed: int
    frameworks: dict[str, Settings]


class RecordedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The file of one operation and dtype.

    Attributes:
        bytes: its size.
        cases: "config/lengths/outputs" -> the SHA-256 of all input of the case.
        variants: variant -> the same names -> the error that it raised; empty if it raised none.
    """

    operation: str
    dtype: str
    bytes: int
    sha256: str
    cases: dict[str, str]
    variants: dict[str, dict[str, str]]


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of a recording.

    Attributes:
        sha256: of the manifest without this field.
        framework, seed, dtypes: what was recorded.
        device, environment: where it was recorded.
        files: name -> file.
    """

    schema: int = SCHEMA
    sha256: str = ""
    framework: str
    seed: int
    dtypes: tuple[str, ...]
    device: str
    environment: Origin
    files: dict[str, RecordedFile]

    def with_checksum(self) -> Manifest:
        """Return it with the checksum of all its other fields."""
        fields = {name: value for name, value in msgspec.to_builtins(self).items() if name != "sha256"}
        text = json.dumps(fields, sort_keys=True)
        return replace(self, sha256=hashlib.sha256(text.encode()).hexdigest())


def file_name(operation: str, dtype: str) -> str:
    """Return the name of the file with the observations of an operation.

    >>> file_name("rnn.lstm", "float32")
    'rnn.lstm-float32.npz'
    """
    return f"{operation}-{dtype}.npz"


def key_of(case: Case) -> str:
    """Return the key of a case in a recording.

    It names the outputs that have a cotangent, because gradients depend on them.
    """
    return f"{case.name}/{'+'.join(case.cotangents)}"


def digest(case: Case) -> str:
    """Return the SHA-256 of all input of a run.

    It covers options, lengths, arrays and cotangents, with names, dtypes and shapes.

    >>> from parity.cases.sampling import sample_case
    >>> first, second = (sample_case("rnn.gru", "one_layer", "ragged", "float32", seed) for seed in (0, 1))
    >>> digest(first) == digest(first), digest(first) == digest(second)
    (True, False)
    """
    checksum = hashlib.sha256(repr(sorted(case.configuration.options.items())).encode())
    cotangents = {f"cotangent of {name}": array for name, array in case.cotangents.items()}
    for name, array in plain({"lengths": case.lengths, **case.arrays, **cotangents}).items():
        checksum.update(f"{name} {array.dtype.name} {array.shape} ".encode())
        checksum.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return checksum.hexdigest()


def read(folder: Path) -> Manifest:
    """Read the manifest of a recording.

    Raises:
        InputError: there is none, it has another schema, or it was changed.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise rejected(f"{str(folder)!r}, which is no folder")
    try:
        content = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError as error:
        raise rejected(f"{str(folder)!r} without {MANIFEST}: no recording, or one that was not finished") from error
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise rejected(f"{str(path)!r}, which cannot be read ({error})") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise rejected(f"schema {schema!r} in {str(path)!r}", f"schema {SCHEMA}, which this version writes and reads")
    try:
        manifest = msgspec.convert(content, Manifest)
    except ValueError as error:
        raise rejected(f"{str(path)!r}, which was changed after it was written ({error})") from error
    if manifest != manifest.with_checksum():
        raise rejected(f"{str(path)!r}, which was changed after it was written")
    return manifest


def rejected(received: str, expected: str = WRITTEN) -> InputError:
    return InputError("replay", received, expected)


def writable(folder: str | Path) -> None:
    """Check that a recording can be written, and make its unfinished folder.

    Nothing is written into a folder that holds other files.

    Raises:
        InputError: it cannot be written, or is neither empty nor a recording.
    """
    path = Path(folder)
    try:
        present = {file.name for file in path.iterdir()} if path.exists() else set()
        if foreign := sorted(name for name in present.difference(_earlier(path)) if not name.startswith(".")):
            expected = "a new folder, an empty one, or a recording to replace"
            raise InputError("output", f"{str(folder)!r} with {foreign[0]} in it", expected)
        discard(path)
        (path / UNFINISHED).mkdir(parents=True)
    except OSError as error:
        raise _not_writable(folder, error) from error


def finish(folder: str | Path, manifest: Manifest) -> None:
    """Replace an earlier recording with the new files, and write the manifest.

    The manifest is moved last, so that an incomplete recording cannot be mistaken for a complete one.

    Args:
        folder: the recording's, with all new files in its `UNFINISHED`.
        manifest: of these files, without checksum.

    Raises:
        InputError: it cannot be written any more.
    """
    path = Path(folder)
    text = msgspec.json.format(msgspec.json.encode(manifest.with_checksum()), indent=1)
    try:
        (path / UNFINISHED / MANIFEST).write_bytes(text)
        for name in _earlier(path):
            (path / name).unlink(missing_ok=True)
        for name in (*manifest.files, MANIFEST):
            (path / UNFINISHED / name).replace(path / name)
    except OSError as error:
        raise _not_writable(folder, error) from error
    discard(path)


def discard(folder: str | Path) -> None:
    """Remove the files of an unfinished run."""
    shutil.rmtree(Path(folder) / UNFINISHED, ignore_errors=True)


def _not_writable(folder: str | Path, error: OSError) -> InputError:
    return InputError("output", repr(str(folder)), f"a folder that can be written ({error.strerror})")


def _earlier(folder: Path) -> list[str]:
    """List the files of an earlier recording in the folder, its manifest first."""
    try:
        return [MANIFEST, *read(folder).files]
    except InputError:
        return []
