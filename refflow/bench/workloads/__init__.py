"""All workloads, in the order of the report. Next: refflow/bench/workloads/overhead.py."""

from refflow.bench.workload import Workload
from refflow.bench.workloads import (
    attention,
    convolution,
    convolution3d,
    elementwise,
    inception,
    lenet,
    loops,
    lstm,
    matmul,
    moves,
    normalisation,
    overhead,
    perceptron,
    pipelines,
    pooling,
    queues,
    reductions,
    rows,
)

_TRAINING = (perceptron, lenet, inception, lstm, attention)
_KERNELS = (matmul, elementwise, reductions, rows, moves, pooling, convolution, convolution3d, normalisation)
_PAGES = (overhead, loops, queues, pipelines, *_TRAINING, *_KERNELS)
WORKLOADS: list[Workload] = [workload for page in _PAGES for workload in page.WORKLOADS]
