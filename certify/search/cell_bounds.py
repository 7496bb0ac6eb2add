"""The bounds on a cell's attention mass, by name: what each needs to know, its theorem, and its rounding budget.

A bound answers for a query and a cell: at most how large can a score in the cell be, and between what does the cell's
mass Σ e^s lie? It starts from computed products in units of q·k, each off by at most a stated error (T22), turns them
into scores by the real scale, and rounds every step outward:

    mean      M ± e           e from the walk: γ_d‖q‖‖m̂‖ + ‖q‖·mean_error, more where it was found by linearity
    ball      M ± (e + ‖q‖·radius)                                                  T20
    box       Σ max(q·low, q·high), Σ min(…), ± γ_d‖q‖·box_norm                      T20
    spread    σ of the scores: Σ|q_l|σ_l by the triangle inequality (diagonal), ‖q‖√λ (spectral), √(qᵀCq) (full)
    top       at most mean + σ√(c − 1): the other c − 1 scores average −(top − mean)/(c − 1), and by Cauchy–Schwarz
              c·σ² ≥ (top − mean)²·c/(c − 1), Samuelson's inequality; attained by c − 1 equal scores
    mass      ≥ c·e^mean; ≤ c·e^top, the chord, Bennett: float_kernels.cell_masses  T9, T20

A variance of full covariance reads d² numbers of a cell; where the cell has fewer than d keys that is more than the
keys themselves. It saves scores in the sense of counting them, and no bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from certify.errors import BadInput
from certify.scores import Floats
from certify.search.cells import U2, UNDERFLOW, KeyCells
from certify.search.inputs import Scale
from float_kernels.cell_masses import bennett_mass, chord_mass, down, jensen_mass, maximum_mass, up
from float_kernels.compiled_walk import DIAGONAL, FULL, HIGH, LOW, MEAN, NO_VARIANCE, SPECTRAL, SPREAD

__all__ = ["BOUNDS", "BoundName", "CellBound", "CellMasses", "bound_named"]

BoundName = Literal["ball", "box", "ball_box", "chord", "bennett_diagonal", "bennett_spectral", "bennett"]


@dataclass(frozen=True)
class CellBound:
    """A named bound. `ball`, `box`: what limits the largest score; `chord`, `variance`: what else limits the mass."""

    name: str
    theorem: str
    ball: bool
    box: bool
    chord: bool = False
    variance: int = NO_VARIANCE

    @property
    def key(self) -> tuple[bool, bool, bool, int]:
        """What the compiled walk needs of it."""
        return self.ball, self.box, self.chord, self.variance

    def masses(
        self, cells: KeyCells, products: Floats, error: Floats, norm: Floats, scale: Scale, shift: Floats
    ) -> CellMasses:
        """The masses of all cells in units of e^shift: products [m, cells, 4] as the walk leaves them, error [m, cells]
        of their MEAN column, norm [m, 1] ≥ ‖q‖, shift [m, 1].
        """
        count = cells.count.astype(np.float64)
        mean = products[..., MEAN]
        mean_upper, mean_lower = _scaled_up(up(mean + error), scale), _scaled_down(down(mean - error), scale)
        upper, lower = np.full_like(mean, np.inf), np.full_like(mean, -np.inf)
        if self.ball:
            reach = up(error + up(norm * cells.radius))
            upper, lower = _scaled_up(up(mean + reach), scale), _scaled_down(down(mean - reach), scale)
        if self.box:
            rounding = up(norm * up(cells.box_norm * ((cells.key.shape[-1] + 4) * U2))) + UNDERFLOW
            upper = np.minimum(upper, _scaled_up(up(products[..., HIGH] + rounding), scale))
            lower = np.maximum(lower, _scaled_down(down(products[..., LOW] - rounding), scale))
        deviation = self._deviation(cells, products[..., SPREAD], norm, scale)
        if deviation is not None:
            upper = np.minimum(upper, up(mean_upper + up(deviation * up(np.sqrt(count - 1.0)))))
        # Two sound upper bounds, one of the mean and one of every score: the mean is below both.
        mean_upper = np.minimum(mean_upper, upper)
        found = maximum_mass(count, upper, shift)
        if self.chord:
            found = np.minimum(found, chord_mass(count, lower, mean_upper, upper, shift))
        if deviation is not None:
            found = np.minimum(found, bennett_mass(count, mean_upper, upper, up(deviation * deviation), shift))
        around = jensen_mass(count, mean_lower, shift)
        return CellMasses(upper, around, found, maximum_mass(count, mean_upper, shift), deviation)

    def _deviation(self, cells: KeyCells, spread: Floats, norm: Floats, scale: Scale) -> Floats | None:
        """σ [m, cells] of the real scores in each cell, rounded up, or None."""
        d = cells.key.shape[-1]
        if self.variance == DIAGONAL:
            unscaled = spread * (1.0 + (d + 8) * U2) + UNDERFLOW
        elif self.variance == SPECTRAL:
            unscaled = up(norm * cells.spectral)
        elif self.variance == FULL:
            unscaled = up(np.sqrt(np.maximum(up(spread + up(up(norm * norm) * cells.variance_excess)), UNDERFLOW)))
        else:
            return None
        return up(unscaled * scale.upper)


@dataclass(frozen=True, eq=False)
class CellMasses:
    """Of every cell, [m, cells]: top ≥ its largest score; lower ≤ Σ e^(s − shift) ≤ upper; lower ≤ around_upper, the
    mass that the cell has if all its scores are its mean, itself between lower and around_upper; σ ≤ deviation.
    """

    top: Floats
    lower: Floats
    upper: Floats
    around_upper: Floats
    deviation: Floats | None


_CATALOGUE = (
    CellBound("ball", "T20", ball=True, box=False),
    CellBound("box", "T20", ball=False, box=True),
    CellBound("ball_box", "T20", ball=True, box=True),
    CellBound("chord", "T9", ball=True, box=True, chord=True),
    CellBound("bennett_diagonal", "T9", ball=True, box=True, chord=True, variance=DIAGONAL),
    CellBound("bennett_spectral", "T9", ball=True, box=True, chord=True, variance=SPECTRAL),
    CellBound("bennett", "T9", ball=True, box=True, chord=True, variance=FULL),
)
BOUNDS = {bound.name: bound for bound in _CATALOGUE}


def bound_named(name: str) -> CellBound:
    """The bound of that name. Raises BadInput."""
    if name not in BOUNDS:
        raise BadInput(f"bound = {name!r}; use one of {', '.join(get_args(BoundName))}")
    return BOUNDS[name]


def _scaled_up(x: Floats, scale: Scale) -> Floats:
    """≥ x·scale for the real scale > 0: its upper end where x > 0, its lower end where x < 0."""
    return up(np.where(x > 0.0, x * scale.upper, x * scale.lower))


def _scaled_down(x: Floats, scale: Scale) -> Floats:
    return down(np.where(x > 0.0, x * scale.lower, x * scale.upper))
