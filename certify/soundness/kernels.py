"""The hunted kernel: finding it, giving it rows in the arrays it takes, and reading what it claims.

A claim is the very number that was returned, in whatever format; it is widened to float64 exactly, never rounded.
Whatever is not a claim (NaN, a shape that does not fit, a type that is no number) is a `Fault`, named for what it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from certify.scores import FLOAT_DTYPES, Floats
from certify.soundness.float_formats import exactly
from certify.soundness.question import Array, Bound, RowBatch

__all__ = ["Claims", "Fault", "Kernel", "Target", "call_batch", "call_rows", "find_kernel", "name_of"]

Kernel: TypeAlias = Callable[..., Any]
Target: TypeAlias = Kernel | str


class Fault(Exception):
    """What is wrong with a call, in a word and in a sentence; `row` is its place in the batch, −1 before any row."""

    def __init__(self, kind: str, message: str, row: int = -1) -> None:
        super().__init__(kind, message, row)
        self.kind, self.message, self.row = kind, message, row


@dataclass(frozen=True, eq=False)
class Claims:
    """lower ≤ truth ≤ upper, claimed for the first len(self) rows of a batch; a bound that is not claimed is ∓∞.

    `format` is the format of the last number returned, `pair` whether it came as one of two.
    """

    lower: Floats
    upper: Floats
    format: str
    pair: bool

    def __len__(self) -> int:
        return len(self.upper)


def name_of(target: Target) -> str:
    """How a report names the kernel: MODULE:FUNCTION."""
    if isinstance(target, str):
        return target
    return f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', type(target).__name__)}"


def find_kernel(target: Target) -> Kernel:
    """The callable itself, or what MODULE:FUNCTION names; MODULE may be a path to a .py file.

    The current folder is importable. Raises Fault.
    """
    if not isinstance(target, str):
        if not callable(target):
            raise Fault("not callable", f"{target!r} is a {type(target).__name__}, not a function")
        return target
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise Fault("not importable", f"{target!r} names no function; write MODULE:FUNCTION or FILE.py:FUNCTION")
    try:
        found: Any = _module(place)
    except ModuleNotFoundError as error:
        raise Fault("not importable", f"{place}: {error}; start where it can be imported, or give FILE.py") from error
    except BaseException as error:  # whatever importing it raises is what is reported
        raise Fault("not importable", f"importing {place} raised {_told(error)}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise Fault("not importable", f"{place} has no {name!r}")
        found = getattr(found, part)
    if not callable(found):
        raise Fault("not callable", f"{target} is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    path = Path(place)
    if not path.is_file():
        raise ModuleNotFoundError("there is no such file")
    if str(path.parent.absolute()) not in sys.path:
        sys.path.insert(0, str(path.parent.absolute()))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise ModuleNotFoundError("it is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _told(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def call_rows(
    kernel: Kernel,
    batch: RowBatch,
    array: Array,
    bound: Bound,
    starts: Callable[[int], None],
    enough: Callable[[], bool],
) -> Claims:
    """One call a row, told to `starts` beforehand; ends early when `enough` says so. Raises Fault."""
    give = _GIVEN_AS[array]
    lower, upper = np.full(len(batch), -np.inf), np.full(len(batch), np.inf)
    form, pair = "float64", False
    done = 0
    for place in range(len(batch)):
        if place and enough():
            break
        starts(place)
        try:
            answer = kernel(
                *[give(part[place]) for part in (batch.scores, batch.kept, batch.values) if part is not None]
            )
        except BaseException as error:  # whatever the kernel raises is what is reported
            raise Fault("raises", _told(error), place) from error
        try:
            form, pair = _read_row(answer, bound, lower, upper, place)
        except Fault as fault:
            raise Fault(fault.kind, fault.message, place) from fault
        done = place + 1
    return Claims(lower[:done], upper[:done], form, pair)


def call_batch(kernel: Kernel, batch: RowBatch, array: Array, bound: Bound) -> Claims:
    """One call for the whole batch. Raises Fault; its row is 0 where it is not known."""
    give = _GIVEN_AS[array]
    try:
        answer = kernel(*[give(part) for part in (batch.scores, batch.kept, batch.values) if part is not None])
    except BaseException as error:  # whatever the kernel raises is what is reported
        raise Fault("raises", _told(error), 0) from error
    pair = isinstance(answer, tuple)
    _check_pair(bound, pair, len(answer) if pair else 1)
    read = [_read_many(part, len(batch)) for part in (answer if pair else (answer,))]
    for numbers, _ in read:
        if np.isnan(numbers).any():
            raise Fault("returns NaN", "NaN is no bound", int(np.argmax(np.isnan(numbers))))
    lower, upper = np.full(len(batch), -np.inf), np.full(len(batch), np.inf)
    if bound != "upper" and (pair or bound == "lower"):
        lower = read[0][0]
    if bound != "lower":
        upper = read[-1][0]
    return Claims(lower, upper, read[0 if bound == "lower" else -1][1], pair)


def _check_pair(bound: Bound, pair: bool, length: int) -> None:
    if pair and length != 2:
        raise Fault("wrong shape", f"returned {length} bounds; return one bound, or the pair (lower, upper)", 0)
    if bound == "both" and not pair:
        raise Fault("wrong shape", "returned one bound; both were asked for: return the pair (lower, upper)", 0)


def _read_row(answer: Any, bound: Bound, lower: Floats, upper: Floats, place: int) -> tuple[str, bool]:
    parts = list(answer) if isinstance(answer, tuple | list) else None
    shape = getattr(answer, "shape", None)
    if parts is None and shape is not None and len(shape) == 1:
        if tuple(shape) != (2,):
            raise Fault("wrong shape", f"returned an array of shape {tuple(shape)}; return one number, or two")
        parts = [answer[0], answer[1]]
    _check_pair(bound, parts is not None, 2 if parts is None else len(parts))
    read = [_read_number(part) for part in (parts if parts is not None else (answer,))]
    if any(number != number for number, _ in read):
        raise Fault("returns NaN", "NaN is no bound")
    if bound != "upper" and (parts is not None or bound == "lower"):
        lower[place] = read[0][0]
    if bound != "lower":
        upper[place] = read[-1][0]
    return read[0 if bound == "lower" else -1][1], parts is not None


def _read_number(answer: Any) -> tuple[float, str]:
    """One claim as a float64 of the same value, and the format it came in."""
    if isinstance(answer, float):
        return float(answer), "float64"
    if _is_tensor(answer):
        answer = answer.detach().cpu()
        if answer.ndim == 0 and not answer.dtype.is_complex and answer.dtype.is_floating_point:
            return float(answer.item()), _known_format(str(answer.dtype).removeprefix("torch."))
    shape = getattr(answer, "shape", ())
    if len(shape):
        raise Fault("wrong shape", f"returned an array of shape {tuple(shape)}; return one number, or two")
    dtype = getattr(answer, "dtype", None)
    if isinstance(dtype, np.dtype) and np.dtype(dtype).newbyteorder("=") in FLOAT_DTYPES.values():
        return float(answer), np.dtype(dtype).name
    if isinstance(answer, int | np.integer) and not isinstance(answer, bool):
        if int(float(answer)) != int(answer):
            raise Fault("wrong type", f"returned the integer {answer}, which no float64 holds; return a float")
        return float(answer), "float64"
    raise Fault("wrong type", f"returned {_shown(answer)}; return a float, or the pair (lower, upper)")


def _read_many(answer: Any, rows: int) -> tuple[Floats, str]:
    """One claim a row as float64 of the same values, and the format they came in."""
    if _is_tensor(answer):
        answer = answer.detach().cpu()
        name = _known_format(str(answer.dtype).removeprefix("torch."))
        found: NDArray[Any] = answer.double().numpy()
    elif isinstance(answer, list):
        read = [_read_number(item) for item in answer]
        found, name = np.array([number for number, _ in read]), read[-1][1] if read else "float64"
    elif isinstance(answer, np.ndarray) and answer.dtype.newbyteorder("=") in FLOAT_DTYPES.values():
        found, name = answer, answer.dtype.name
    else:
        raise Fault("wrong type", f"returned {_shown(answer)}; return floats, one a row", 0)
    if found.shape != (rows,):
        raise Fault("wrong shape", f"returned shape {found.shape} for {rows} rows; return one bound a row", 0)
    return np.array(found, dtype=np.float64), name


def _known_format(name: str) -> str:
    if name not in FLOAT_DTYPES:
        raise Fault("wrong type", f"returned {name}; return one of {', '.join(FLOAT_DTYPES)}", 0)
    return name


def _shown(answer: Any) -> str:
    dtype = getattr(answer, "dtype", None)
    kind = f"{type(answer).__name__} of {dtype}" if dtype is not None else type(answer).__name__
    return f"{kind} {answer!r}"[:120]


def _is_tensor(answer: Any) -> bool:
    return type(answer).__module__.partition(".")[0] == "torch" and hasattr(answer, "detach")


def _as_numpy(part: NDArray[Any]) -> NDArray[Any]:
    return part


def _as_list(part: NDArray[Any]) -> Any:
    return part.tolist() if part.dtype == np.bool_ else exactly(part).tolist()


def _as_torch(part: NDArray[Any]) -> Any:
    import torch

    if part.dtype == FLOAT_DTYPES["bfloat16"]:
        return torch.from_numpy(part.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(part)


_GIVEN_AS: dict[str, Callable[[NDArray[Any]], Any]] = {"numpy": _as_numpy, "list": _as_list, "torch": _as_torch}
