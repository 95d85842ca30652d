"""All workloads, in the order of the report. Next: refflow/bench/workloads/overhead.py."""

from refflow.bench.workload import Workload
from refflow.bench.workloads import (
    attention,
    convolution,
    convolution3d,
    elementwise,
    inception,
    lenet,
    lstm,
    matmul,
    moves,
    overhead,
    perceptron,
    pooling,
    reductions,
    rows,
)

_TRAINING = (perceptron, lenet, inception, lstm, attention)
_KERNELS = (matmul, elementwise, reductions, rows, moves, pooling, convolution, convolution3d)
WORKLOADS: list[Workload] = [workload for page in (overhead, *_TRAINING, *_KERNELS) for workload in page.WORKLOADS]
