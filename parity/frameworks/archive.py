"""Read the arrays of an ``.npz`` file from elsewhere, which may have anything in it.

NumPy evaluates the header of an array as Python and allocates what it promises. Here it has to be one that NumPy
writes for an array of numbers, and nothing is allocated before its size is checked.
"""

from __future__ import annotations

import io
import math
import re
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np

from parity.arrays import Array

NAME = re.compile(r"[A-Za-z0-9_.,:+/-]{1,300}\.npy")
HEADER = re.compile(
    rb"\x93NUMPY\x01\0..\{'descr': '(\|[biu]1|[<>][iu][248]|[<>]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \(([\d, ]{0,300})\), \} *\n",
    re.DOTALL,
)


def read_arrays(content: bytes, most: int) -> dict[str, Array]:
    """Return the arrays of an ``.npz`` file by name, as views of what was read.

    Raises:
        ValueError: it is not as `numpy.savez` writes it, or its arrays have more than ``most`` bytes.
    """
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > most:
                raise ValueError(f"arrays of more than {most} bytes")
            if len({member.filename for member in members}) < len(members):
                raise ValueError("two arrays of one name")
            arrays = {}
            for member in members:
                if not NAME.fullmatch(member.filename) or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                    raise ValueError(f"{member.filename!r}, which is no array of this format")
                with archive.open(member) as file:  # its size is given, because it may unpack to more
                    arrays[member.filename.removesuffix(".npy")] = _array(file.read(member.file_size))
            return arrays
    except Exception as error:  # of the kinds that zipfile raises, few are documented
        raise ValueError(f"{error}") from error


def _array(content: bytes) -> Array:
    header = HEADER.match(content)
    if header is None:
        raise ValueError("an array without the header of numbers")
    dtype, fortran_order, sizes = header.groups()
    shape = tuple(int(size) for size in sizes.split(b",") if size)
    array = np.frombuffer(content, dtype.decode(), offset=header.end())
    if array.size != math.prod(shape):
        raise ValueError(f"an array of {array.size} numbers and shape {shape}")
    return array.reshape(shape, order="F" if fortran_order == b"True" else "C")
