"""Labellings without times: short ones, with repeats, of examples that end at different steps."""

import numpy as np

from tests.kernels.samples.bounds import normal, reference, unit


def _sparse(labels):
    rows = [(b, i) for b, own in enumerate(labels) for i in range(len(own))]
    return np.array(rows, np.int64).reshape(-1, 2), np.array([c for own in labels for c in own], np.int32)


_LABELLED = [  # steps, classes, labels of each example, its steps
    (1, 2, [[1]], [1]), (6, 5, [[1, 1, 3], [2], [3, 2, 3, 2]], [6, 3, 5]), (4, 70, [[3, 3], [60, 1, 2]], [2, 3]),
    (9, 4, [[1, 2, 2], [2, 1, 2, 3]], [9, 8]), (3, 3, [[1], [1, 1], [2, 2, 1]], [0, 2, 2]),
]  # fmt: skip


def labellings(blank_first):
    """How often 64 roundings of a path's logarithm count at a step, and of the loss in all."""

    def samples(rng, dtype):
        for time, classes, labels, lengths in _LABELLED:
            x = 2 * normal(rng, (time, len(labels), classes), dtype)
            for merge in (True, False)[: 1 + (time < 5)]:
                own = labels if blank_first else [[c - 1 for c in own] for own in labels]
                flags = {"preprocess_collapse_repeated": False, "ctc_merge_repeated": merge,
                         "ignore_longer_outputs_than_inputs": True}  # fmt: skip
                inputs = (x, *_sparse(own), np.array(lengths, np.int32))
                loss, _ = reference("CTCLossV2" if blank_first else "CTCLoss", inputs, flags)
                bound = 64 * unit(dtype) * time
                yield inputs, flags, (bound * (1 + np.abs(loss)), bound)

    return samples


SAMPLES = {"CTCLoss": labellings(False), "CTCLossV2": labellings(True)}
