"""One kind of claim a file: claim and inputs in, verdict out. The auditor runs every rule whose claim a bundle
makes.
"""

from certify.rules import kl, output_error, smallest_k, top_k, total_variation
from certify.rules.verdict import Budget, Decision, Rule, Settled, Verdict

__all__ = ["RULES", "Budget", "Decision", "Rule", "Settled", "Verdict"]

RULES: tuple[Rule, ...] = (
    total_variation.UPPER,
    total_variation.LOWER,
    kl.UPPER,
    output_error.UPPER,
    top_k.TRUE,
    smallest_k.SMALLEST,
)
