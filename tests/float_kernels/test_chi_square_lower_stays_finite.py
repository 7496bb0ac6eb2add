"""A quotient that overflowed was returned as the lower bound of χ²: +∞, where no real χ² is infinite.

Found by the hunt's family "range edges": a kept set near the clamp beside a tail far above, in a row that is summed as
it is.
"""

from __future__ import annotations

import numpy as np
from flint import arb

import float_kernels

from . import oracle


def test_lower_is_below_the_truth() -> None:
    scores, kept = np.array([88.0, -700.0]), np.array([False, True])  # χ² = e^788, about 10^342
    lower, upper = float_kernels.divergences(scores, kept).chi_square
    assert 2.0**1023 < lower < np.inf == upper
    with oracle.precision():
        assert arb(float(lower)) <= oracle.odds(scores, kept)
