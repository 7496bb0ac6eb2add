"""Values of every quantity of the theory that can be trusted to the last digit, and vectors to test others against.

The way of a value: a quantity (`quantities.py`, one entry each) and its inputs (`parameters.py`, `inputs.py`) give a
real number that is enclosed at any precision; `rounding.py` raises that precision until each rounding is certain,
putting ties to the exact test of `exact_signs.py`; `record.py` holds the result, `files.py` writes it.

The conformance suite (`suite.py` and what it names) is such a file, and `grading.py` grades another implementation's
answers by it.
"""

from certify.reference_values.quantities import QUANTITIES
from certify.reference_values.record import Reference, reference

__all__ = ["QUANTITIES", "Reference", "reference"]
