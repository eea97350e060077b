"""Read and write files where anybody may have put something: a link, a device, a file without end.

A folder from elsewhere, such as a cloned repository, may hold a symbolic link with the name of a file that is to be
written. Here no file is written through a link: new ones are created exclusively, and replace others by renaming.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from parity.errors import InputError, cause, shown

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a FIFO must not be waited for
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # fails if there is anything, even a link
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def read_regular(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Args:
        follow: whether the file may be a symbolic link to another.

    Raises:
        OSError: it is no regular file, is larger, or cannot be read.
        ValueError: no file can have this name.
    """
    with open(os.open(path, _READ | (0 if follow else _NO_LINK)), "rb") as file:  # noqa: PTH123 - a descriptor
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        content = b"" if status.st_size > most else file.read(most + 1)
    if status.st_size > most or len(content) > most:  # some files of the system have no size, and no end
        raise OSError(errno.EFBIG, f"more than {most} bytes")
    return content


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet.

    Raises:
        OSError: something has this name, even a symbolic link, or it cannot be written; then nothing is left of it.
    """
    descriptor = os.open(path, _CREATE, 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def temporary_name(path: Path) -> Path:
    """Return a name beside ``path`` that nothing has; see `remove_temporary`."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.unfinished")


def replace_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files by name, so that a reader finds the old ones or the new ones, never half of one.

    All are complete before the first is replaced. A symbolic link is replaced, not what it points to.

    Raises:
        OSError: a file cannot be written, or is a folder.
    """
    no_folders(folder, contents)
    unfinished = {name: temporary_name(folder / name) for name in contents}
    try:
        for name, content in contents.items():
            write_new(unfinished[name], content)
        return [unfinished[name].replace(folder / name) for name in contents]
    finally:
        for file in unfinished.values():
            with suppress(OSError):
                file.unlink(missing_ok=True)


def no_folders(folder: Path, names: Iterable[str]) -> None:
    """Check that files with these names can be replaced.

    Raises:
        OSError: a folder has one of them.
    """
    for name in names:
        if (folder / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")


def append(path: Path, content: bytes) -> None:
    """Add to the end of a regular file, which is created if it is not there.

    Raises:
        OSError: it is a symbolic link or no regular file, or cannot be written; some of it may be there then.
    """
    with open(os.open(path, _APPEND | _NO_LINK, 0o666), "ab", buffering=0) as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        written = 0
        while written < len(content):
            written += file.write(content[written:])


def remove_temporary(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed process left of `replace_files`: files in the folder with the names that it makes."""
    left = re.compile(rf"\.({'|'.join(map(re.escape, names))})\.[0-9a-f]{{16}}\.unfinished")
    for entry in list(os.scandir(folder)):
        if left.fullmatch(entry.name) and not entry.is_dir(follow_symlinks=False):
            with suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108 - of a link, it removes the link


class InUse(InputError):
    """A run is writing to the folder."""


@contextmanager
def writable(argument: str, folder: object) -> Iterator[None]:
    """Turn what the system says of a folder that cannot be written or claimed into an error that names it.

    Raises:
        InUse: another run has claimed it.
        InputError: it cannot be written.
    """
    try:
        yield
    except InputError:
        raise
    except BlockingIOError as error:
        received = f"{str(folder)!r}, to which a run is writing"
        raise InUse(argument, received, "another folder, or that run to end first") from error
    except (OSError, ValueError) as error:  # ValueError: no system has such a name
        raise InputError(argument, shown(str(folder)), f"a folder that can be written ({cause(error)})") from error


class Claim:
    """The right of one run to write to a folder, which ends with `release` or with the process.

    It is a lock of the system, so that a killed process leaves nothing behind. Where a file system or a system has no
    such locks, as Windows for folders, every run has the right.

    Raises:
        BlockingIOError: another run has it.
        OSError: the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.release: Callable[[], object] = lambda: None
        if sys.platform == "win32":
            return
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        self.release = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise
        except OSError:  # this file system has no locks
            pass

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
