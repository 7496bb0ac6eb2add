"""The float environment of a thread: refuse it where subnormals are flushed or rounding is not to nearest.

Both are switches of the thread, and other libraries turn them. The error budget assumes IEEE-754 binary64 with
subnormals and round to nearest, ties to even, so each thread that computes is probed first, by arithmetic whose
result differs in every other mode. The probe costs less than a microsecond and needs no access to the control register.
"""

from __future__ import annotations

import sys
import threading

from .errors import FloatEnvironmentError

# Variables, not literals: a literal expression would be folded when the module is compiled, in another environment.
_ONE = 1.0
_QUARTER_SPACING = 2.0**-54
_SMALLEST_NORMAL = sys.float_info.min
_SMALLEST_SUBNORMAL = 5e-324
_TWO_TO_60 = 2.0**60


def environment_fault() -> str | None:
    """What is wrong with the float environment of the calling thread, in words, or None."""
    if _ONE + _QUARTER_SPACING != _ONE or -_ONE - _QUARTER_SPACING != -_ONE or _ONE - _QUARTER_SPACING != _ONE:
        # upward moves the first sum, downward the second, towards zero the third
        return "it does not round to nearest"
    # operands first: under DAZ a comparison takes its subnormal operand for zero as well
    if not _SMALLEST_SUBNORMAL * _TWO_TO_60 > 0.0:
        return "it treats subnormal operands as zero (DAZ)"
    if not _SMALLEST_NORMAL * 0.5 > 0.0:
        return "it flushes subnormal results to zero (FTZ)"
    return None


def require_ieee() -> None:
    """Return if the calling thread computes as IEEE-754 says; else raise FloatEnvironmentError."""
    fault = environment_fault()
    if fault is not None:
        raise FloatEnvironmentError(
            f"thread {threading.current_thread().name!r}: {fault}, so no rounding bound holds; "
            "restore the default mode in this thread (torch.set_flush_denormal(False), fesetround(FE_TONEAREST)) "
            "or call from a fresh thread"
        )
