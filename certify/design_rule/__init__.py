"""The Gaussian design rule: how many of n keys to keep when scores are i.i.d. N(μ, σ²).

`plan` answers with the large-n rule (T17), which about half of all rows or more miss, and with a k that is proved
enough with probability 1 − δ at this very n (T18). `smallest_eps` and `smallest_sigma` ask the other way round,
`failure_probability` bounds P(τ_k > ε) for a k of your own, and `fit` measures σ and says whether scores are Gaussian
at all. A plan is about the model: of a real row only an audit speaks.
"""

from certify.design_rule.fitting import Fit, fit, scores_of
from certify.design_rule.planning import Plan, failure_probability, plan, smallest_eps, smallest_sigma

__all__ = ["Fit", "Plan", "failure_probability", "fit", "plan", "scores_of", "smallest_eps", "smallest_sigma"]
