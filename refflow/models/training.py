"""One step of training, as the sequence models here take it: Adam, with gradients that are not too long.

    |g| = sqrt(sum over all variables of |dL/dw|^2)         g is scaled down to length `most` where it is longer

A recurrent net's gradients are products over time, and some are huge. The rate is fed, so that it may fall while the
net learns.

Next: models/translator.py.
"""

from __future__ import annotations

import refflow as tf


def clipped_adam(loss: tf.Tensor, most: float = 5.0) -> tuple[tf.Operation, tf.Tensor]:
    """(the update of all trainable variables, the placeholder of its rate)."""
    rate = tf.placeholder(tf.float32, [], name="rate")
    variables = tf.trainable_variables()
    slopes, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), most)
    return tf.train.AdamOptimizer(rate).apply_gradients(zip(slopes, variables, strict=True)), rate
