"""Plausible wrong variants of every theorem, each refuted by a concrete counterexample. One family per module."""
