"""Read the manifest of a recording, which lists its contents and their checksums.

A recording is a folder: an ``.npz`` for each operation and dtype, and ``manifest.json``, the encoding of a `Manifest`,
which is written last. That of a user's model is in `parity.frameworks.model_manifest`. The checksums detect files that
were cut off, mixed up or edited by accident. They are no signature, because anybody can compute them: a manifest from
elsewhere may have anything in it, and is checked here for all that others rely on.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Self, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from parity.arrays import FLOATS
from parity.cases.case import Case
from parity.errors import InputError, cause, choose, shown
from parity.files import read_regular
from parity.frameworks.loading import FRAMEWORKS
from parity.frameworks.observation import plain

SCHEMA = 1
MANIFEST = "manifest.json"
WRITTEN = "a folder that parity record has written, whole and unchanged"

MOST_TEXT = 2**22  # bytes of a manifest, of which everything has 2**18
MOST = 2**24  # of a file, of which the largest has 2**20, and of the arrays in it
MOST_IN_ALL = 2**28  # bytes of all files, which have 2**23

OPERATION = r"[a-z0-9_]+\.[a-z0-9_]+"
DTYPE = "|".join(FLOATS)
OF_MODEL = rf"(?:weights|layers)\.npz|seed-\d+-(?:{DTYPE}|layers)\.npz"
FILE = re.compile(rf"{OPERATION}-(?:{DTYPE})\.npz|{OF_MODEL}|{re.escape(MANIFEST)}")  # of a recording alone

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,:+/-]+\Z", max_length=200)]
Text = Annotated[str, Meta(max_length=4000)]
Dtype = Annotated[str, Meta(pattern=rf"^(?:{DTYPE})\Z")]
Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Setting = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
Settings = dict[str, Setting | dict[str, Setting]]  # that a framework reports


class Origin(Struct, frozen=True, forbid_unknown_fields=True):
    """The environment in which a recording was made, as in a report."""

    date: Text
    python: Text
    platform: Text
    cpu: Text
    cores: Whole | None
    versions: dict[Text, Text | None]
    seed: Whole
    frameworks: dict[Text, Settings]


class RecordedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The file of one operation and dtype.

    Attributes:
        bytes: its size.
        cases: "config/lengths/outputs" -> the SHA-256 of all input of the case.
        variants: variant -> the same names -> the error that it raised; empty if it raised none.
    """

    operation: Annotated[str, Meta(pattern=rf"^{OPERATION}\Z", max_length=100)]
    dtype: Dtype
    bytes: Annotated[int, Meta(ge=0, le=MOST)]
    sha256: str
    cases: dict[Name, str]
    variants: dict[Name, dict[Name, Text]]

    def __post_init__(self) -> None:
        for errors in self.variants.values():
            if odd := sorted(errors.keys() - self.cases.keys()):
                raise ValueError(f"no input of {odd[0]}")


class Sealed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A manifest of either kind; ``sha256`` is that of the manifest without this field."""

    schema: int = SCHEMA
    sha256: str = ""

    def with_checksum(self) -> Self:
        """Return it with the checksum of all its other fields."""
        fields = {name: value for name, value in msgspec.to_builtins(self).items() if name != "sha256"}
        text = json.dumps(fields, sort_keys=True)
        return replace(self, sha256=hashlib.sha256(text.encode()).hexdigest())


AnyManifest = TypeVar("AnyManifest", bound=Sealed)


class Manifest(Sealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of a recording.

    Attributes:
        framework, seed, dtypes: what was recorded.
        device, environment: where it was recorded.
        files: name -> file.
    """

    framework: str
    seed: Whole
    dtypes: tuple[Dtype, ...]
    device: Text
    environment: Origin
    files: dict[str, RecordedFile]

    def __post_init__(self) -> None:
        choose("framework of the recording", self.framework, FRAMEWORKS)
        if self.framework not in self.environment.frameworks:
            raise ValueError(f"no settings of {self.framework}")
        for name, file in self.files.items():
            if name != (expected := file_name(file.operation, file.dtype)):
                raise ValueError(f"a file {shown(name)}, expected {expected}")
        if sum(file.bytes for file in self.files.values()) > MOST_IN_ALL:
            raise ValueError(f"files of more than {MOST_IN_ALL} bytes")


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
        InputError: there is none, it has another schema, it was changed, or it contradicts itself.
    """
    return read_as(Manifest, folder, "replay")


def read_as(kind: type[AnyManifest], folder: Path, argument: str) -> AnyManifest:
    """Read a manifest of some kind, as `read` does; ``argument`` is what the recording was given for."""
    path = folder / MANIFEST
    try:
        content = msgspec.json.decode(read_regular(path, MOST_TEXT, follow=False))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not folder.is_dir():
            raise rejected(f"{str(folder)!r}, which is no folder", argument=argument) from error
        received = f"{str(folder)!r} without {MANIFEST}: no recording, or one that was not finished (record it again)"
        raise rejected(received, argument=argument) from error
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise unreadable(path, error, argument) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        expected = f"schema {SCHEMA}, which this version writes and reads"
        raise rejected(f"schema {shown(schema)} in {str(path)!r}", expected, argument)
    if ("model" in content) != ("model" in kind.__struct_fields__):
        of, instead = (("operations", "a model"), ("a model", "operations"))["model" in content]
        raise rejected(f"{str(folder)!r}, a recording of {of}", f"one of {instead}", argument)
    try:
        manifest = msgspec.convert(content, kind)
    except ValueError as error:
        received = f"{str(path)!r}, which was changed after it was written ({cause(error)})"
        raise rejected(received, argument=argument) from error
    if manifest != manifest.with_checksum():
        raise rejected(f"{str(path)!r}, which was changed after it was written", argument=argument)
    return manifest


def rejected(received: str, expected: str = WRITTEN, argument: str = "replay") -> InputError:
    return InputError(argument, received, expected)


def unreadable(path: Path, error: Exception, argument: str = "replay") -> InputError:
    return rejected(f"{str(path)!r}, which cannot be read ({cause(error)})", argument=argument)
