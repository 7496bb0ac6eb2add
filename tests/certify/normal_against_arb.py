"""Φ_c, Φ and their inverses against Arb's erfc at many points, with the points where the series change hands.

    python -m tests.certify.normal_against_arb [--points 100000] [--seed 1]

Each point is held to inclusion and to the documented width. The tests run a few thousand of them.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator

from flint import arb, ctx

from certify import elementary
from certify.interval import Interval
from tests.certify.arb_truth import encloses, end, is_tight

BITS = (2, 5, 24, 53, 64, 128, 212)
ARB_BITS = 2500


def survival(x: arb) -> arb:
    return (x / arb(2).sqrt()).erfc() / 2


def branch_points(bits: int) -> Iterator[float]:
    """Both sides of every place where `_survival_point` or `_asymptotic` decides: the least t with
    5⌊t²⌋ ≥ 7(bits + 16), |t| = 2^(−bits − 4), and 2^32.
    """
    square = math.sqrt(math.ceil(7 * (bits + 16) / 5))
    for place in (square, 2.0 ** (-bits - 4), 2.0 ** (-bits - 5), 2.0**32, 1.0, 38.0):
        for x in (math.nextafter(place, 0.0), place, math.nextafter(place, math.inf)):
            yield from (x, -x)
    yield from (0.0, 5e-324, 1e-300, 1e30, -1e30, 1e150, -1e150)


def branch_probabilities() -> Iterator[float]:
    """Where the first guess of a quantile changes, and the ends of the range."""
    for p in (0.5, 0.5 - 2.0**-21, 0.5 - 2.0**-20, 0.25, 2.0**-999, 2.0**-1000, 2.0**-1001, 1e-300, 1e-16):
        yield from (math.nextafter(p, 0.0), p, math.nextafter(p, 1.0))
    yield from (5e-324, 2.0**-1022, 1 - 2.0**-53, 1 - 1e-16, 0.5 + 2.0**-53)


def random_points(count: int, seed: int) -> Iterator[float]:
    r = random.Random(seed)
    for i in range(count):
        yield (r.uniform(-38.5, 38.5), r.gauss(0, 1), r.gauss(0, 1) * 2.0 ** r.randint(-140, 7))[i % 3]


def random_probabilities(count: int, seed: int) -> Iterator[float]:
    r = random.Random(seed)
    for i in range(count):
        yield (r.uniform(1e-17, 1), 10.0 ** -r.uniform(0, 307), 0.5 + r.choice((-1, 1)) * 2.0 ** -r.uniform(2, 52))[
            i % 3
        ]


def check_tail(x: float, bits: int) -> None:
    where = f"x = {x.hex()}, {bits} bits"
    point = Interval.point(x, bits)
    truth = survival(arb(x))
    has_digits = truth.lower() > 0
    if not has_digits:  # Arb's erfc ends here; what is left is 0 < Φ_c(x) ≤ e^{−x²/2}
        truth = arb(0).union((-arb(x) * arb(x) / 2).exp())
    for made in (elementary.normal_survival(point, bits), elementary.normal_cdf(-point, bits)):
        assert encloses(made, truth), where
        assert is_tight(made, bits - 1) or not has_digits, where


def check_quantile(p: float, bits: int) -> None:
    where = f"p = {p.hex()}, {bits} bits"
    made = elementary.normal_survival_quantile(p, bits)
    low, high = survival(end(made.upper)), survival(end(made.lower))
    assert not low > arb(p), where
    assert not high < arb(p), where
    assert is_tight(made, bits), where
    assert elementary.normal_quantile(p, bits) == -made, where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    ctx.prec = ARB_BITS
    half = arguments.points // 2
    for i, x in enumerate(random_points(half, arguments.seed)):
        check_tail(x, BITS[i // 3 % len(BITS)])
    for i, p in enumerate(random_probabilities(arguments.points - half, arguments.seed)):
        check_quantile(p, BITS[i // 3 % len(BITS)])
    count = f"{arguments.points} points, seed {arguments.seed}"
    print(f"{count}: every enclosure holds Arb's value and is as narrow as promised")


if __name__ == "__main__":
    main()
