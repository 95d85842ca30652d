"""Names that dataset nodes had while they were new, in graphs of 1.12 to 1.15: they do what today's do [W43].

Next: ops/dataset_shuffle.py.
"""

from refflow.core.opdef import define_variant
from refflow.core.registry import op_def
from refflow.ops import (  # noqa: F401  (they define what is named here)
    dataset_elements,
    dataset_functions,
    dataset_groups,
    dataset_shuffle,
    dataset_tables,
    iterators,
)

SAME = (
    "BytesProducedStatsDataset", "CSVDataset", "DatasetCardinality", "DenseToSparseBatchDataset",
    "DirectedInterleaveDataset", "GroupByReducerDataset", "GroupByWindowDataset", "IgnoreErrorsDataset",
    "LatencyStatsDataset", "MapAndBatchDataset", "MapDataset", "MatchingFilesDataset",
    "MaxIntraOpParallelismDataset", "NonSerializableDataset", "ParallelInterleaveDataset",
    "PrivateThreadPoolDataset", "RandomDataset", "RebatchDataset", "ScanDataset", "SleepDataset",
    "SlidingWindowDataset", "SqlDataset", "TakeWhileDataset", "UnbatchDataset", "UniqueDataset",
)  # fmt: skip

for _name in SAME:
    _op = define_variant(f"Experimental{_name}", op_def(_name))
    _op.moves_bits = True
