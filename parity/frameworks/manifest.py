"""What a recording says of itself, so that nobody compares with what it does not hold.

A recording is a folder: an ``.npz`` for each operation and dtype, and ``manifest.json``, which is written last:

    schema, sha256          of the manifest itself
    framework, seed, dtypes      what was recorded
    device, environment     where; as in a report
    files                   name -> operation, dtype, bytes, sha256, and
        cases               "config/lengths/outputs" -> SHA-256 of all that went in
        variants            variant -> the same names -> what it raised; empty where it gave an answer

The checksums find what was cut off, mixed up or edited by accident. They are no signature: whoever means to deceive
can compute them too.

New files are written into a folder inside it. Only when all are there do they take the place of what the recording held
before: a run that is stopped leaves an earlier recording whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.cases.case import Case
from parity.errors import InputError
from parity.frameworks.observation import plain

SCHEMA = 1
MANIFEST = "manifest.json"
UNFINISHED = ".unfinished"  # inside the recording's folder, so that nothing has to cross to another file system
FIELDS = ("schema", "sha256", "framework", "seed", "dtypes", "device", "environment", "files")
WRITTEN = "a folder that parity record has written, whole and unchanged"


def file_name(operation: str, dtype: str) -> str:
    """Where the observations of an operation are kept.

    >>> file_name("rnn.lstm", "float32")
    'rnn.lstm-float32.npz'
    """
    return f"{operation}-{dtype}.npz"


def key_of(case: Case) -> str:
    """What a recording calls a case. Gradients depend on which outputs have a cotangent, so those are part of it."""
    return f"{case.name}/{'+'.join(case.cotangents)}"


def digest(case: Case) -> str:
    """SHA-256 of all that goes into a run: options, lengths, arrays and cotangents, with names, dtypes and shapes.

    >>> from parity.cases.sampling import sample_case
    >>> one, two = (sample_case("rnn.gru", "one_layer", "ragged", "float32", seed) for seed in (0, 1))
    >>> digest(one) == digest(one), digest(one) == digest(two)
    (True, False)
    """
    told = hashlib.sha256(repr(sorted(case.configuration.options.items())).encode())
    cotangents = {f"cotangent of {name}": array for name, array in case.cotangents.items()}
    for name, array in plain({"lengths": case.lengths, **case.arrays, **cotangents}).items():
        told.update(f"{name} {array.dtype.name} {array.shape} ".encode())
        told.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return told.hexdigest()


def signed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the checksum of all the rest of it."""
    rest = {name: value for name, value in manifest.items() if name != "sha256"}
    return rest | {"sha256": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a recording.

    Raises:
        InputError: there is none, or one of another schema, or one that was changed.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise refused(f"{str(folder)!r}, which is no folder")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise refused(f"{str(folder)!r} without {MANIFEST}: no recording, or one that was not finished") from error
    except (OSError, ValueError) as error:
        raise refused(f"{str(path)!r}, which cannot be read ({error})") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise refused(f"schema {schema!r} in {str(path)!r}", f"schema {SCHEMA}, which this version writes and reads")
    if manifest != signed(manifest) or set(manifest) < set(FIELDS):
        raise refused(f"{str(path)!r}, which was changed after it was written")
    return dict(manifest)


def refused(came: str, expected: str = WRITTEN) -> InputError:
    """What is wrong with a recording."""
    return InputError("replay", came, expected)


def writable(folder: str | Path) -> None:
    """Make sure that a recording can be written, before the work; a folder that holds anything else is left alone.

    Raises:
        InputError: it cannot be written, or is neither empty nor a recording.
    """
    there = Path(folder)
    try:
        strange = sorted(_visible(there) - set(_earlier(there)))
        if strange:
            expected = "a new folder, an empty one, or a recording to replace"
            raise InputError("output", f"{str(folder)!r} with {strange[0]} in it", expected)
        discard(there)
        (there / UNFINISHED).mkdir(parents=True)
    except OSError as error:
        raise InputError("output", repr(str(folder)), f"a folder that can be written ({error.strerror})") from error


def finish(folder: str | Path, told: Mapping[str, Any]) -> Path:
    """Put what was written in the place of an earlier recording; the manifest last, so that no half passes for a whole.

    Args:
        folder: the recording's, with all of its files in its `UNFINISHED`.
        told: the manifest, without schema and checksum.

    Returns:
        The manifest's path.

    Raises:
        InputError: it cannot be written any more.
    """
    there = Path(folder)
    text = json.dumps(signed({"schema": SCHEMA, **told}), ensure_ascii=False, indent=1)
    try:
        (there / UNFINISHED / MANIFEST).write_text(text, encoding="utf-8")
        for name in _earlier(there):
            (there / name).unlink(missing_ok=True)
        for name in (*told["files"], MANIFEST):
            (there / UNFINISHED / name).replace(there / name)
    except OSError as error:
        raise InputError("output", repr(str(folder)), f"a folder that can be written ({error.strerror})") from error
    discard(there)
    return there / MANIFEST


def discard(folder: str | Path) -> None:
    """Drop what a run that did not finish has left."""
    shutil.rmtree(Path(folder) / UNFINISHED, ignore_errors=True)


def _visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.exists() else set()


def _earlier(folder: Path) -> list[str]:
    """The files of the recording that is there now, if any; its manifest first."""
    try:
        return [MANIFEST, *read(folder)["files"]]
    except InputError:
        return []
