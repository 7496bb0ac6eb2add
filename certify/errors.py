"""Every exception of the package.

A message is one line: it names the place and the value, and then says what to do. `BadInput` and its children are the
caller's to mend (exit code 2 on the command line); nothing has been written when one is raised.
"""

from __future__ import annotations

__all__ = [
    "BadBundle",
    "BadClaim",
    "BadInput",
    "BadKept",
    "BadModel",
    "BadResults",
    "BadScores",
    "BadValues",
    "BadVectors",
    "CertifyError",
    "MissingExtra",
    "UndecidedRounding",
    "UndefinedOperation",
    "UnknownSchema",
    "UntrustedThread",
]


class CertifyError(Exception):
    """Anything this package raises on purpose."""


class BadInput(CertifyError, ValueError):
    """An argument that has no meaning here; the message names it and the mend."""


class BadScores(BadInput):
    """Scores, queries or keys that define no attention row: NaN, +inf, a masked row, a shape or dtype that does not
    fit.
    """


class BadKept(BadInput):
    """A kept set that is empty, out of range, repeated, or holds no weight."""


class BadValues(BadInput):
    """Value vectors that are not finite or do not fit the keys."""


class BadClaim(BadInput):
    """A claim that is NaN, infinite, missing, or of the wrong shape."""


class BadBundle(BadInput):
    """A file that is not a bundle, or a bundle whose parts do not fit together."""


class BadModel(BadInput):
    """A model or text whose attention cannot be captured, or not faithfully."""


class BadVectors(BadInput):
    """A file of reference values that is not one, or was changed after it was written."""


class BadResults(BadInput):
    """Answers to reference values that cannot be read, or do not fit the vectors."""


class UnknownSchema(BadBundle):
    """A bundle written for a schema that this version does not read."""


class MissingExtra(BadInput):
    """What was asked for needs an optional part of the installation; the message names the extra to install."""


class UndefinedOperation(CertifyError, ArithmeticError):
    """An interval operation without a value, such as division by an interval that holds zero."""


class UndecidedRounding(CertifyError, ArithmeticError):
    """A number so near a rounding boundary that the stated bits do not tell its side, and no exact test decides."""


class UntrustedThread(CertifyError, RuntimeError):
    """The calling thread's float arithmetic is not IEEE 754 round-to-nearest with subnormals, and could not be made
    so.
    """
