"""Every public kernel that claims a bound, hunted like anybody else's: no row refutes it.

A short hunt, the same in every run; ten million rows: python -m benchmarks.soundness_peers.long_run. That a broken
kernel would be caught by this hunt is the subject of tests/must_fail/soundness.
"""

from __future__ import annotations

import pytest

from certify.soundness import HuntVerdict, hunt

from .hunted_kernels import HUNTED, Hunted

FORMATS = ("float64", "float32", "bfloat16", "float16")
# Rows of one hunt: the opening takes every family at six lengths, 32 rows each; the rest is what Hypothesis draws.
ROWS = 4000


def formats_of(hunted: Hunted) -> tuple[str, ...]:
    """Every format for the compiled kernels that take it as it is; float64, which contains them, for all others."""
    return FORMATS if hunted.name in ("tail_mass, fast, numba", "kl, fast", "output_error, numba") else ("float64",)


@pytest.mark.parametrize(
    ("hunted", "dtype"),
    [(hunted, dtype) for hunted in HUNTED for dtype in formats_of(hunted)],
    ids=lambda part: str(part),
)
def test_no_row_refutes_it(hunted: Hunted, dtype: str) -> None:
    found = hunt(
        hunted.kernel,
        quantity=hunted.quantity,
        bound="both" if hunted.two_sided else "upper",
        dtype=dtype,
        kept=hunted.kept,
        batched=True,
        isolate=False,
        rows=ROWS,
    )
    assert found.counterexample is None, found.counterexample.regression_test()
    assert found.verdict is HuntVerdict.NONE_FOUND, found.bad_call
    assert found.rows_open == 0
