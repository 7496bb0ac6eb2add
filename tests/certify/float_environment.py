"""Switch this thread's float environment, really: rounding by the C library, flush-to-zero by MXCSR; restored after."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

DOWNWARD, UPWARD, TOWARDS_ZERO = 0x400, 0x800, 0xC00  # fenv.h on x86
DENORMALS_ARE_ZERO, FLUSH_TO_ZERO = 0x0040, 0x8000  # bits of MXCSR
_LOAD = bytes((0x0F, 0xAE, 0x17, 0xC3))  # ldmxcsr [rdi]; ret
_STORE = bytes((0x0F, 0xAE, 0x1F, 0xC3))  # stmxcsr [rdi]; ret


@contextmanager
def rounding(mode: int) -> Iterator[None]:
    c_math = ctypes.CDLL("libm.so.6")
    before = c_math.fegetround()
    try:
        assert c_math.fesetround(mode) == 0
        yield
    finally:
        c_math.fesetround(before)


@contextmanager
def mxcsr_bits(bits: int) -> Iterator[None]:
    """These bits of MXCSR set, by a few bytes of machine code."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_LOAD + _STORE)
    first = ctypes.c_char.from_buffer(page)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    load, store = call(ctypes.addressof(first)), call(ctypes.addressof(first) + len(_LOAD))
    before = ctypes.c_uint32()
    store(ctypes.addressof(before))
    wanted = ctypes.c_uint32(before.value | bits)
    try:
        load(ctypes.addressof(wanted))
        yield
    finally:
        load(ctypes.addressof(before))
        del first  # the page is unmapped with the last reference
