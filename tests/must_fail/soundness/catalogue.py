"""Every mutant that a hunt must catch, and the breaks that no hunt can.

SURVIVORS are breaks that leave the kernel sound: their error is paid by slack elsewhere in the budget. They are listed
with what pays, because each is a statement about how generous the budget is, and hunted like the others.
"""

from __future__ import annotations

from certify.soundness import Hunt, hunt
from float_kernels import rounding

from . import broken_bounds, broken_sums
from .broken_sums import EXACT, clamped_to_nothing, exponential_with, inflation_of, tail
from .mutant import Mutant, broken

MUTANTS: tuple[Mutant, ...] = (*broken_sums.MUTANTS, *broken_bounds.MUTANTS)

SURVIVORS: tuple[tuple[Mutant, str], ...] = (
    (
        tail(
            "γ with n − 1: one addition too few in the depth",
            broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: g - 2.0**-52)),
            grade=EXACT,
        ),
        "no row makes all of an exponential's worst error and all roundings of the sum go one way",
    ),
    (
        tail(
            "additions left out of the budget",
            broken(
                "enclosure.inflation", inflation_of(lambda g, n, grade, shifted: g - rounding.sum_depth(n) * 2.0**-53)
            ),
            grade=EXACT,
            n=(1, 1024),
        ),
        "sum_depth(1024) is 69 of 520 units, and sums of n roundings err like √n",
    ),
    (
        tail(
            "OUTWARD_UNITS left out of the budget",
            broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: g - 4 * 2.0**-53)),
            grade=EXACT,
        ),
        "three units of some 470",
    ),
    (
        tail(
            "the magic constant 2⁵² for 1.5·2⁵²",
            broken("lane_sums.exponential", exponential_with(magic=2.0**52 + 1023)),
        ),
        "nothing is broken: t ≥ −1010 keeps t + 2⁵² + 1023 in the binade, so both constants do",
    ),
    (
        tail(
            "every weight twice its size (offset 1024 for 1023)",
            broken("lane_sums.exponential", lambda d, grade="fast": 2.0 * broken_sums.REAL_EXPONENTIAL(d, grade)),
        ),
        "a common factor cancels in T/(T + H)",
    ),
    (
        tail("rows far below 0 are summed as they are", broken("lane_sums.UNSHIFTED_MIN", -1e9)),
        "weights at the clamp are counted in full above and as nothing below: sound, and useless (upper = 1)",
    ),
    (
        tail("clamped weights count as nothing, floor kept", broken("lane_sums.exponential", clamped_to_nothing)),
        "the floor 2⁻⁹⁶⁰ under the upper bound is more than 2³⁶ clamped weights",
    ),
    (
        tail("the clamp's share not given back", broken("enclosure.CLAMP_SHARE", 0.0)),
        "a lower bound made of clamped weights alone lies below the floor, where it is 0; above, the share would "
        "matter to KL alone, whose odds are then out of range",
    ),
)


def hunted(mutant: Mutant, *, seconds: float | None = None, rows: int | None = None, seed: int = 0) -> Hunt:
    """The hunt over a mutant, in this process: a mutant neither hangs nor crashes."""
    return hunt(
        mutant,
        quantity=mutant.quantity,
        bound=mutant.bound,
        dtype=mutant.dtype,
        n=mutant.n,
        kept=mutant.kept,
        batched=True,
        isolate=False,
        seconds=seconds,
        rows=rows,
        seed=seed,
    )
