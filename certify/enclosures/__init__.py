"""The rigorous value of every quantity of the theory for one attention row, at any precision.

The inclusion principle holds for each function here: the real number that its docstring defines lies in the interval
that it returns, whatever `bits` is; more bits only make the interval narrower. `scores` is a row of floats [n], taken
as exact numbers (or an `ExactRow`), `kept` a bool mask [n]. Divergences are in nats. Bad input raises the typed
errors of `certify.errors`.
"""

from certify.enclosures.blocks import BoundPair, block_bound, block_moment_bound
from certify.enclosures.gaps import gap_bound, gap_of, multi_gap_bound, sufficient_gap
from certify.enclosures.gaussian import gaussian_fraction, gaussian_tail_mass
from certify.enclosures.output import (
    Partition,
    best_output_bound,
    best_partition,
    diameter_bound,
    norm_bound,
    output_error,
    variance_bound,
)
from certify.enclosures.perturbation import (
    dot_product_radius,
    perturbation_total_variation,
    perturbed_tail_mass,
    score_radius,
)
from certify.enclosures.tail import (
    bretagnolle_huber,
    chi_squared,
    f_divergence,
    kl,
    pinsker,
    renyi,
    squared_hellinger,
    tail_mass,
    tail_mass_from_log_sum_exp,
    total_variation,
)

__all__ = [
    "BoundPair",
    "Partition",
    "best_output_bound",
    "best_partition",
    "block_bound",
    "block_moment_bound",
    "bretagnolle_huber",
    "chi_squared",
    "diameter_bound",
    "dot_product_radius",
    "f_divergence",
    "gap_bound",
    "gap_of",
    "gaussian_fraction",
    "gaussian_tail_mass",
    "kl",
    "multi_gap_bound",
    "norm_bound",
    "output_error",
    "perturbation_total_variation",
    "perturbed_tail_mass",
    "pinsker",
    "renyi",
    "score_radius",
    "squared_hellinger",
    "sufficient_gap",
    "tail_mass",
    "tail_mass_from_log_sum_exp",
    "total_variation",
    "variance_bound",
]
