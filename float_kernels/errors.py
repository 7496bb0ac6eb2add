"""Every exception of the float kernels. A message names the value, the row where there is one, and the mend."""


class KernelError(Exception):
    """What every error of this package is."""


class ShapeError(KernelError, ValueError):
    """Two arrays that belong together do not fit."""


class DtypeError(KernelError, TypeError):
    """Scores are float16, bfloat16, float32 or float64; masks are bool."""


class NaNScoreError(KernelError, ValueError):
    """A score is NaN: a comparison with it is always false, so nothing may be concluded from its row."""


class InfiniteScoreError(KernelError, ValueError):
    """A score is +∞: its weight is not a number. Only −∞ has a meaning, a masked key."""


class AllMaskedError(KernelError, ValueError):
    """Every score of a row is −∞: the row has no attention distribution."""


class EmptyKeptError(KernelError, ValueError):
    """A row keeps no key of positive weight: the truncated distribution does not exist."""


class OutOfRangeError(KernelError, ValueError):
    """A parameter lies outside the interval for which the operation is defined."""


class FloatEnvironmentError(KernelError, RuntimeError):
    """The thread flushes subnormals or does not round to nearest: no error bound of this package holds in it."""


class BadValueError(KernelError, ValueError):
    """A value vector, query or key has a component that is NaN or infinite."""
