"""Reads IDX, the format MNIST was published in, plain or gzipped (torchvision reads only the former)."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTES = 8


def read(path: Path) -> NDArray[np.uint8]:
    """The array in `path`, in its own shape; raises ValueError if the file is not whole."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(data) < 4 or data[:3] != bytes((0, 0, _UNSIGNED_BYTES)):
        raise ValueError(f"{path.name} is not an IDX file of bytes")
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", count=dimensions, offset=4)
    pixels = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if pixels.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"{path.name} says {shape.tolist()} and holds {pixels.size} bytes")
    return pixels.reshape(shape.astype(int))
