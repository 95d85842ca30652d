"""The Triton kernels against torch's own operations, on a card: `python -m refflow_kernels.bench --out FILE`.

All kernels are compiled first, by as many processes as there are cores. Each case is then compared with float64, and
both sides are timed in turns: the second cache is flushed before every call, the host's time is not counted, and
medians are taken. A ratio above 1 means that refflow is quicker. A case that fails is a row too.

`--only TEXT` keeps the cases whose label has TEXT in it; after `--seconds` none is begun. `--dry-run` runs every case
on small sizes under Triton's interpreter, without a card; where torch is installed its operation is held against the
page too, so that on a card both sides measure the same thing.

Next: refflow_kernels/bench/case.py.
"""
