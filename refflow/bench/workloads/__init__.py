"""All workloads, in the order of the report. Next: refflow/bench/workloads/matmul.py."""

from refflow.bench.workload import Workload
from refflow.bench.workloads import convolution, lenet, matmul, perceptron

WORKLOADS: list[Workload] = [
    *perceptron.WORKLOADS,
    *lenet.WORKLOADS,
    *matmul.WORKLOADS,
    *convolution.WORKLOADS,
]
