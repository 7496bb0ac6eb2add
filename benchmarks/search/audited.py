"""Every certificate of a run goes through `certify.audit`; this counts what came out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import certify
from certify.search import CellIndex, SearchResult

MEANS_CHECKED = 64  # rows a search whose ℓ₁ claim is compared with dense float64 softmax


@dataclass
class Audited:
    """Certificates audited, claims in them, and how many were not proved; likewise ℓ₁ claims, against float64."""

    certificates: int = 0
    claims: int = 0
    violations: int = 0
    means_checked: int = 0
    means_violated: int = 0
    seconds: float = 0.0

    def audit(self, result: SearchResult, eps: float) -> None:
        start = time.perf_counter()
        found = certify.audit(result.certificate)
        self.certificates += len(found.indices)
        self.claims += len(found.indices) * len(found.claims)
        self.violations += len(found.indices) - found.count(certify.Verdict.VALID)
        if result.l1_upper is None:
            self.violations += int((result.tv_upper > eps).sum())
        else:
            self.violations += int((result.l1_upper / 2 > eps).sum())
        self.seconds += time.perf_counter() - start

    def check_means(self, result: SearchResult, index: CellIndex) -> None:
        """‖P − P̃‖₁ of a sample of rows in float64, whose own error is far below any slack of these bounds."""
        assert result.l1_upper is not None
        assert result.means_kept is not None
        certificate = result.certificate
        shape = result.fires.shape
        for flat in np.linspace(0, result.fires.size - 1, MEANS_CHECKED, dtype=int):
            at = np.unravel_index(flat, shape)
            group = int(np.ravel_multi_index(at[:-1], shape[:-1]))
            key = index.key.reshape(-1, *index.key.shape[-2:])[group].astype(np.float64)
            scores = key @ certificate.query[at].astype(np.float64) / np.sqrt(key.shape[-1])
            stand_in = np.where(certificate.kept[at], scores, -np.inf)
            cells = index.groups[group]
            for cell in np.flatnonzero(result.means_kept[at]):
                members = cells.members[cells.start[cell] : cells.start[cell] + cells.count[cell]]
                stand_in[members] = scores[members].mean()
            self.means_checked += 1
            distance = float(np.abs(_softmax(scores) - _softmax(stand_in)).sum())
            self.means_violated += distance > float(result.l1_upper[at])

    def sentence(self) -> str:
        told = (
            f"{self.certificates:,} certificates with {self.claims:,} claims went through `certify.audit` "
            f"({self.seconds:.0f} s): **{self.violations} violations**."
        )
        if self.means_checked:
            told += (
                " ℓ₁ claims of kept means, which no bundle carries, against dense float64 on "
                f"{self.means_checked:,} rows: {self.means_violated} violations."
            )
        return told


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()
