"""Each naive certificate is broken, by a row that a person can check by hand; and its docstring says why."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.soundness_peers import numpy_peers, scipy_peers
from benchmarks.soundness_peers.peer import Peer
from benchmarks.soundness_peers.realistic_rows import RealisticRows, truths, violated_share
from certify.soundness import hunt

PEERS = (*numpy_peers.PEERS, *scipy_peers.PEERS)
ROWS = 20_000


@pytest.mark.parametrize(
    ("peer", "dtype"),
    [(peer, dtype) for peer in PEERS for dtype in peer.dtypes],
    ids=lambda part: getattr(part, "name", part),
)
def test_peer_is_broken(peer: Peer, dtype: str) -> None:
    found = hunt(
        peer.bounds,
        quantity=peer.quantity,
        kept=peer.kept,
        dtype=dtype,
        batched=True,
        isolate=False,
        rows=ROWS,
        shrink_seconds=5.0,
    )
    assert found.counterexample is not None, found.bad_call
    assert found.counterexample.row.n <= 4, found.counterexample.row
    assert peer.intended.endswith(".")
    assert peer.failure.endswith(".")


def test_share_of_violated_rows() -> None:
    """Three keys at 0, two of them kept: 1 − Σp is 5 ulp below ⅓ in float32. NaN is a violation, 1 is none."""
    scores, kept = np.zeros((1, 3), np.float32), np.array([[True, True, False]])
    rows = RealisticRows("thirds", scores, kept, None, truths("tail", scores, kept, None))
    claimed = {
        "naive": numpy_peers.one_minus_kept,
        "nan": lambda s, k: np.array([np.nan]),
        "one": lambda s, k: np.ones(1),
    }
    shares = {name: violated_share(Peer(kernel, "NumPy", ("float32",)), rows) for name, kernel in claimed.items()}
    assert shares == {"naive": 1.0, "nan": 1.0, "one": 0.0}
