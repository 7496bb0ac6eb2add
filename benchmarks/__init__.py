"""Ratios against named peers, measured in one run. Nothing here is imported by the package."""
