"""The thread's float environment: rounding direction and flush-to-zero, which other libraries change behind one's back.

Nothing in NumPy is safe from it: with subnormals counted as zero even a comparison or a widening from float32 is
wrong, so that higher precision alone would not help. Hence the default environment is restored for the time of an
audit, probed, and the caller's put back afterwards.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from certify.errors import UntrustedThread
from certify.vector_interval import rounds_to_nearest

__all__ = ["default_float_environment"]

_ENVIRONMENT_BYTES = 256  # larger than any platform's fenv_t
_DEFAULT = ctypes.c_void_p(-1)  # FE_DFL_ENV of the GNU C library


@contextmanager
def default_float_environment() -> Iterator[bool]:
    """Round to nearest and keep subnormals inside the block; yields whether that had to be restored.

    Raises UntrustedThread where it cannot be: then no result is better than a wrong one.
    """
    if rounds_to_nearest():
        yield False
        return
    try:
        library = ctypes.CDLL(None)
        held = ctypes.create_string_buffer(_ENVIRONMENT_BYTES)
        found = library.fegetenv(held) == 0
    except (OSError, AttributeError, TypeError):
        found = False
    if not found:
        raise UntrustedThread(_REFUSAL)
    try:
        library.fesetenv(_DEFAULT)
        if not rounds_to_nearest():
            raise UntrustedThread(_REFUSAL)
        yield True
    finally:
        library.fesetenv(held)


_REFUSAL = (
    "this thread flushes subnormals or does not round to nearest, and that could not be undone; "
    "call from another process, or find the library that sets it (torch.set_flush_denormal, -ffast-math)"
)
