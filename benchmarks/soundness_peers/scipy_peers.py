"""What people write with SciPy, whose special functions are more careful than hand-written ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp, rel_entr, softmax

from .numpy_peers import BOTH, Mask, Rows
from .peer import Peer


def scipy_softmax(scores: Rows, kept: Mask) -> Rows:
    """1 − Σ_H of scipy.special.softmax. A better softmax, the same cancellation."""
    return 1 - np.where(kept, softmax(scores, axis=-1), 0).sum(axis=-1)


def scipy_logsumexp_expm1(scores: Rows, kept: Mask) -> Any:
    """−expm1(lse_H − lse) with scipy.special.logsumexp. The difference of two rounded numbers is taken before the
    function that would have kept its digits."""
    return -np.expm1(logsumexp(scores, axis=-1, b=kept) - logsumexp(scores, axis=-1))


def scipy_log_softmax(scores: Rows, kept: Mask) -> Any:
    """e to the logsumexp of the dropped log-probabilities. Log-probabilities of −700 carry an error of 700 units, and a
    row of one attended key has none to sum."""
    dropped = np.where(kept, -np.inf, log_softmax(scores, axis=-1))
    return np.exp(logsumexp(dropped, axis=-1))


def scipy_relative_entropy(scores: Rows, kept: Mask) -> Rows:
    """KL as Σ rel_entr(p̂, p). Kept keys contribute p̂ ln(p̂/p), whose quotient is 1/(1 − τ) rounded."""
    p = softmax(scores, axis=-1)
    held = np.where(kept, p, 0)
    result: Rows = rel_entr(held / held.sum(axis=-1, keepdims=True), p).sum(axis=-1)
    return result


PEERS = (
    Peer(scipy_softmax, "SciPy", BOTH),
    Peer(scipy_logsumexp_expm1, "SciPy", BOTH),
    Peer(scipy_log_softmax, "SciPy", BOTH),
    Peer(scipy_relative_entropy, "SciPy", BOTH, quantity="kl"),
)
