"""GoogLeNet, the winner of 2014: nine modules that look at the same place through windows of several sizes [S81].

A module's four branches see the same input [N, H, W, C], and their channels are laid side by side:

    1x1 -------------------------> one          what one pixel says
    1x1 -> three_in -> 3x3 ------> three        what its neighbours say
    1x1 -> five_in --> 5x5 ------> five         what is farther away
    3x3 max pool ----> 1x1 ------> pool         what is strongest nearby

The 1x1 convolutions before the large ones are why this can be afforded: k x k windows over C channels cost k k C M
multiply-adds a pixel, over only R channels of a mixture k k R M + C R. That is six convolutions in a module, each with
a bias and rectified.

The network, for pictures of 224 by 224 (of any other size the numbers below scale):

    conv1   7x7/2              112 x 112 x   64          3a - 3b    28 x 28 x  256,  480      (pool /2 after it)
    pool1   3x3/2, norm         56 x  56 x   64          4a - 4e    14 x 14 x  512, 512, 512, 528, 832      (pool /2)
    conv2   1x1, 3x3, norm      56 x  56 x  192          5a - 5b     7 x  7 x  832, 1024
    pool2   3x3/2               28 x  28 x  192          mean over all places, dropout, linear, softmax

Counted along a path are 22 layers with parameters, or 27 with the pools. The deck says 24; the paper decides [E27].
While it is trained, two small classifiers after 4a and 4d add to the slopes of the lower layers; the paper weighs their
losses by 0.3. Its normalization is that of Krizhevsky et al., over five channels.

Szegedy et al., "Going deeper with convolutions", 2014.

Next: models/memory.py.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from refflow.core.graph import Tensor
from refflow.models.layers import convolution, dense
from refflow.nn import avg_pool, dropout, local_response_normalization, max_pool, relu
from refflow.ops.array import reshape
from refflow.ops.joining import concat
from refflow.ops.reductions import reduce_mean
from refflow.ops.variable_scope import variable_scope


class Widths(NamedTuple):
    """The channels that the six convolutions of a module make."""

    one: int
    three_in: int
    three: int
    five_in: int
    five: int
    pool: int


MODULES = {
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}


def inception(x: Tensor, widths: Widths | tuple[int, ...], scope: str = "Inception") -> Tensor:
    """[N, H, W, one + three + five + pool] of x [N, H, W, C]: one module, of six widths."""
    widths = Widths(*widths)
    with variable_scope(scope):
        one = convolution(x, widths.one, 1, scope="1x1")
        three = convolution(convolution(x, widths.three_in, 1, scope="3x3_in"), widths.three, 3, scope="3x3")
        five = convolution(convolution(x, widths.five_in, 1, scope="5x5_in"), widths.five, 5, scope="5x5")
        pool = convolution(pooled(x, stride=1), widths.pool, 1, scope="pool_1x1")
        return concat(3, [one, three, five, pool])


def pooled(x: Tensor, stride: int = 2) -> Tensor:
    """The largest of each 3 by 3 window, every `stride` pixels: [N, ceil(H / stride), ceil(W / stride), C]."""
    return max_pool(x, [1, 3, 3, 1], [1, stride, stride, 1], "SAME")


def googlenet(
    images: Tensor, classes: int = 1000, keep_prob: Any = 1.0, auxiliary: bool = False
) -> tuple[Tensor, dict[str, Tensor]]:
    """(logits [N, classes], layers by name) of images [N, H, W, C], centred about 0.

    keep_prob: the share that dropout keeps before the last layer, 0.6 in the paper while training and 1 after it.
    auxiliary: also the two classifiers for training, the layers "logits4a" and "logits4d". ValueError for
    pictures that are too small for them, or of a size that is not known.
    """
    layers: dict[str, Tensor] = {}
    x = layers["conv1"] = convolution(images, 64, 7, stride=2, scope="conv1")
    x = layers["pool1"] = pooled(x)
    x = layers["conv2_in"] = convolution(_normalized(x), 64, 1, scope="conv2_in")
    x = layers["conv2"] = convolution(x, 192, 3, scope="conv2")
    x = layers["pool2"] = pooled(_normalized(x))
    for name, widths in MODULES.items():
        if name in ("4a", "5a"):
            x = layers[f"pool{int(name[0]) - 1}"] = pooled(x)
        x = layers[name] = inception(x, widths, name)
        if auxiliary and name in ("4a", "4d"):
            layers[f"logits{name}"] = _auxiliary(x, classes, keep_prob, f"auxiliary{name}")
    layers["mean"] = reduce_mean(x, [1, 2], keep_dims=True)
    x = reshape(layers["mean"], [-1, x.get_shape()[3].value])
    layers["logits"] = dense(dropout(x, keep_prob), classes, scope="logits")
    return layers["logits"], layers


def _normalized(x: Tensor) -> Tensor:
    return local_response_normalization(x, depth_radius=2, bias=1.0, alpha=2e-5, beta=0.75)


def _auxiliary(x: Tensor, classes: int, keep_prob: Any, scope: str) -> Tensor:
    """[N, classes]: means of 5x5 every 3, a 1x1 convolution to 128, a layer of 1024, dropout, and the scores."""
    height, width = (s.value for s in x.get_shape()[1:3])
    if height is None or width is None or min(height, width) < 5:
        raise ValueError(
            f"googlenet: the auxiliary classifiers need at least 5 by 5 places, but {x.name!r} is {x.get_shape()}. "
            "Give pictures of 224 by 224, or leave auxiliary out."
        )
    with variable_scope(scope):
        x = convolution(avg_pool(x, [1, 5, 5, 1], [1, 3, 3, 1], "VALID"), 128, 1, scope="conv")
        flat = reshape(x, [-1, math.prod(s.value for s in x.get_shape()[1:])])
        return dense(dropout(dense(flat, 1024, relu, scope="hidden"), keep_prob), classes, scope="logits")
