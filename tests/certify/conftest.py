"""Arb works at one high precision in this folder; other folders choose their own."""

import os
from collections.abc import Iterator

import pytest
from flint import ctx

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library loads: no test waits for a network

ARB_BITS = 2500  # differences of float64 numbers are exact at this many bits, from 2^1023 down to 2^−1074


@pytest.fixture(scope="module", autouse=True)
def _arb_precision() -> Iterator[None]:
    before = ctx.prec
    ctx.prec = ARB_BITS
    yield
    ctx.prec = before
