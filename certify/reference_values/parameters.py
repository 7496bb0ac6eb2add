"""What a quantity may be told: each parameter's kind, how it is written by hand, and how it stands in a file.

In files every float is a hexadecimal string of the number that was used. By hand, hexadecimal must be a number of the
stated dtype exactly; a decimal is rounded to it once, to nearest (ties to even), and the file shows the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from math import inf, isfinite
from typing import Any, TypeAlias

import numpy as np

from certify.errors import BadInput, BadKept, BadScores
from certify.reference_values.rounding import FORMATS, nearest_binary
from certify.scores import FLOAT_DTYPES, rows_of_kept, widen

__all__ = [
    "PARAMETERS",
    "Parameter",
    "checked",
    "exact_number",
    "from_text",
    "hexadecimal",
    "nearest_names",
    "number",
    "to_json",
]

Json: TypeAlias = "str | int | bool | dict[str, Any] | list[Any]"

_FORMAT_OF_DTYPE = {"float64": "binary64", "float32": "binary32", "float16": "binary16", "bfloat16": "bfloat16"}
_MEANINGS = """
scores        vector   natural-log logits of one row, -inf for a masked key
query         vector   in place of scores: the scores are the real numbers q·k·scale + bias
key           matrix   one row per key (one vector for the radii)
scale         real     a float that the dot product is multiplied by; 1/√d where absent
bias          vector   added to the scaled dot products
mask          mask     the attended keys; all where absent
softcap       real     scores become softcap·tanh(score/softcap)
kept          mask     the kept keys: their numbers by hand, one bool per key in Python and in files
value         matrix   one value vector per key
centre        vector   any point of the value space
blocks        labels   one whole number per key: the block that it belongs to
k             integer  how many keys are kept
n             integer  how many keys there are
gap           real     Δ = s_(k) − s_(k+1), nats
eps           real     the tail mass that is allowed, in (0, 1)
delta         real     the probability of missing it that is allowed, in (0, 1)
sigma         real     standard deviation of Gaussian scores
kappa         real     the kept fraction of the keys, in (0, 1)
top_scores    vector   the largest scores, in decreasing order
unseen_upper  real     a bound on every other score
kept_lse      real     log-sum-exp of the kept scores, nats
all_lse       real     log-sum-exp of all scores, nats
error         real     how far either log-sum-exp may be off; 0 where absent
radius        real     δ ≥ 0: how far every score may be off, nats
accumulator   format   of the dot product's sums: float16, bfloat16, float32, float64 (float32 where absent)
stored        format   in which the score is stored (float32 where absent)
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    meaning: str


PARAMETERS = {
    name: Parameter(name, kind, meaning)
    for name, kind, meaning in (line.split(maxsplit=2) for line in _MEANINGS.strip().splitlines())
}


def nearest_names(name: str, known: Mapping[str, Any]) -> str:
    """ "did you mean …" with the nearest names, or all of them where none is near."""
    near = get_close_matches(name.lower().replace("-", "_"), known, n=3, cutoff=0.5)
    near += [other for other in known if name and name.lower() in other and other not in near][:3]
    return f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(known)}"


def hexadecimal(value: float) -> str:
    """float.hex without trailing zeros: "0x1.8p-3", "0x0p+0", "-inf"."""
    head, point, tail = value.hex().partition(".") if value else ("0x0p+0", "", "")
    digits, exponent, power = tail.partition("p")
    digits = digits.rstrip("0")
    return f"{head}{point if digits else ''}{digits}{exponent}{power}"


_HEXADECIMAL = re.compile(r"([+-]?)0x([0-9a-f]+)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]{1,5}))?", re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?", re.IGNORECASE)


def exact_number(text: str) -> Fraction:
    """A decimal or hexadecimal number, exactly. Raises ValueError, also for exponents that no float comes near."""
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    found = _HEXADECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no number")
    minus, whole, part, power = found.groups(default="")
    size = Fraction(int(whole + part, 16)) * Fraction(2) ** (int(power or 0) - 4 * len(part))
    return -size if minus == "-" else size


def number(text: str, dtype: str, what: str) -> float:
    """A number written by hand, in `dtype`; "-inf" is one."""
    token = text.strip()
    if token.lower() in ("-inf", "-infinity"):
        return -inf
    if token.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        raise BadScores(f"{what} holds {token}; numbers are finite, or -inf for a masked key")
    try:
        exact = exact_number(token)
    except ValueError:
        raise BadInput(f"{what} holds {token!r}, which is no number; write 0.125, 1e-3 or 0x1p-3") from None
    found = nearest_binary(exact, FORMATS[_FORMAT_OF_DTYPE[dtype]])
    if not isfinite(found):
        raise BadInput(f"{what} holds {token}, which is beyond the largest {dtype}")
    if "x" in token.lower() and Fraction(found) != exact:
        raise BadInput(f"{what} holds {token}, which is not a {dtype}; name a wider dtype or round it first")
    return found


def _vector(texts: list[str], dtype: str, what: str) -> np.ndarray[Any, Any]:
    return np.array([number(text, dtype, what) for text in texts], dtype=np.float64).astype(FLOAT_DTYPES[dtype])


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text.strip()) if part]


