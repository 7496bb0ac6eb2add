"""With denormals-are-zero set, NumPy finds 5e-324 equal to 0, and the exact side of the audit called a false claim valid.

scores (0, 5e-324) with the first kept: τ is above ½ by 1e-324, so τ ≤ ½ is false. A thread in such a mode is refused,
or its claims are judged right.
"""

import platform

import numpy as np
import pytest

import certify
from certify import Certificate
from certify.errors import CertifyError
from certify.rules import Verdict
from tests.certify.float_environment import (
    DENORMALS_ARE_ZERO,
    DOWNWARD,
    FLUSH_TO_ZERO,
    TOWARDS_ZERO,
    UPWARD,
    mxcsr_bits,
    rounding,
)

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="switches MXCSR, which only x86 has")

ROWS = {
    "float64": np.array([[0.0, 5e-324]]),
    "float32": np.array([[0.0, 1e-40]], dtype=np.float32),
    "float16": np.array([[0.0, 6e-8]], dtype=np.float16),
}


def certificate(name: str) -> Certificate:
    return Certificate(scores=ROWS[name], kept=np.array([[True, False]]), tv_upper=np.array([0.5]))


def judged(cert: Certificate) -> Verdict | str:
    try:
        return certify.audit(cert).verdicts[0]
    except CertifyError as refused:
        return str(refused)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("bits", [0, DENORMALS_ARE_ZERO, FLUSH_TO_ZERO, DENORMALS_ARE_ZERO | FLUSH_TO_ZERO])
def test_a_flushing_thread_approves_nothing_false(name: str, bits: int) -> None:
    cert = certificate(name)
    with mxcsr_bits(bits):
        found = judged(cert)
    assert found == Verdict.INVALID or (bits and isinstance(found, str) and "subnormal" in found)


@pytest.mark.parametrize("mode", [DOWNWARD, UPWARD, TOWARDS_ZERO])
def test_foreign_rounding_approves_nothing_false(mode: int) -> None:
    """τ of (0, ln 2 rounded down, …) against the floats next to it."""
    scores, kept = np.array([[0.0, 0.6931471805599453, -3.0]]), np.array([[True, False, False]])
    tau = certify.enclosures.tail_mass(scores[0], kept[0], 200)
    above = np.nextafter(float(tau.upper), 2.0)
    below = np.nextafter(float(tau.lower), 0.0)
    for claim, expected in ((above, Verdict.VALID), (below, Verdict.INVALID)):
        cert = Certificate(scores=scores, kept=kept, tv_upper=np.array([claim]))
        with rounding(mode):
            found = judged(cert)
        assert found == expected or isinstance(found, str)
