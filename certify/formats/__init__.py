"""The three file formats of a bundle, one a file: each reads a path into header strings and tensors read on demand, and
turns header strings and arrays into the same bytes every time.

Sizes and dtypes are checked here; what a header or a claim means is `certify/bundle.py`'s.
"""
