"""Calculations on paper, verified line by line by SymPy for symbolic n and k. One family of theorems per module."""