def _integer(text: str, what: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise BadInput(f"{what} is {text!r}, which is no whole number") from None


def from_text(name: str, text: str, dtype: str = "float64", n: int | None = None) -> Any:
    """A parameter written by hand: vectors as "1,0x1p-3,-inf", matrices as rows split by ";", sets of keys as "0,2" of
    `n`.
    """
    parameter = _known(name)
    what = f"--{name.replace('_', '-')}"
    if not text.strip():
        raise BadInput(f"{what} is empty; give a value")
    if parameter.kind == "vector":
        return _vector(_split(text), dtype, what)
    if parameter.kind == "matrix":
        rows = [_split(row) for row in text.split(";") if row.strip()]
        if len({len(row) for row in rows}) != 1:
            raise BadInput(f"{what} has rows of {', '.join(str(len(row)) for row in rows)} numbers; make them equal")
        return np.stack([_vector(row, dtype, what) for row in rows])
    if parameter.kind == "real":
        return number(text, "float64", what)
    if parameter.kind == "integer":
        return _integer(text, what)
    if parameter.kind == "format":
        return _format(text.strip(), what)
    whole = [_integer(part, what) for part in _split(text)]
    if parameter.kind == "labels":
        return np.array(whole, dtype=np.int64)
    if n is None:
        raise BadInput(
            f"{what} names keys, and there are no scores to count them by; give --scores or --query and --key"
        )
    if min(whole) < 0 or max(whole) >= n:
        outside = next(i for i in whole if not 0 <= i < n)
        raise BadKept(f"{what}: there is no key {outside}; the row has keys 0..{n - 1}")
    return rows_of_kept(np.array([whole]), n)[0]


def _format(text: str, what: str) -> str:
    if text not in FLOAT_DTYPES:
        raise BadInput(f"{what} is {text!r}; {nearest_names(text, FLOAT_DTYPES)}")
    return text


def _known(name: str) -> Parameter:
    if name not in PARAMETERS:
        raise BadInput(f"there is no input {name!r}; {nearest_names(name, PARAMETERS)}")
    return PARAMETERS[name]


def checked(name: str, value: Any) -> Any:
    """A parameter given in Python, in its one form: arrays in their own dtype, a float, an int, or a format's name.

    Raises the typed errors of certify.errors.
    """
    kind = _known(name).kind
    if kind in ("vector", "matrix"):
        array = np.asarray(value)
        wide = widen(array, name)
        dimensions = (1,) if kind == "vector" else (1, 2)
        if array.ndim not in dimensions or not array.size:
            raise BadScores(f"{name} has shape {array.shape}; one {kind} that is not empty is needed")
        infinite_allowed = name in ("scores", "bias", "top_scores")
        wrong = ~(wide < inf) | (~infinite_allowed & (wide == -inf))
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            hint = ", or -inf for a masked key" if infinite_allowed else ""
            raise BadScores(f"{name} {list(place)} is {wide[place]}; numbers are finite{hint}")
        return array.astype(array.dtype.newbyteorder("=")).reshape(
            (1, -1) if kind == "matrix" and array.ndim == 1 else array.shape
        )
    if kind == "real":
        return _real(name, value)
    if kind == "integer":
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise BadInput(f"{name} is {value!r}; it is a whole number")
        return int(value)
    if kind == "format":
        return _format(str(value), name)
    array = np.asarray(value)
    if kind == "mask" and (array.dtype != np.bool_ or array.ndim != 1):
        raise BadKept(f"{name} has dtype {array.dtype} and shape {array.shape}; give a bool mask, one entry per key")
    if kind == "labels" and (not np.issubdtype(array.dtype, np.integer) or array.ndim != 1):
        raise BadInput(f"{name} has dtype {array.dtype} and shape {array.shape}; give one whole number per key")
    return array if kind == "mask" else array.astype(np.int64)


def _real(name: str, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise BadInput(f"{name} is {value!r}; it is a float")
    found = float(value)
    if name == "unseen_upper" and found == -inf:
        return found
    if not isfinite(found) or (isinstance(value, int) and found != value):
        raise BadInput(f"{name} is {value!r}; it is a finite binary64 number")
    return found


def to_json(name: str, value: Any) -> Json:
    kind = PARAMETERS[name].kind
    if kind in ("vector", "matrix"):
        flat = [hexadecimal(x) for x in widen(value).reshape(-1).tolist()]
        width = value.shape[-1]
        rows = [flat[i : i + width] for i in range(0, len(flat), width)]
        return {"dtype": _dtype_name(value.dtype), "data": rows if kind == "matrix" else flat}
    if kind == "real":
        return hexadecimal(value)
    if kind in ("mask", "labels"):
        return value.tolist()  # type: ignore[no-any-return]
    return value  # type: ignore[no-any-return]


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return next(name for name, known in FLOAT_DTYPES.items() if known == dtype.newbyteorder("="))
