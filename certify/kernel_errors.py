"""The float kernels' own errors as this package's, so that a caller need know only these. For producers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import float_kernels
from certify.errors import BadInput, BadKept, BadScores, BadValues, UntrustedThread

__all__ = ["kernel_errors"]


@contextmanager
def kernel_errors() -> Iterator[None]:
    """Raise BadKept, BadValues, BadInput, UntrustedThread or BadScores where the kernels raise theirs."""
    try:
        yield
    except float_kernels.EmptyKeptError as error:
        raise BadKept(str(error)) from error
    except float_kernels.BadValueError as error:
        raise BadValues(str(error)) from error
    except float_kernels.OutOfRangeError as error:
        raise BadInput(str(error)) from error
    except float_kernels.FloatEnvironmentError as error:
        raise UntrustedThread(str(error)) from error
    except float_kernels.KernelError as error:
        raise BadScores(str(error)) from error
