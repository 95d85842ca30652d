"""The Triton kernels against torch's own operations, on a card: `python -m refflow_kernels.bench --out FILE`.

Each case is compared with float64 first, then both sides are timed in turns: the second cache is flushed before every
call, and medians are taken. A ratio above 1 means that refflow is quicker. `--only TEXT` keeps the cases whose label
has TEXT in it. `--dry-run` runs every case on small sizes under Triton's interpreter, without a card; where torch is
installed its operation is held against the page too, so that on a card both sides measure the same thing.

Next: refflow_kernels/bench/case.py.
"""
