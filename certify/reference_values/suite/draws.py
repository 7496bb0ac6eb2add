"""Every quantity on rows drawn by family and seed."""

from __future__ import annotations

from collections.abc import Iterator

from certify.reference_values.families import FAMILIES, generated
from certify.reference_values.quantities import QUANTITIES
from certify.reference_values.suite.case import Case

__all__ = ["draws"]

# What no family draws; each quantity takes what it needs.
_SCALARS = {
    "gap": 2.5,
    "eps": 0.0625,
    "delta": 0.0625,
    "sigma": 1.5,
    "kappa": 0.125,
    "radius": 0.125,
    "kept_lse": 3.0,
    "all_lse": 3.5,
}
_DTYPES = ("float64", "float32", "float16", "bfloat16")


def draws() -> Iterator[Case]:
    for place, family in enumerate(FAMILIES):
        dtype = _DTYPES[place % len(_DTYPES)]
        for quantity in QUANTITIES.values():
            # an even seed keeps the true top-k, which the gap bound needs
            seed = 0 if quantity.name == "gap" else place
            inputs = generated(quantity.needs, family, seed, n=12, k=4, width=3, dtype=dtype)
            inputs |= {name: value for name, value in _SCALARS.items() if name in quantity.needs}
            yield Case(f"{family}-{seed}-{dtype}/{quantity.name}", quantity.name, inputs)
