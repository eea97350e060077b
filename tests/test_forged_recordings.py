"""Replay and replace recordings that somebody forged: each gets one sentence, and nothing outside of it is touched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given

from parity.__main__ import main
from parity.arrays import FLOATS
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.result import FAILED, Result
from parity.checks.selection import plan
from parity.cli.session import Session
from parity.errors import InputError
from parity.files import Claim
from parity.frameworks import manifest, writing
from parity.frameworks.observation import plain
from parity.frameworks.recording import NotInRecording, apart, opened, verified
from parity.operations import OPERATIONS
from tests.strategies import JSON, spoilt

REVERSE = "bidirectional.reverse_sequence"
CASES = {dtype: sample_case(REVERSE, "features", "ragged", dtype, 0) for dtype in ("float32", "bfloat16")}
CASE = CASES["float32"]
KEY = manifest.key_of(CASE)
WIDE, NARROW = (manifest.file_name(REVERSE, dtype) for dtype in CASES)
FREE = manifest.file_name("rnn.lstm", "float32")  # a name that a recording may have, and this one does not
Y, D_X = f"gather/{KEY}/y.npy", f"gather/{KEY}/d_x.npy"
ESCAPE = "\x1b[31m red \x07\u202e"
Contents = dict[str, Any]


def archive(dtype: str) -> bytes:
    """Return the right content of a file."""
    case, content = CASES[dtype], io.BytesIO()
    arrays = {f"gather/{KEY}/y": case.cotangents["y"], f"gather/{KEY}/d_x": case.arrays["x"]}
    np.savez_compressed(content, **plain(arrays))  # type: ignore[arg-type]
    return content.getvalue()


FILES = {manifest.file_name(REVERSE, dtype): archive(dtype) for dtype in CASES}
RIGHT: Contents = {
    "schema": manifest.SCHEMA,
    "framework": "pytorch",
    "seed": 0,
    "dtypes": list(CASES),
    "device": "cpu",
    "environment": {
        "date": "2026-11-21",
        "python": "3.11.7",
        "platform": "Linux",
        "cpu": "a processor",
        "cores": 2,
        "versions": {"parity": "0.1.0", "numpy": "2.0.0", "tensorflow": None},
        "seed": 0,
        "frameworks": {"pytorch": {"torch": "2.13.0", "device": "cpu", "threads": 2, "tf32": {"matmul": False}}},
    },
    "files": {
        manifest.file_name(REVERSE, dtype): {
            "operation": REVERSE,
            "dtype": dtype,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "cases": {KEY: manifest.digest(case)},
            "variants": {"gather": {KEY: ""}, "flip": {KEY: "ValueError: it cannot"}},
        }
        for (dtype, case), content in zip(CASES.items(), FILES.values(), strict=True)
    },
}
OF_FILE = "files", WIDE
MISSING = object()


def contents(*path: str, value: Any = MISSING) -> Contents:
    """Return the right contents with another value somewhere, or without one; unchanged without a path."""
    made = part = json.loads(json.dumps(RIGHT))
    for name in path[:-1]:
        part = part[name]
    if value is not MISSING:
        part[path[-1]] = value
    elif path:
        del part[path[-1]]
    return made  # type: ignore[no-any-return]


def renamed(name: str, operation: str = REVERSE, dtype: str = "float32") -> Contents:
    """Return contents in which one file has another name."""
    made = contents()
    made["files"][name] = made["files"].pop(WIDE) | {"operation": operation, "dtype": dtype}
    return made


def write(folder: Path, forged: Any, files: Mapping[str, bytes] = FILES) -> Path:
    """Write a recording with these contents, and the right checksum."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if isinstance(forged, dict):
        text = json.dumps({name: value for name, value in forged.items() if name != "sha256"}, sort_keys=True)
        forged = forged | {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    (folder / manifest.MANIFEST).write_text(json.dumps(forged))
    return folder


def write_file(folder: Path, content: bytes) -> Path:
    """Write a recording with another file, and the right checksums."""
    described = RIGHT["files"][WIDE] | {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return write(folder, contents(*OF_FILE, value=described), FILES | {WIDE: content})


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that nothing may touch; recordings are written beside it."""
    folder = write(tmp_path_factory.mktemp("forged") / "beside", contents())
    (folder / "thesis.tex").write_text("years of work")
    return folder


def state(folder: Path) -> dict[Path, Any]:
    """Return what is in a folder, with what changes if somebody writes there."""
    found: dict[Path, Any] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[path] = status.st_ino, status.st_mtime_ns, status.st_mode, content
    return found


@contextmanager
def one_sentence() -> Iterator[None]:
    """Check that a call succeeds, or is rejected in one printable sentence."""
    try:
        yield
    except (InputError, NotInRecording) as error:
        form = ".+" if isinstance(error, NotInRecording) else "[a-z]+: got .+, expected .+"
        if not (str(error).isprintable() and re.fullmatch(form, str(error))):
            raise AssertionError(str(error)) from error


def use(folder: Path) -> None:
    """Verify, print and compare with a recording."""
    with one_sentence():
        recording = verified(folder)
        assert str(recording).isprintable()
        for case in CASES.values():
            for variant in ("gather", "flip"):
                with one_sentence():
                    opened(folder).observe(case, "pytorch", variant)


def replace(folder: Path) -> None:
    """Write a right recording over one."""
    with one_sentence(), writing.begin(folder):
        for name, content in FILES.items():
            (folder / writing.UNFINISHED / name).write_bytes(content)
        writing.finish(folder, msgspec.convert(RIGHT, manifest.Manifest))
        assert verified(folder).manifest.files.keys() == FILES.keys()


def test_the_forgeries_start_from_what_is_right(beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    for case in CASES.values():
        observed = verified(folder).observe(case, "pytorch", "gather")["y"]
        np.testing.assert_array_equal(observed, case.cotangents["y"])
    replace(folder)
    assert {path.name for path in folder.iterdir()} == {*FILES, manifest.MANIFEST}


def test_every_name_of_a_recording_is_one_that_a_manifest_may_have() -> None:
    """Notice if an operation, a configuration, lengths or a variant is named with other characters."""
    for row in OPERATIONS.values():
        described = msgspec.json.decode(json.dumps(RIGHT["files"][WIDE]))
        keys = [
            f"{one.name}/{lengths}/{'+'.join(one.outputs)}" for one in row.configurations for lengths in lengths_of(one)
        ]
        variants = {variant: dict.fromkeys(keys, "") for names in row.variants.values() for variant in names}
        described |= {"operation": row.name, "cases": dict.fromkeys(keys, ""), "variants": variants}
        assert msgspec.convert(described, manifest.RecordedFile).variants == variants
        assert all(manifest.FILE.fullmatch(manifest.file_name(row.name, dtype)) for dtype in FLOATS)


MANIFESTS: dict[str, tuple[Any, str]] = {
    "another folder": (renamed("../beside/thesis.tex"), "a file '../beside/thesis.tex', expected bidirectional.rev"),
    "a device": (renamed("/dev/zero"), "a file '/dev/zero', expected bidirectional.reverse_sequence-float32.npz"),
    "an operation elsewhere": (renamed("../beside/x.y-float32.npz", "../beside/x.y"), "`str` matching regex"),
    "an operation without a topic": (renamed("thesis-float32.npz", "thesis"), "`str` matching regex"),
    "an operation that ends a line": (renamed("rnn.a\n-float32.npz", "rnn.a\n"), "`str` matching regex"),
    "the manifest itself": (renamed(manifest.MANIFEST), "a file 'manifest.json', expected bidirectional.rev"),
    "another operation": (renamed(WIDE, "rnn.lstm"), f"a file '{WIDE}', expected {FREE}"),
    "an unknown dtype": (renamed(f"{REVERSE}-int8.npz", dtype="int8"), "`str` matching regex"),
    "unknown dtypes": (contents("dtypes", value=["int8"]), "`str` matching regex"),
    "a size of another type": (contents(*OF_FILE, "bytes", value="9"), "Expected `int`, got `str`"),
    "a negative size": (contents(*OF_FILE, "bytes", value=-1), "Expected `int` >= 0"),
    "a size without end": (contents(*OF_FILE, "bytes", value=2**40), "Expected `int` <= 16777216"),
    "a variant on no case": (contents(*OF_FILE, "cases", value={}), f"no input of {KEY}"),
    "a case with escapes": (contents(*OF_FILE, "cases", ESCAPE, value=""), "`str` matching regex"),
    "no settings": (contents("environment", "frameworks", "pytorch"), "no settings of pytorch"),
    "a framework of another type": (contents("framework", value=[]), "Expected `str`, got `array`"),
    "a negative seed": (contents("seed", value=-1), "Expected `int` >= 0"),
    "a seed beyond int64": (contents("seed", value=2**63), "Expected `int` <= 9223372036854775807"),
    "a setting beyond int64": (
        contents("environment", "frameworks", "pytorch", "threads", value=10**30),
        "Expected `int` <= 9223372036854775807",
    ),
    "a text without end": (contents("device", value="x" * 10**6), "Expected `str` of length <= 4000"),
    "a field with escapes": (contents(ESCAPE, value=1), r"unknown field ` red \x07\u202e`"),
    "a schema without end": (contents("schema", value="x" * 10**6), "schema 'xxx"),
    "a schema of another type": (contents("schema", value={"a": [1]}), "schema {'a': [1]} in "),
    "an array": ([RIGHT], "schema None in "),
    "sizes that add up": (
        contents(
            "files",
            value={
                manifest.file_name(f"rnn.cell{number}", "float32"): RIGHT["files"][WIDE]
                | {"operation": f"rnn.cell{number}", "bytes": 2**24}
                for number in range(17)
            },
        ),
        "files of more than 268435456 bytes",
    ),
}


def rejected_in_one_line(folder: Path, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder.with_name("report")
    assert main(["check", "--operation", REVERSE, "--replay", str(folder), "--output", str(output)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("parity: error: replay: got ")
    assert message in err
    assert err.removesuffix("\n").isprintable()
    assert not output.exists()


@pytest.mark.parametrize("forgery", MANIFESTS)
def test_a_forged_manifest_is_rejected_and_replaces_nothing(forgery: str, beside: Path, capsys: Any) -> None:
    forged, message = MANIFESTS[forgery]
    named = forged["files"] if isinstance(forged, dict) else FILES
    folder = write(beside.with_name("recording"), forged, {name: FILES[name] for name in FILES if name in named})
    rejected_in_one_line(folder, message, capsys)
    before = state(beside.parent)
    with pytest.raises(InputError, match="in it, expected a new folder, an empty one, or a recording to replace"):
        writing.begin(folder)
    assert state(beside.parent) == before


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(FILES[WIDE])) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(named: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        for name, member in named.items():
            file.writestr(name, member)
    return content.getvalue()


def twice(name: str) -> bytes:
    """Return the right file with a second member of the same name."""
    return zipped(members() | {"?" * len(name): members()[name]}).replace(b"?" * len(name), name.encode())


def patched(offset: int, form: str, value: int, content: bytes = FILES[WIDE]) -> bytes:
    """Return a file with another field of the first entry of its table of contents."""
    changed = bytearray(content)
    struct.pack_into(form, changed, content.index(b"PK\x01\x02") + offset, value)
    return bytes(changed)


DATA = members()[Y][-CASE.cotangents["y"].nbytes :]


def array(shape: Any = CASE.cotangents["y"].shape, descr: str = "'<f4'", order: str = "False", more: str = "") -> bytes:
    """Return an array with a header of these parts."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header) % 2**16) + header + DATA


SIZE = 24  # of a member, in its entry
MANY = {f"gather/{KEY}/{number}.npy": bytes(2**20) for number in range(17)}
NO_HEADER = "an array without the header of numbers"
NO_ARRAY = "which is no array of this format"
ARCHIVES: dict[str, tuple[bytes, str]] = {
    "encrypted": (patched(8, "<H", 1), "is encrypted, password required"),
    "strongly encrypted": (patched(8, "<H", 0x40), "strong encryption"),
    "patched data": (patched(8, "<H", 0x20), "compressed patched data"),
    "unknown compression": (patched(10, "<H", 99), NO_ARRAY),
    "unknown version": (patched(6, "<H", 999), "zip file version"),
    "damaged": (patched(16, "<I", 0), "Bad CRC-32"),
    "overlapping": (patched(42, "<I", 10), "Bad magic number for file header"),
    "a size that promises more": (patched(SIZE, "<I", 2**31), "arrays of more than 16777216 bytes"),
    "a size that promises less": (patched(SIZE, "<I", 3), "Bad CRC-32"),
    "bzip2": (zipped(members(), zipfile.ZIP_BZIP2), NO_ARRAY),
    "lzma": (zipped(members(), zipfile.ZIP_LZMA), NO_ARRAY),
    "many arrays": (zipped(MANY), "arrays of more than 16777216 bytes"),
    "two of one name": (twice(Y), "two arrays of one name"),
    "none": (zipped({}), "with other observations than its manifest names"),
    "no header": (zipped({Y: b"nothing of NumPy"}), NO_HEADER),
    "nothing": (zipped({Y: b""}), NO_HEADER),
    "a name with escapes": (zipped({f"{ESCAPE}.npy": array()}), NO_ARRAY),
    "a name without end": (zipped({f"{'x' * 60_000}.npy": array()}), "which cannot be read ('xxx"),
    "a name that leads elsewhere": (zipped({"../../y.npy": array()}), "with other observations than"),
    "no array": (zipped({f"gather/{KEY}/y": array()}), NO_ARRAY),
    "bits of another size": (zipped({f"gather/{KEY}/y.bfloat16.npy": array()}), "which cannot be read (Cannot cast"),
    "less than an archive": (b"", "which cannot be read (File is not a zip file)"),
}
HEADERS = {
    "a shape without end": array("(1000000000000,)"),
    "a shape of many axes": array(f"({'1, ' * 65})"),
    "a shape that is too large for an array": array(f"(0, {'999999999, ' * 9})"),
    "a shape of another size": array("(5, 3, 2)"),
    "a negative shape": array("(-1, 3, 2)"),
    "a shape of digits without end": array(f"({'9' * 300},)"),
    "a shape of no numbers": array("(True, None)"),
    "a shape of gaps": array("(4 3, 2)"),
    "half a number": array()[:-1],
    "objects": array(descr="'|O'"),
    "structures": array(descr="[('a', '<f4')]"),
    "structures without end": array(descr="[(" * 90),
    "text": array(descr="'<U6'"),
    "bytes": array(descr="'|S4'"),
    "dates": array(descr="'<M8[s]'"),
    "complex numbers": array(descr="'<c8'"),
    "numbers of no size": array(descr="'|V0'"),
    "long doubles": array(descr="'<f16'"),
    "no dtype": array(descr="'<b4'"),
    "an order of no kind": array(order="None"),
    "code": array(descr="__import__('os')"),
    "more keys": array(more="'a': 1, "),
    "brackets without end": array(descr="(" * 5000),
    "signs without end": array(descr="-" * 9000 + "1"),
    "a text that does not end": array(descr='"""'),
    "a null byte": array(descr="'\0'"),
    "a header without end": array(descr="'" + "x" * 60_000),
    "half a header": array()[:20],
    "another version of the format": array().replace(b"\x01\0", b"\x03\0", 1),
}
ARCHIVES |= {name: (zipped(members() | {Y: content}), "which cannot be read (") for name, content in HEADERS.items()}


@pytest.mark.parametrize("forgery", ARCHIVES)
def test_a_forged_file_is_rejected_in_one_line(forgery: str, beside: Path, capsys: Any) -> None:
    content, message = ARCHIVES[forgery]
    rejected_in_one_line(write_file(beside.with_name("recording"), content), message, capsys)


def bomb(size: int) -> bytes:
    """Return an archive with a member of 64 MB of zeros, and another size in its table of contents."""
    return patched(SIZE, "<I", size, zipped({Y: bytes(2**26)}))


HUGE: dict[str, Callable[[Path], object]] = {
    "an honest bomb": lambda folder: write_file(folder, zipped({Y: bytes(2**26)})),
    "a bomb that promises less": lambda folder: write_file(folder, bomb(224)),
    "a header that promises much": lambda folder: write_file(folder, zipped({Y: array("(1000000000000,)")})),
    "a manifest without end": lambda folder: os.truncate(folder / manifest.MANIFEST, 2**36),
    "a file without end": lambda folder: os.truncate(folder / WIDE, 2**36),
    "a manifest of empty lists": lambda folder: (folder / manifest.MANIFEST).write_text(f"[{'[],' * 3 * 10**5}[]]"),
}


@pytest.mark.parametrize("forgery", HUGE)
def test_a_forged_size_costs_no_memory(forgery: str, beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    HUGE[forgery](folder)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"which cannot be read|schema None"):
            verified(folder)
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


def in_place_of(name: str, make: Callable[[Path, Path], object]) -> Callable[[Path, Path], object]:
    """Put something into a recording in place of a file; ``make`` gets the folder beside it and the path."""

    def change(folder: Path, beside: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(beside, folder / name)

    return change


def linked(folder: Path) -> Path:
    """Return a link to a folder, beside it."""
    link = folder.with_name("link")
    link.unlink(missing_ok=True)
    link.symlink_to(folder, target_is_directory=True)
    return link


def link(beside: Path, path: Path) -> None:
    path.symlink_to(beside / path.name)


def link_to_folder(beside: Path, path: Path) -> None:
    path.symlink_to(beside, target_is_directory=True)


def fifo(_: Path, path: Path) -> None:
    os.mkfifo(path)


def device(_: Path, path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_folder(_: Path, path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")


def itself(_: Path, path: Path) -> None:
    path.symlink_to(path.name)


ODD: dict[str, Callable[[Path, Path], object]] = {
    f"{name} as {make.__name__}": in_place_of(name, make)
    for name in (manifest.MANIFEST, WIDE)
    for make in (link, link_to_folder, fifo, device, make_folder, itself)
}
UNFINISHED: dict[str, Callable[[Path, Path], object]] = {
    f"{writing.UNFINISHED} as {make.__name__}": in_place_of(writing.UNFINISHED, make)
    for make in (link, link_to_folder, fifo, device, make_folder, itself)
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
@pytest.mark.parametrize("thing", ODD)
def test_a_recording_is_made_of_regular_files(thing: str, beside: Path, capsys: Any) -> None:
    folder = write(beside.with_name("recording"), contents())
    before = state(beside)
    ODD[thing](folder, beside)
    rejected_in_one_line(folder, "which cannot be read (", capsys)
    replace(folder)
    assert state(beside) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
@pytest.mark.parametrize("thing", UNFINISHED)
def test_nothing_is_written_where_something_else_has_the_name_of_the_unfinished_folder(
    thing: str, beside: Path
) -> None:
    folder = write(beside.with_name("recording"), contents())
    UNFINISHED[thing](folder, beside)
    before = state(beside.parent)
    with pytest.raises(InputError, match=r"output: got '.*' with \.unfinished in it, expected a new folder, an empty"):
        writing.begin(folder)
    writing.discard(folder)
    assert state(beside.parent) == before


def test_links_in_a_recording_are_replaced_and_not_what_they_point_to(beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    in_place_of(NARROW, link)(folder, beside)
    before = state(beside)
    replace(folder)
    assert state(beside) == before
    assert not (folder / NARROW).is_symlink()


class Killed(BaseException):
    """What ends a run at once."""


@pytest.mark.parametrize("steps", range(5))
def test_a_run_that_is_killed_while_it_replaces_a_recording_leaves_the_new_one(
    steps: int, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest and a file of the earlier one are removed, and two new files are moved: four steps."""
    folder = write(beside.with_name("recording"), contents())
    new = contents()
    del new["files"][NARROW]
    left = iter(range(steps))
    for name in ("unlink", "replace"):
        monkeypatch.setattr(Path, name, until_killed(getattr(Path, name), left))
    with suppress(Killed), writing.begin(folder):
        (folder / writing.UNFINISHED / WIDE).write_bytes(FILES[WIDE])
        writing.finish(folder, msgspec.convert(new, manifest.Manifest))
    monkeypatch.undo()
    with writing.begin(folder):
        writing.discard(folder)
    assert verified(folder).manifest.files.keys() == {WIDE}
    assert {path.name for path in folder.iterdir()} == {WIDE, manifest.MANIFEST}


def until_killed(function: Callable[..., Any], left: Iterator[int]) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return function(*arguments, **options)

    return called


def test_a_recording_is_not_written_through_a_link(beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    link = linked(folder)
    before = state(beside.parent)
    assert verified(link).seed == 0
    with pytest.raises(InputError, match=r"output: got '.*link', a symbolic link, expected a new folder, an empty one"):
        writing.begin(link)
    assert state(beside.parent) == before


def test_a_killed_run_leaves_nothing_that_stops_the_next(beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    with writing.begin(folder):
        for name in (FREE, manifest.MANIFEST):
            (folder / writing.UNFINISHED / name).write_text("half of it")
    replace(folder)
    assert {path.name for path in folder.iterdir()} == {*FILES, manifest.MANIFEST}


def test_a_folder_to_which_a_run_is_writing_is_refused(beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    with (
        Claim(folder),
        pytest.raises(InputError, match=r"output: got '.*', to which a run is writing, expected anothe"),
    ):
        writing.begin(folder)
    replace(folder)


def test_files_that_a_forged_recording_names_survive_the_next(pytorch: str, beside: Path, capsys: Any) -> None:
    forged = contents()
    for name in ("../beside/thesis.tex", str(beside / WIDE)):
        forged["files"][name] = forged["files"][WIDE]
    folder = write(beside.with_name("recording"), forged)
    before = state(beside.parent)
    command = ["record", "--framework", pytorch, "--operation", REVERSE, "--jobs", "1", "--output", str(folder)]
    assert main(command) == 2
    assert "in it, expected a new folder, an empty one, or a recording to replace" in capsys.readouterr().err
    assert state(beside.parent) == before


def compared(folder: Path, change: Callable[[Path], object] = lambda _: None) -> Result:
    """Compare a framework with a recording of itself, which changes after it was verified."""
    selected: dict[str, Any] = {"dtypes": ["float32"], "contracts": ["agrees_with_recording"], "lengths": "ragged"}
    (check,) = plan([REVERSE], ["pytorch"], recording=verified(folder), **selected)
    change(folder)
    (result,) = check.run()
    assert result.mode == "eager"
    return result


SHAPES = {
    "another shape": ({"y": np.zeros((2, 2), np.float32)}, "gave y of shape (2, 2) in float32"),
    "an axis more": ({"y": CASE.cotangents["y"][None]}, "gave y of shape (1, "),
    "another dtype": ({"y": CASE.cotangents["y"].astype(np.float64)}, "in float64 when it was recorded"),
    "integers": ({"d_x": np.zeros(CASE.arrays["x"].shape, np.int64)}, "in int64 when it was recorded"),
    "one missing": ({"d_x": None}, "gave no d_x when it was recorded"),
    "one too many": ({"d_z": np.zeros(3, np.float32)}, "gave d_z of shape (3,)"),
}


@pytest.mark.parametrize("forgery", SHAPES)
def test_a_recording_of_other_shapes_is_a_failure_that_names_them(forgery: str, pytorch: str, beside: Path) -> None:
    replaced, message = SHAPES[forgery]
    quantities = {"y": CASE.cotangents["y"], "d_x": CASE.arrays["x"]} | replaced
    content = io.BytesIO()
    np.savez(content, **{f"gather/{KEY}/{name}": one for name, one in quantities.items() if one is not None})
    result = compared(write_file(beside.with_name("recording"), content.getvalue()))
    assert result.status == FAILED
    assert message in result.reason


CHANGES: dict[str, Callable[[Path], object]] = {
    "another file": lambda folder: (folder / WIDE).write_bytes(FILES[NARROW]),
    "no file": lambda folder: (folder / WIDE).unlink(),
    "another manifest": lambda folder: (folder / manifest.MANIFEST).write_text("{}"),
    "no manifest": lambda folder: (folder / manifest.MANIFEST).unlink(),
    "no folder": shutil.rmtree,
    "another recording": lambda folder: write_file(folder, zipped({})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_recording_that_changes_after_it_was_verified_is_a_failure(change: str, pytorch: str, beside: Path) -> None:
    folder = write(beside.with_name(f"then {change}"), contents())
    result = compared(folder, CHANGES[change])
    assert result.status == FAILED
    assert result.reason.startswith("the recording was changed during the run: ")


STRANGE = {
    "a version": contents("environment", "frameworks", "pytorch", "torch", value=ESCAPE),
    "versions": contents("environment", "versions", value={ESCAPE: ESCAPE}),
    "the device": contents("device", value=f"{ESCAPE}\n{'x' * 3000}"),
    "an error": contents(*OF_FILE, "variants", "flip", KEY, value=ESCAPE),
    "other inputs, without versions": contents(*OF_FILE, "cases", KEY, value="0"),
}
STRANGE["other inputs, without versions"]["environment"]["versions"] = {}


@pytest.mark.parametrize("forgery", STRANGE)
def test_texts_of_a_forged_recording_do_not_reach_the_terminal(forgery: str, beside: Path) -> None:
    folder = write(beside.with_name("recording"), STRANGE[forgery])
    recording = verified(folder)
    assert str(recording).isprintable()
    assert len(str(recording)) < 400 + len(str(folder))
    for variant in ("flip", "none"):
        with pytest.raises(NotInRecording) as error:
            recording.observe(CASE, "pytorch", variant)
        assert str(error.value).isprintable()


@contextmanager
def without_permission(folder: Path) -> Iterator[Path]:
    """Take the rights to a folder away from this process, even if root runs it."""
    folder.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield folder
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


PATHS = {"empty": "", "too long": "x" * 5000, "of long names": "x/" * 2500, "null": "a\0b", "a file": "/dev/null"}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_cannot_be_a_folder_is_refused_in_one_sentence(path: str, pytorch: str, capsys: Any) -> None:
    command = ["record", "--framework", pytorch, "--operation", REVERSE, "--output", PATHS[path]]
    for call in (partial(verified, PATHS[path]), partial(writing.begin, PATHS[path])):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value).isprintable()
    assert main(command) == 2
    assert re.fullmatch("parity: error: .*output.*\n", capsys.readouterr().err)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no such users")
def test_a_folder_without_permission_is_refused_in_one_sentence(beside: Path) -> None:
    folder = write(beside.with_name("recording"), contents())
    recording = verified(folder)
    with without_permission(folder):
        for path in (folder, folder / "below"):
            with pytest.raises(InputError, match=r"^replay: got '.*', which cannot be read \(Permission denied\), exp"):
                verified(path)
            with pytest.raises(InputError, match=r"^output: got '.*', expected a folder that can be written \(Permis"):
                writing.begin(path)
        with pytest.raises(NotInRecording, match=r"the recording was changed during the run: .*Permission denied"):
            opened(folder)
        with pytest.raises(NotInRecording, match=r"the recording was changed during the run: .*Permission denied"):
            recording.observe(CASE, "pytorch", "gather")


OUTPUTS = {
    "itself": "recording",
    "itself, through another folder": "beside/../recording",
    "a link to it": "link",
    "a folder in it": "recording/report",
    "a folder in a link to it": "link/a/report",
    "the folder around it": ".",
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_report_is_not_written_to_the_recording_that_is_replayed(output: str, beside: Path, capsys: Any) -> None:
    folder = write(beside.with_name("recording"), contents())
    link = linked(folder)
    path = str(beside.parent / OUTPUTS[output])
    before = state(beside.parent)
    for replayed in (folder, link):
        command = ["check", "--operation", REVERSE, "--dtype", "float32", "--replay", str(replayed)]
        assert main([*command, "--output", path]) == 2
        assert f"output: got {path!r}, expected a folder apart from the recording " in capsys.readouterr().err
        with pytest.raises(InputError, match=r"^--parity-report: got "):
            apart(verified(replayed), path, "--parity-report")
    assert state(beside.parent) == before
    apart(verified(folder), beside.with_name("report"))


def test_pytest_writes_no_report_to_the_recording_that_it_replays(beside: Path) -> None:
    folder = str(write(beside.with_name("recording"), contents()))
    options = {"--parity-seed": 0, "--parity-require": "", "--parity-report": folder, "--parity-replay": folder}
    with pytest.raises(InputError, match=r"^--parity-report: got '.*recording', expected a folder apart from the rec"):
        Session(options.get)
    with pytest.raises(InputError, match=r"^replay: got '', expected the name of a file or a folder"):
        Session((options | {"--parity-replay": ""}).get)


TEXTS = st.sampled_from(
    ["../beside/thesis.tex", "/dev/zero", "..", ".", WIDE, FREE, manifest.MANIFEST, KEY, "rnn.lstm", *FLOATS, ESCAPE]
)
FORGED_MANIFESTS = spoilt(RIGHT, JSON | TEXTS)
FORGED_FILES = spoilt(RIGHT["files"], JSON | TEXTS).map(lambda files: contents("files", value=files))
RENAMED = st.builds(
    lambda operation, dtype: renamed(manifest.file_name(operation, dtype), operation, dtype),
    st.text("ab./\n\0\\-~é", max_size=12) | TEXTS,
    st.sampled_from([*FLOATS, "", "../float32", "float32\n"]),
)


@given(forged=FORGED_MANIFESTS | FORGED_FILES | RENAMED)
def test_any_forged_manifest_is_used_or_rejected_and_nothing_beside_it_is_touched(forged: Any, beside: Path) -> None:
    folder = write(beside.with_name("recording"), forged)
    before = state(beside)
    use(folder)
    replace(folder)
    assert state(beside) == before


@st.composite
def forged_files(draw: Any) -> bytes:
    """Generate an archive with other bytes somewhere, cut off, or with other members."""
    kind = draw(st.integers(0, 3))
    if kind == 0:
        header = draw(st.text("{}[]()'<>|f4O8biu,: \n-0129e\\x", max_size=30))
        parts = {"descr": repr("<f4"), "shape": (4, 3, 2), "order": "False", "more": ""}
        parts[draw(st.sampled_from(sorted(parts)))] = header
        return zipped(members() | {Y: array(**parts)})
    if kind == 1:
        renamed = {
            draw(st.sampled_from([Y, D_X, ESCAPE]) | st.text("ab/.:é\x1b\u202e", min_size=1, max_size=5)): array()
        }
        return zipped(
            members() | renamed, draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
        )
    content = bytearray(draw(st.sampled_from([FILES[WIDE], zipped(members(), zipfile.ZIP_STORED)])))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4) | st.just(b"\xff\xff\xff\xff"))
    return bytes(content)


@given(content=forged_files())
def test_any_forged_file_is_used_or_rejected(content: bytes, beside: Path) -> None:
    use(write_file(beside.with_name("recording"), content))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
@given(
    things=st.lists(st.sampled_from(sorted(ODD | UNFINISHED)), max_size=3),
    extra=st.sampled_from(["", FREE, "rnn.lstm-int8.npz", ".hidden", "thesis.tex", ESCAPE]),
    forged=RENAMED | st.just(RIGHT),
)
def test_nothing_beside_a_forged_folder_is_touched(things: list[str], extra: str, forged: Any, beside: Path) -> None:
    folder = write(beside.with_name("recording"), forged, FILES | ({extra: b"years of work"} if extra else {}))
    for thing in things:
        if not (folder / thing.partition(" as ")[0]).is_dir():
            (ODD | UNFINISHED)[thing](folder, beside)
    before = state(beside)
    use(folder)
    replace(folder)
    assert state(beside) == before
    if extra:
        assert (folder / extra).read_bytes() == b"years of work"
