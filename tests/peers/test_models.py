"""Small models that train, distributions and pictures: whole programs, three steps each, on both runtimes."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences

pytestmark = pytest.mark.peers
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def weights(tf, name, shape):
    v1 = tf.compat.v1
    return v1.get_variable(name, shape, initializer=v1.random_normal_initializer(stddev=0.3, seed=3))


def convolutions(tf, x):
    h = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, weights(tf, "w", [3, 3, 3, 4]), 1, "SAME"), weights(tf, "b", [4])))
    h = tf.nn.max_pool2d(h, 2, 2, "VALID")
    mean, variance = tf.nn.moments(h, [0, 1, 2])
    h = tf.nn.dropout(tf.nn.batch_normalization(h, mean, variance, None, None, 1e-3), rate=0.5, seed=4)
    return tf.nn.log_softmax(tf.matmul(tf.reshape(h, [-1, 64]), weights(tf, "w2", [64, 5])))


def normalised_and_resized(tf, x):
    h, _, _ = tf.compat.v1.nn.fused_batch_norm(x, weights(tf, "scale", [3]), weights(tf, "offset", [3]))
    h = tf.nn.separable_conv2d(
        h, weights(tf, "deep", [3, 3, 3, 2]), weights(tf, "wide", [1, 1, 6, 4]), [1, 1, 1, 1], "SAME"
    )
    h = tf.nn.conv2d_transpose(h, weights(tf, "up", [2, 2, 5, 4]), tf.stack([tf.shape(h)[0], 16, 16, 5]), 2)
    h = tf.nn.elu(tf.nn.avg_pool2d(tf.nn.local_response_normalization(h), 4, 4, "SAME"))
    return tf.reduce_sum(tf.image.resize(h, [3, 3]), [1, 2])


def loops(tf, x):
    x = tf.transpose(tf.reshape(x, [-1, 8, 24]), [1, 0, 2])
    w = weights(tf, "w", [29, 5])
    start = tf.zeros([tf.shape(x)[1], 5])
    states = tf.scan(lambda h, row: tf.tanh(tf.matmul(tf.concat([row, h], 1), w)), x, initializer=start)
    doubled, total = tf.map_fn(lambda z: tf.reduce_sum(z) * 2, states), tf.foldl(tf.add, states)
    _, grown = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * tf.reduce_mean(w) + 1.0), (0, total))
    return tf.concat([total, grown], 1) + tf.reduce_sum(doubled)


def embeddings(tf, x):
    table = weights(tf, "table", [20, 4])
    ids = tf.cast(tf.abs(x[:, 0, :, 0]) * 7, tf.int32)
    sparse = tf.sparse.from_dense(ids)
    h = tf.reduce_mean(tf.nn.embedding_lookup(table, ids), 1) + tf.nn.safe_embedding_lookup_sparse(table, sparse)
    h += tf.nn.embedding_lookup_sparse(table, sparse, None, combiner="sqrtn")
    labels = tf.constant([[1], [2], [3], [4]])[: tf.shape(h)[0]]
    return h + tf.reduce_mean(tf.nn.sampled_softmax_loss(table, tf.zeros([20]), labels, h, 5, 20, seed=7))


def attention(tf, x):
    parts = tf.einsum("btd,dkhe->kbhte", tf.reshape(x, [-1, 8, 24]), weights(tf, "w", [24, 3, 2, 4]))
    query, key, value = tf.unstack(parts)
    seen = tf.nn.softmax(tf.einsum("bhte,bhse->bhts", query, key) / 2.0)
    seen = tf.where(tf.linalg.band_part(tf.ones([8, 8]), -1, 0) > 0, seen, tf.zeros_like(seen))
    out = tf.linalg.normalize(tf.einsum("bhts,bhse->bthe", seen, value), axis=-1)[0]
    return tf.reshape(out, [-1, 64])


def many_functions(tf, x):
    h = tf.matmul(tf.reshape(x, [-1, 192]), weights(tf, "w", [192, 6]))
    n = tf.nn
    h = tf.concat([n.swish(h), n.crelu(h), n.leaky_relu(h), n.selu(h), n.gelu(h), n.relu6(h), n.softplus(h)], 1)
    best = tf.gather(h, tf.argsort(h, axis=1)[:, :4], batch_dims=1)
    h = best + tf.cumsum(h, 1)[:, :4] + tf.math.top_k(h, 4)[0]
    h = tf.clip_by_norm(h, 3.0) + tf.tile(tf.reduce_max(h, 1, keepdims=True), [1, 4])
    h = tf.cond(tf.reduce_sum(h) > 0, lambda: h * 2.0, lambda: h - 1.0)
    return tf.tanh(tf.math.segment_sum(tf.transpose(h), [0, 0, 1, 1]) * 0.1)


MODELS = [convolutions, normalised_and_resized, loops, embeddings, attention, many_functions]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_a_model_trains_the_same(model):
    def program(tf):
        v1 = tf.compat.v1
        x = v1.placeholder(tf.float32, [None, 8, 8, 3])
        y = model(tf, x)
        loss = tf.reduce_mean(tf.square(y))
        step = v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(3):
                session.run([loss, step], {x: IMAGES})
            session.run([y, *v1.trainable_variables()], {x: IMAGES[:2]})

    assert differences(program, rtol=1e-4, atol=1e-5) == []


@pytest.mark.filterwarnings("ignore")
def test_distributions_agree():
    def program(tf):
        v1 = tf.compat.v1
        d = v1.distributions
        x = v1.placeholder_with_default(np.float32([0.1, 0.5, 0.9]), None)
        gamma, beta, dirichlet = d.Gamma(x + 1, 2.0), d.Beta(x + 1, 2.0), d.Dirichlet([1.0, 2.0, 3.0])
        some = [d.Normal(x, [1.0, 2.0, 3.0]), beta, gamma, d.Bernoulli(probs=x), dirichlet, d.StudentT(3.0, x, 1.0),
                d.Uniform(0.0, x + 1), d.Laplace(x, 1.0), d.Exponential(x + 0.1),
                d.Categorical(logits=[[0.1, 0.2, 0.3]]), d.Multinomial(4.0, probs=[0.2, 0.3, 0.5])]  # fmt: skip
        wanted = [one.sample(3, seed=1) for one in some]
        wanted += [
            some[0].log_prob(x),
            some[0].cdf(x),
            beta.log_prob(x),
            gamma.log_prob(x + 1),
            some[3].log_prob([0, 1, 1]),
        ]
        wanted += [one.entropy() for one in (some[0], beta, gamma, dirichlet, some[5], some[9])]
        wanted += [d.kl_divergence(some[0], d.Normal(0.0, 1.0)), d.kl_divergence(beta, d.Beta(1.0, 1.0))]
        wanted += [tf.gradients(gamma.log_prob(x + 1), x)[0], tf.gradients(beta.entropy(), x)[0]]
        with v1.Session() as session:
            for tensor in wanted:
                session.run(tensor)

    assert differences(program, rtol=1e-4, atol=1e-5) == []


def test_pictures_agree():
    def program(tf):
        v1, i = tf.compat.v1, tf.image
        x = v1.placeholder_with_default(np.abs(IMAGES) / 4, [None, 8, 8, 3])
        wanted = [i.resize(x, [5, 7], how) for how in ("bilinear", "bicubic", "area", "lanczos3", "nearest")]
        wanted += [
            i.resize(x, [3, 3], antialias=True),
            i.resize_with_pad(x, 10, 6),
            i.resize_with_crop_or_pad(x, 6, 10),
        ]
        wanted += [i.central_crop(x, 0.5), i.flip_left_right(x), i.rot90(x, 3), i.transpose(x)]
        wanted += [i.adjust_brightness(x, 0.1), i.adjust_contrast(x, 2.0), i.adjust_hue(x, 0.2), i.adjust_gamma(x, 2.0)]
        wanted += [i.adjust_saturation(x, 0.4), i.per_image_standardization(x), i.rgb_to_grayscale(x), i.rgb_to_yuv(x)]
        wanted += [i.rgb_to_hsv(x), i.sobel_edges(x), i.total_variation(x), i.psnr(x, x * 0.9, 1.0)]
        wanted += [i.ssim(x, x * 0.9, 1.0, filter_size=5), i.image_gradients(x)[0]]
        wanted += [i.extract_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")]
        wanted += [i.crop_and_resize(x, [[0.0, 0, 1, 1], [0.2, 0.3, 0.7, 0.9]], [0, 1], [4, 4])]
        wanted += [i.convert_image_dtype(x, tf.uint8, saturate=True), i.random_flip_left_right(x, seed=3)]
        wanted += [i.random_crop(x, [4, 3, 3, 3], seed=3), i.random_brightness(x, 0.2, seed=1)]
        wanted += [i.decode_image(i.encode_png(tf.cast(x[0] * 255, tf.uint8)))]
        with v1.Session() as session:
            for tensor in wanted:
                session.run(tensor)

    assert differences(program, rtol=1e-4, atol=1e-5) == []
