"""Write a recording, which replaces an earlier one whole or not at all.

New files are written into a folder inside the recording. Only when all of them are complete do they replace those of an
earlier recording, so that an interrupted run leaves the earlier one intact. Killed while it replaces them, it leaves
the new ones with their manifest, and the next run goes on with that. Nothing is removed but what is listed in the
folder and has the name of a recording's file, because a manifest may name anything.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from parity.errors import InputError, file_name
from parity.files import Claim, writable, write_new
from parity.frameworks.manifest import FILE, MANIFEST, Manifest
from parity.frameworks.model_manifest import ModelManifest, read_either

UNFINISHED = ".unfinished"  # inside the recording's folder, so that files need not move to another file system
REPLACEABLE = "a new folder, an empty one, or a recording to replace"


def begin(folder: str | Path) -> Claim:
    """Claim a folder for a recording, and make the folder of its new files.

    Nothing is written into a folder that holds other files, or through a symbolic link.

    Raises:
        InputError: it cannot be written, is neither empty nor a recording, or another run is writing to it.
    """
    path = file_name("output", folder)
    with writable("output", folder):
        if path.is_symlink():
            raise InputError("output", f"{str(folder)!r}, a symbolic link", REPLACEABLE)
        path.mkdir(parents=True, exist_ok=True)
        claimed = Claim(path)
        if _is_replaced(path):
            _replace(path, read_either(path / UNFINISHED))
        if foreign := _foreign(path):
            raise InputError("output", f"{str(folder)!r} with {foreign} in it", REPLACEABLE)
        (path / UNFINISHED).mkdir()
    return claimed


def finish(folder: str | Path, manifest: Manifest | ModelManifest) -> None:
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
    with writable("output", folder):
        write_new(path / UNFINISHED / MANIFEST, text)
        _replace(path, manifest)
    discard(path)


def _is_replaced(folder: Path) -> bool:
    """Tell whether a run was killed while it replaced a recording: the new manifest is complete."""
    unfinished = folder / UNFINISHED
    if unfinished.is_symlink() or not (unfinished / MANIFEST).is_file():
        return False
    try:
        files = read_either(unfinished).files
    except InputError:
        return False
    return all((unfinished / name).is_file() or (folder / name).is_file() for name in files)


def _replace(folder: Path, manifest: Manifest | ModelManifest) -> None:
    """Move new files to where the earlier ones are, and remove those that are no more. Any part may be done already."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in _files(folder):
        if name not in manifest.files:
            (folder / name).unlink()
    for name in (*manifest.files, MANIFEST):
        if (folder / UNFINISHED / name).is_file():
            (folder / UNFINISHED / name).replace(folder / name)


def discard(folder: str | Path) -> None:
    """Remove the files of an unfinished run; leave anything else there."""
    unfinished = Path(folder) / UNFINISHED
    with suppress(OSError):
        if not unfinished.is_symlink():
            for file in list(unfinished.iterdir()):
                if FILE.fullmatch(file.name):
                    file.unlink()
            unfinished.rmdir()


def _foreign(folder: Path) -> str:
    """Name something that is no part of a recording, if there is any, and discard what a killed run left."""
    visible = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    if foreign := sorted(visible.difference(_earlier(folder))):
        return foreign[0]
    discard(folder)
    return UNFINISHED if os.path.lexists(folder / UNFINISHED) else ""


def _earlier(folder: Path) -> set[str]:
    """Return the names of the files of an earlier recording."""
    try:
        return {MANIFEST, *read_either(folder).files}
    except InputError:
        return set()


def _files(folder: Path) -> list[str]:
    """List the files in a folder that have the name of a recording's; there is nothing else when it is replaced."""
    return [file.name for file in folder.iterdir() if FILE.fullmatch(file.name) and not file.is_dir()]
