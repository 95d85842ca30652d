"""tf.metrics: what is counted over many steps, as a pair of a value and an operation that counts one step more.

    accuracy, count = tf.metrics.accuracy(labels, predictions)       run count for each batch, then accuracy

The counts are local variables: run local_variables_initializer to begin.

Next: compat/v1/metrics/counts.py.
"""

from refflow.compat.v1.metrics.confusion import (
    false_negatives,
    false_positives,
    mean_iou,
    precision,
    recall,
    true_negatives,
    true_positives,
)
from refflow.compat.v1.metrics.means import (
    accuracy,
    mean,
    mean_absolute_error,
    mean_cosine_distance,
    mean_per_class_accuracy,
    mean_relative_error,
    mean_squared_error,
    mean_tensor,
    percentage_below,
    root_mean_squared_error,
)
from refflow.compat.v1.metrics.ranks import (
    average_precision_at_k,
    precision_at_k,
    precision_at_top_k,
    recall_at_k,
    recall_at_top_k,
    sparse_average_precision_at_k,
    sparse_precision_at_k,
)
from refflow.compat.v1.metrics.thresholds import (
    auc,
    false_negatives_at_thresholds,
    false_positives_at_thresholds,
    precision_at_thresholds,
    recall_at_thresholds,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    true_negatives_at_thresholds,
    true_positives_at_thresholds,
)
