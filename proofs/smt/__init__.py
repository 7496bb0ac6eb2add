"""Algebraic cores decided by z3: the negation of each is unsatisfiable, and its hypotheses are not. One family per
module.
"""
