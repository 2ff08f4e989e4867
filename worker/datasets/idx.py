"""Reads IDX, the format MNIST was published in, plain or gzipped (torchvision reads only the former)."""

import gzip
import math
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTES = 8
_LONGEST_HEADER_BYTES = 4 + 4 * 255  #: as many dimensions as a byte can say


def read(path: Path) -> NDArray[np.uint8]:
    """The array in `path`, in its own shape; raises ValueError if the file is not whole."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = read_shape(BytesIO(data[:_LONGEST_HEADER_BYTES]), path.name)
    pixels = np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape))
    if pixels.size != math.prod(shape):
        raise ValueError(f"{path.name} says {list(shape)} and holds {pixels.size} bytes")
    return pixels.reshape(shape)


def read_shape(content: IO[bytes], name: str) -> tuple[int, ...]:
    """The shape in the header, after which `content` stands at the first value; raises ValueError if it is none."""
    head = content.read(4)
    dimensions = content.read(4 * head[3]) if len(head) == 4 else b""
    if len(head) < 4 or head[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or len(dimensions) < 4 * head[3]:
        raise ValueError(f"{name} is not an IDX file of bytes")
    return tuple(int(length) for length in np.frombuffer(dimensions, ">u4"))
