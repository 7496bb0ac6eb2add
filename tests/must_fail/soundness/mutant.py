"""A mutant: one of our kernels with one thing broken, as a callable that anybody can hunt.

The break is a replacement of names in the NumPy specification (the compiled kernels are held to it bit by bit), in
force only while the kernel runs; or a kernel that is written wrong from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np

Quantity = Literal["tail", "kl", "output"]
Bound = Literal["auto", "upper", "lower", "both"]


@dataclass(frozen=True)
class Break:
    """One name of one module of float_kernels, and what stands there in the mutant."""

    module: str
    name: str
    replacement: Any


def broken(place: str, replacement: Any) -> Break:
    """The break of `module.name`, as in broken("enclosure.inflation", …)."""
    module, name = place.rsplit(".", 1)
    return Break(f"float_kernels.{module}", name, replacement)


@contextmanager
def in_force(breaks: tuple[Break, ...]) -> Iterator[None]:
    originals = [(each, getattr(import_module(each.module), each.name)) for each in breaks]
    try:
        for each in breaks:
            setattr(import_module(each.module), each.name, each.replacement)
        yield
    finally:
        for each, original in originals:
            setattr(import_module(each.module), each.name, original)


@dataclass(frozen=True)
class Mutant:
    """name: what is broken, in words. kernel: the real one of tests/float_kernels/hunted_kernels.py, or a wrong one.

    breaks: what is replaced while it runs. The rest says how it is hunted: certify.soundness.hunt's own arguments.
    """

    name: str
    kernel: Callable[..., Any]
    breaks: tuple[Break, ...] = ()
    quantity: Quantity = "tail"
    bound: Bound = "auto"
    kept: Literal["any", "top_k"] = "any"
    dtype: str = "float64"
    n: tuple[int, int] = (1, 64)

    def __str__(self) -> str:
        return self.name

    def __call__(self, *row: Any) -> Any:
        """The mutant's bounds. A NaN becomes no claim at all: a mutant is caught by a wrong number or not at all."""
        with in_force(self.breaks), np.errstate(all="ignore"):
            answer = self.kernel(*row)
        if isinstance(answer, tuple):
            lower, upper = answer
            return no_claim_for_nan(lower, -np.inf), no_claim_for_nan(upper, np.inf)
        return no_claim_for_nan(answer, np.inf)


def no_claim_for_nan(bounds: Any, nothing: float) -> Any:
    return np.where(np.isnan(bounds), nothing, bounds)
