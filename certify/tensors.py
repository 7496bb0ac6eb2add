"""Arrays that are read a few rows at a time: from memory, from raw bytes in a file, from a member of a zip archive.

A row counts over all but the last `trailing` dimensions, in C order, so that one tensor serves rows of scores and
rows of whole key matrices. Sizes have been checked before a tensor is made.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from certify.errors import BadBundle

__all__ = ["Array", "InFile", "InMemory", "InZip", "Tensor"]

Array: TypeAlias = NDArray[Any]

_SKIP_CHUNK = 1 << 22  # bytes


class Tensor(Protocol):
    """An array that is read a few rows at a time; rows are counted over all but the last `trailing` dimensions, in C
    order.
    """

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def read(self, start: int, stop: int, trailing: int) -> Array: ...

    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class InMemory:
    array: Array

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def read(self, start: int, stop: int, trailing: int) -> Array:
        tail = self.array.shape[self.array.ndim - trailing :]
        return (
            self.array.reshape(-1, *tail)[start:stop]
            if prod(tail)
            else np.empty((stop - start, *tail), self.array.dtype)
        )

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class InFile:
    """Raw C-order bytes at an offset of a file."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self, start: int, stop: int, trailing: int) -> Array:
        tail = self.shape[len(self.shape) - trailing :]
        size = prod(tail)
        with self.path.open("rb") as file:
            found = np.fromfile(
                file, self.dtype, (stop - start) * size, offset=self.offset + start * size * self.dtype.itemsize
            )
        if len(found) != (stop - start) * size:
            raise BadBundle(f"{self.path}: the file ended early; it changed while it was read, so copy it again")
        return found.reshape(stop - start, *tail)

    def close(self) -> None:
        """Nothing stays open between reads."""


class InZip:
    """A C-order .npy member of an npz. Compressed members can only be read onwards: going back starts again."""

    def __init__(
        self,
        path: Path,
        member: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        stored_as: np.dtype[Any],
        header: int,
    ) -> None:
        self.path, self.member, self.dtype, self.shape = path, member, dtype, shape
        self._stored_as, self._header = stored_as, header
        self._stream: Any = None
        self._position = 0

    def read(self, start: int, stop: int, trailing: int) -> Array:
        tail = self.shape[len(self.shape) - trailing :]
        size = prod(tail) * self._stored_as.itemsize
        if self._stream is None or start * size < self._position:
            self.close()
            self._archive = zipfile.ZipFile(self.path)
            self._stream = self._archive.open(self.member)
            self._skip(self._header)
            self._position = 0
        self._skip(start * size - self._position)
        wanted = (stop - start) * size
        raw = self._take(wanted)
        if len(raw) != wanted:
            raise BadBundle(f"{self.path}: member {self.member} ends early; copy the file again")
        self._position = stop * size
        return np.frombuffer(raw, self._stored_as).view(self.dtype).reshape(stop - start, *tail)

    def _take(self, count: int) -> bytes:
        try:
            found: bytes = self._stream.read(count)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            raise BadBundle(f"{self.path}: member {self.member} is damaged ({error}); copy the file again") from None
        return found

    def _skip(self, count: int) -> None:
        while count > 0:
            step = len(self._take(min(count, _SKIP_CHUNK)))
            if step == 0:
                raise BadBundle(f"{self.path}: member {self.member} ends early; copy the file again")
            count -= step

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._archive.close()
            self._stream = None
