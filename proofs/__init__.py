"""The theorems behind the package and the machinery that reruns their proofs; imported by nothing that runs in
production.
"""
