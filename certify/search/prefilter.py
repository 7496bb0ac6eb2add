"""The certified prefilter: rigorous bounds of all scores from quantised keys, exact scores only of the keys it keeps.

One pass over int8 (or int4) codes puts every real score between two floats (float_kernels.quantized_keys, T22); the
fewest keys that the bounds allow are kept and scored. This is the public face; `prefiltered_rows` does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from certify.certificate import Certificate
from certify.errors import BadInput
from certify.kernel_errors import kernel_errors
from certify.search.inputs import Queries, Scale, check_eps, exact_keys, read_queries, read_scale, read_values
from certify.search.mass import PRODUCER
from certify.search.prefiltered_rows import Head, QueryRows, Rows, fewest, largest, sample_of
from certify.search.result import SearchResult
from certify.tensors import Array
from float_kernels import require_ieee
from float_kernels.quantized_keys import Bits, QuantizedKeys, quantize

__all__ = ["KeyIndex", "prefilter_search", "quantize_keys"]

_SCORES_AT_A_TIME = 1 << 22


@dataclass(frozen=True, eq=False)
class KeyIndex:
    """Keys [*kv, n, d] with their codes, one set for every key head, in C order of *kv."""

    given: Array
    key: Array
    bits: Bits
    groups: tuple[QuantizedKeys, ...]
    samples: tuple[QuantizedKeys, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, steps and residual norms."""
        return sum(group.nbytes for group in self.groups)


def quantize_keys(key: ArrayLike, bits: Bits = 8) -> KeyIndex:
    """Store keys [*kv, n, d] in 8 or 4 bits for `prefilter_search`. Raises BadScores, BadInput."""
    keys = exact_keys(key)
    flat = keys.reshape(-1, *keys.shape[-2:])
    with kernel_errors():
        groups = tuple(quantize(one, bits) for one in flat)
    return KeyIndex(np.asarray(key), keys, bits, groups, tuple(map(sample_of, groups)))


def prefilter_search(
    query: ArrayLike,
    index: KeyIndex,
    *,
    eps: float | None = None,
    k: int | None = None,
    scale: float | None = None,
    mask: ArrayLike | None = None,
    values: ArrayLike | None = None,
    kv_groups: int = 1,
    adaptive: bool = True,
) -> SearchResult:
    """Keep the fewest keys that the bounds show to leave at most eps, or k keys, from codes of the keys (T22, T23).

    query [d], [m, d] or [..., heads, queries, d] for an index of [n, d] or [..., heads/kv_groups, n, d]; scale and mask
    as `mass_search`. Give exactly one of eps and k. With k, every key that may be among the k largest is scored, the k
    largest are kept, and `top_k` is claimed where that is proved of every row (T21).
    values: [*kv, n, dv]; then the result has `output_estimate`, the attention output over the kept keys.
    adaptive: ask a sample first, and keep all keys where more than a fifth would be kept anyway, for then the codes do
    not pay: a matter of time alone. A few heavy keys that the sample misses cost the saving, never the certificate.
    Raises BadInput, BadScores, BadValues, UntrustedThread.
    """
    if (eps is None) == (k is None):
        raise BadInput(f"{'neither' if k is None else 'both'} of k and eps given; choose one")
    target = None if eps is None else check_eps(eps)
    n, d = index.key.shape[-2:]
    if k is not None and (isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= n):
        raise BadInput(f"k = {k!r}; give a whole number from 1 to the {n} keys")
    real = read_scale(scale, d)
    queries = read_queries(query, index.key, kv_groups, mask)
    value = None
    if values is not None:  # nothing is claimed about the output, and a search for NaN would cost more than the search
        value = read_values(values, index.key, looked_through=False).reshape(len(index.groups), n, -1)
    found: list[Rows] = []
    with kernel_errors():
        require_ieee()
        step = max(1, _SCORES_AT_A_TIME // n)
        for group, codes in enumerate(index.groups):
            head = Head(index.key.reshape(-1, n, d)[group], codes, index.samples[group], real)
            for start in range(0, queries.exact.shape[1], step):
                part = slice(start, start + step)
                rows = QueryRows(
                    queries.exact[group, part],
                    queries.norm[group, part],
                    None if queries.attended is None else queries.attended[group, part],
                )
                one = None if value is None else value[group]
                if k is not None:
                    found.append(largest(head, rows, int(k), one))
                else:
                    assert target is not None
                    found.append(fewest(head, rows, target, adaptive, one))
    return _assembled(found, index, queries, real, target)


def _assembled(found: list[Rows], index: KeyIndex, queries: Queries, scale: Scale, eps: float | None) -> SearchResult:
    shape, rows, n = queries.certificate_rows, queries.rows, index.key.shape[-2]

    def joined(name: str) -> Any:
        parts = [getattr(part, name) for part in found]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    kl_upper = joined("kl_upper").reshape(shape)
    certificate = Certificate(
        query=queries.given.reshape(*shape, -1),
        key=index.given,
        mask=None if queries.attended is None else queries.attended.reshape(*shape, n),
        kept=joined("kept").reshape(*shape, n),
        tv_upper=joined("tv_upper").reshape(shape),
        kl_upper=kl_upper if np.isfinite(kl_upper).all() else None,
        level="query-key",
        top_k=bool(joined("top_k").all()),
        scale=scale.given,
        kv_groups=queries.kv_groups,
        producer=PRODUCER,
    )
    return SearchResult(
        certificate=certificate,
        rows=rows,
        eps=eps,
        method=f"prefilter_search, int{index.bits}",
        fires=~joined("fell_back").reshape(rows),
        fell_back=joined("fell_back").reshape(rows),
        scored_keys=joined("scored").reshape(rows),
        cell_scores=np.zeros(rows, dtype=np.int64),
        bytes_read=joined("bytes_read").reshape(rows),
        output_estimate=None if found[0].output is None else joined("output").reshape(*rows, -1),
    )
