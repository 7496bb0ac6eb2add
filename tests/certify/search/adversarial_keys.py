"""Keys and queries that bring the bounds of a search into trouble: few, equal, huge, tiny, far apart, in clusters."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)


@st.composite
def keys_and_queries(draw: st.DrawFn, most_keys: int = 40) -> tuple[Any, Any, float | None]:
    """(key [n, d], query [m, d], scale): scores from nearly equal to thousands of nats apart."""
    n, d, m = draw(st.integers(1, most_keys)), draw(st.integers(1, 20)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    key, query = random.normal(size=(n, d)), random.normal(size=(m, d))
    shape = draw(st.sampled_from(["normal", "clusters", "equal", "one far", "sparse", "ladder", "cancelling", "tiny"]))
    if shape == "clusters":
        key = key[random.integers(0, min(3, n), n)] * 3 + 0.05 * key
    elif shape == "equal":
        key[:] = key[0]
    elif shape == "one far":
        key[0] *= 200
    elif shape == "sparse":
        key *= random.random((n, d)) < 0.2
    elif shape == "ladder":
        key *= np.linspace(0, 30, n)[:, None]
    elif shape == "cancelling":
        key = np.where(np.arange(d) % 2, 1, -1) * 100 + 0.01 * key
        query[:] = query[:, :1]
    elif shape == "tiny":
        key *= 1e-4
    if draw(st.booleans()):
        query[0] = 0.0
    dtype = draw(st.sampled_from(DTYPES))
    return key.astype(dtype), query.astype(dtype), draw(st.sampled_from([None, 0.1, 1.0, 3.0]))
