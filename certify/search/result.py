"""What every search returns: the kept set, a certificate that an auditor accepts, and what the search cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from certify.certificate import Certificate
from certify.scores import Bools, Floats

__all__ = ["SearchResult"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchResult:
    """The outcome of one search, an entry a query: arrays have the query's leading shape, () for a single query [d].

    kept [*rows, n]       which keys are kept; all have been scored, but for `means_kept` below
    tv_upper [*rows]      τ ≤ this for the real numbers q·k·scale; what the certificate claims, level `query-key`
    fires [*rows]         the search held its promise by its own bounds, without falling back
    fell_back [*rows]     the bounds did not pay, and all keys were scored; still certified, and tv_upper ≤ eps
    scored_keys [*rows]   products with keys that were computed; n more where all keys had to be scored after all
    cell_scores [*rows]   products with means of cells that were computed. One that follows by linearity is not counted,
                          nor what a box or a covariance costs besides: that is in bytes_read
    bytes_read [*rows]    keys, cell summaries or quantised keys that the search read, every array in its own dtype
    method                what searched, with its bound
    means_kept            [*rows, cells] cells that are kept as their mean, or None
    l1_upper [*rows]      ‖P − P̃‖₁ ≤ this, P̃ giving every key of such a cell the weight of the cell's mean; else None
    output_error_upper    [*rows] ‖o − õ‖₂ ≤ this, õ = Σ P̃ v, where cells are kept as means and values were given
    output_estimate       [*rows, dv] Σ P̂ v over the kept keys, in float arithmetic and without a bound, where
                          `prefilter_search` was given values; else None
    """

    certificate: Certificate
    rows: tuple[int, ...]
    eps: float | None
    method: str
    fires: Bools
    fell_back: Bools
    scored_keys: NDArray[np.int64]
    cell_scores: NDArray[np.int64]
    bytes_read: NDArray[np.int64]
    means_kept: Bools | None = None
    l1_upper: Floats | None = None
    output_error_upper: Floats | None = None
    output_estimate: Floats | None = None

    @property
    def kept(self) -> Bools:
        return self.certificate.kept.reshape(*self.rows, self.certificate.kept.shape[-1])

    @property
    def k(self) -> NDArray[np.intp]:
        """How many keys each row keeps."""
        return np.asarray(np.count_nonzero(self.kept, axis=-1))

    @property
    def tv_upper(self) -> Floats:
        return np.asarray(self.certificate.tv_upper).reshape(self.rows)

    @property
    def kl_upper(self) -> Floats | None:
        """KL(P̂‖P) in nats (T2), or None where a row's bound is infinite."""
        claimed = self.certificate.kl_upper
        return None if claimed is None else claimed.reshape(self.rows)
