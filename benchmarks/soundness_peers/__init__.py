"""Certificates that people write without thinking of rounding, hunted; and our own kernels beside them.

python -m benchmarks.soundness_peers             the table of peers -> RESULTS-soundness-peers.md
python -m benchmarks.soundness_peers.mutants     the mutants of our kernels -> RESULTS-soundness-mutants.md
python -m benchmarks.soundness_peers.long_run    ten million rows against our kernels -> RESULTS-soundness.md
"""
