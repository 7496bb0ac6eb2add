"""One case of the suite before it is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from certify.reference_values.record import Trap

__all__ = ["Case", "kept", "row"]


@dataclass(frozen=True, eq=False)
class Case:
    """`name` is unique within its group; `inputs` are what the quantity needs."""

    name: str
    quantity: str
    inputs: dict[str, Any]
    traps: tuple[Trap, ...] = ()


def kept(n: int, keys: Sequence[int]) -> np.ndarray[Any, Any]:
    mask = np.zeros(n, dtype=bool)
    mask[list(keys)] = True
    return mask


def row(scores: Sequence[float | None], keys: Sequence[int], **more: Any) -> dict[str, Any]:
    """A row of float64 scores, None for a masked key, with its kept keys."""
    numbers = [-inf if score is None else score for score in scores]
    return {"scores": np.array(numbers), "kept": kept(len(scores), keys), **more}
