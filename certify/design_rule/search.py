"""The least argument that passes a proved test, by steps that need the test's shape for speed alone."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

__all__ = ["least_passing"]

_NORMAL = NormalDist()


def least_passing(risk: Callable[[int], float], delta: float, start: int, last: int) -> int:
    """A k ≤ last with risk(k) ≤ delta, given that risk(last) ≤ delta; every k returned was tested, or is `last`.

    Looks for the least one: the risk is taken to fall with k about like a normal tail, which guides the steps and
    decides nothing.
    """
    target = _score(delta)
    fails, passes = 0, last
    fails_at: float | None = None
    passes_at: float | None = None
    k, stride = min(max(start, 1), last - 1), max(1, start // 64)
    while passes - fails > 1:
        found = _score(risk(k))
        if found >= target:
            passes, passes_at = k, found
        else:
            fails, fails_at = k, found
        if passes - fails <= 1:
            break
        if fails_at is not None and passes_at is not None and passes_at > fails_at:
            share = (target - fails_at) / (passes_at - fails_at)
            share = min(max(share, 0.05), 0.95)
            k = fails + round(share * (passes - fails))
        elif passes_at is None:
            k, stride = fails + stride, 2 * stride
        else:
            k, stride = passes - stride, 2 * stride
        k = min(max(k, fails + 1), passes - 1)
    return passes


def _score(risk: float) -> float:
    """−Φ⁻¹(risk), cut to where it is finite; rising as the risk falls."""
    return -_NORMAL.inv_cdf(min(max(risk, 1e-12), 1 - 1e-12))
