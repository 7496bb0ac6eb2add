"""Fast kernels for top-k certificates whose bounds survive rounding. Trusted by nobody: `certify` audits what they say.

Every function returns bounds as float64 arrays [*rows] for scores [*rows, n] in nats: float16, bfloat16, float32 or
float64, any strides and byte order, −∞ for a masked key; kept is a bool mask [*rows, n]. A row's bits depend on that
row alone, not on batch, threads or processor (`dot` excepted: its scores come from the library's GEMM).

    tail_mass(scores, kept) -> (lower, upper)               τ, the mass of the keys left out (T1, T23)
    top_k(scores, k) -> (kept, lower, upper)                the k largest, ties to the lower index
    smallest_k(scores, eps) -> (k, kept, upper, proved_smallest)
    kl(scores, kept) -> (lower, upper)                      KL(P̂‖P), nats (T2)
    divergences(scores, kept) -> (kl, chi_square, hellinger_squared), pairs (T3)
    output_error(scores, kept, values) -> (lower, upper)    ‖o − ô‖₂ (T10)
    output_bounds(scores, kept, values) -> (norm, diameter, variance, best)   upper bounds T11–T14
    gap_bound, multi_gap_bound, block_bound, block_moment_bound               from partial knowledge (T6–T9)
    dot(query, key) -> (scores, radius)                     |score − q·k·scale| ≤ radius (T22)
    score_radius(query, key) -> radius                      the same after somebody else's GEMM
    perturbed_tail_mass(scores, kept, radius) -> (lower, upper)

Rooms of the certified search: `quantized_keys` (bounds of all scores from 8 or 4 bits a component), `cell_masses` (what
a cell of keys can weigh), `compiled_walk` (which cells to open).

Errors are subclasses of KernelError (`errors`). Numba loads at the first call that needs it.
"""

from .bounds import block_bound, block_moment_bound, gap_bound, multi_gap_bound
from .dot_product import Dot, dot, perturbed_tail_mass, score_radius
from .environment import require_ieee
from .errors import (
    AllMaskedError,
    BadValueError,
    DtypeError,
    EmptyKeptError,
    FloatEnvironmentError,
    InfiniteScoreError,
    KernelError,
    NaNScoreError,
    OutOfRangeError,
    ShapeError,
)
from .f_divergences import Divergences, divergences, kl
from .output_errors import OutputBounds, output_bounds, output_error
from .selection import SmallestK, TopK, smallest_k, top_k
from .tails import tail_mass

__all__ = [
    "AllMaskedError",
    "BadValueError",
    "Divergences",
    "Dot",
    "DtypeError",
    "EmptyKeptError",
    "FloatEnvironmentError",
    "InfiniteScoreError",
    "KernelError",
    "NaNScoreError",
    "OutOfRangeError",
    "OutputBounds",
    "ShapeError",
    "SmallestK",
    "TopK",
    "block_bound",
    "block_moment_bound",
    "divergences",
    "dot",
    "gap_bound",
    "kl",
    "multi_gap_bound",
    "output_bounds",
    "output_error",
    "perturbed_tail_mass",
    "require_ieee",
    "score_radius",
    "smallest_k",
    "tail_mass",
    "top_k",
]
