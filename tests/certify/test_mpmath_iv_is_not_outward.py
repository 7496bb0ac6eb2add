"""Why `elementary.py` exists: mpmath's own interval exp and log miss the true value (found by search against Arb)."""

import pytest
from flint import arb
from mpmath import iv, mp

from certify import elementary
from certify.interval import Interval
from tests.certify.arb_truth import encloses, end

MISSED_BY_EXP = [float.fromhex("-0x1.4d5b8bbae8ff2p+3"), float.fromhex("0x1.5583ece03c0a6p+3")]
MISSED_BY_LOG = [float.fromhex("0x1.954e8ffe7e814p+2")]


def misses(x: float, name: str) -> bool:
    """Whether mpmath.iv at 53 bits returns an interval without the true value; strict, so Arb has proved it."""
    before, iv.prec = iv.prec, 53
    try:
        found = getattr(iv, name)(iv.mpf(x))
    finally:
        iv.prec = before
    lower, upper = found._mpi_
    truth = getattr(arb(x), name)()
    return bool(truth < end(mp.make_mpf(lower)) or truth > end(mp.make_mpf(upper)))


@pytest.mark.parametrize("x", MISSED_BY_EXP)
def test_exp(x: float) -> None:
    assert misses(x, "exp")
    assert encloses(elementary.exp(Interval.point(x, 53)), arb(x).exp())


@pytest.mark.parametrize("x", MISSED_BY_LOG)
def test_log(x: float) -> None:
    assert misses(x, "log")
    assert encloses(elementary.log(Interval.point(x, 53)), arb(x).log())
