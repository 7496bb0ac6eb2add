"""Rigorous enclosures of elementary functions: for every x in X, f(x) is in f(X). Each function of an interval keeps
the interval's own precision; each one of a number is told the precision in `bits`.
"""

from certify.elementary.exponential import exp, log, log1p, tanh
from certify.elementary.normal import (
    normal_cdf,
    normal_density,
    normal_quantile,
    normal_survival,
    normal_survival_quantile,
    pi,
)

__all__ = [
    "exp",
    "log",
    "log1p",
    "normal_cdf",
    "normal_density",
    "normal_quantile",
    "normal_survival",
    "normal_survival_quantile",
    "pi",
    "tanh",
]
