"""Certified search: keep keys that leave at most ε of the attention mass, without scoring them all exactly.

    delta_k_search    Δk-Search: stop by the multi-gap bound (T19)
    mass_search       MC-Search and its better bounds: cells, trees of cells, cells kept as their mean (T20)
    build_cells       cut keys into cells, by scikit-learn
    prefilter_search  rigorous bounds of every score from int8 or int4 keys; the one that wins on the clock (T22)
    quantize_keys     store keys in 8 or 4 bits

Every search returns a `SearchResult`: the kept set, a certificate at level `query-key` that `certify.audit` accepts,
and honest counts. This room is a producer: of `certify` it knows certificates, scores and errors, and nothing that
judges them.
"""

from certify.search.cell_bounds import BOUNDS, BoundName
from certify.search.cells import CellIndex, build_cells
from certify.search.delta_k import delta_k_search
from certify.search.mass import mass_search
from certify.search.prefilter import KeyIndex, prefilter_search, quantize_keys
from certify.search.result import SearchResult

__all__ = [
    "BOUNDS",
    "BoundName",
    "CellIndex",
    "KeyIndex",
    "SearchResult",
    "build_cells",
    "delta_k_search",
    "mass_search",
    "prefilter_search",
    "quantize_keys",
]
