"""Pipelines of tf.data drawn from a small grammar, as functions of the library that builds them."""

import random

import numpy as np

LARGEST = 40  # elements that are asked for


class Pipeline:
    """A dataset under construction: `tf` is either library. Draws do not depend on which."""

    def __init__(self, tf, seed):
        self.tf, self.draw = tf, random.Random(seed)
        self.shown = []
        self.dataset = self._source()

    # -- sources ---------------------------------------------------------------------------------------------

    def _source(self):
        tf, draw = self.tf, self.draw
        data = tf.data.Dataset
        count = draw.randint(0, 9)
        rows = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
        numbers = np.arange(count, dtype=np.int64) * 3 - 2
        texts = np.array([b"t%d" % i for i in range(count)], object)
        kind = draw.choice(["range", "steps", "rows", "tuple", "dict", "nested", "once", "generator", "sparse"])
        self.shown.append(f"{kind}({count})")
        if kind == "range":
            return data.range(count)
        if kind == "steps":
            return data.range(count * 2, -1, -draw.randint(1, 3))
        if kind == "rows":
            return data.from_tensor_slices(rows)
        if kind == "tuple":
            return data.from_tensor_slices((numbers, rows))
        if kind == "dict":
            return data.from_tensor_slices({"n": numbers, "a": rows[:, 0]})
        if kind == "nested":
            return data.from_tensor_slices((numbers, {"y": rows, "x": texts} if count else {"y": rows, "x": numbers}))
        if kind == "once":
            return data.from_tensors((numbers, np.float32(count)))
        if kind == "sparse":
            places = [[i, i % 2] for i in range(count)]
            value = tf.SparseTensor(np.array(places, np.int64).reshape(count, 2), numbers, [count, 2])
            return data.from_tensor_slices(value)
        return data.from_generator(lambda: ((i, [i, -i]) for i in range(count)), (tf.int64, tf.float32), ([], [2]))

    # -- steps -----------------------------------------------------------------------------------------------

    def grow(self):
        """One more step, of those that this structure and these shapes allow."""
        name = self.draw.choice(sorted(n for n in dir(self) if n.startswith("step_")))
        made = getattr(self, name)()
        if made is not None:
            self.shown.append(name.removeprefix("step_"))
            self.dataset = made

    def _leaves(self):
        types = self.tf.data.get_output_types(self.dataset)
        found, waiting = [], [types]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                waiting += one.values()
            elif isinstance(one, tuple):
                waiting += one
            else:
                found.append(one)
        return found

    def _is_sparse(self):
        return "Sparse" in str(self.tf.data.get_output_classes(self.dataset))

    def _is_one_tensor(self):
        single = not isinstance(self.tf.data.get_output_types(self.dataset), (tuple, dict))
        return single and not self._is_sparse()

    def _is_one_number(self):
        shape = self.tf.data.get_output_shapes(self.dataset)
        return self._is_one_tensor() and self._leaves()[0] == self.tf.int64 and shape.ndims == 0

    def step_take(self):
        return self.dataset.take(self.draw.randint(-1, 6))

    def step_skip(self):
        return self.dataset.skip(self.draw.choice([0, 1, 2, 3, -1]))

    def step_repeat(self):
        return self.dataset.repeat(self.draw.choice([0, 1, 2, 3, None]))

    def step_shard(self):
        of = self.draw.randint(1, 3)
        return self.dataset.shard(of, self.draw.randrange(of))

    def step_cache(self):
        return self.dataset.cache()

    def step_prefetch(self):
        return self.dataset.prefetch(self.draw.choice([1, 2, self.tf.data.experimental.AUTOTUNE]))

    def step_concatenate(self):
        return self.dataset.concatenate(self.dataset.take(self.draw.randint(0, 2)))

    def step_shuffle(self):
        anew = self.draw.choice([None, True, False])
        return self.dataset.shuffle(self.draw.randint(1, 12), self.draw.randint(0, 5), reshuffle_each_iteration=anew)

    def step_shuffle_and_repeat(self):
        made = self.tf.data.experimental.shuffle_and_repeat(
            self.draw.randint(1, 6), self.draw.randint(1, 3), self.draw.randint(1, 9)
        )
        return self.dataset.apply(made)

    def step_batch(self):
        calls = self.draw.choice([None, None, 2])
        return self.dataset.batch(self.draw.randint(1, 4), self.draw.choice([False, True]), num_parallel_calls=calls)

    def step_unbatch(self):
        shapes = str(self.tf.data.get_output_shapes(self.dataset))
        if "TensorShape([])" in shapes or "unknown" in shapes.lower():
            return None
        if self._is_sparse() and "batch" not in self.shown:  # of rank 1: there are no sparse numbers
            return None
        return self.dataset.apply(self.tf.data.experimental.unbatch())

    def step_padded_batch(self):
        if not self._is_one_number():
            return None
        tf, most = self.tf, self.draw.choice([None, None, 30])
        filled = self.dataset.map(lambda x: (tf.fill([tf.cast(tf.mod(tf.abs(x), 5), tf.int32)], x), tf.as_string(x)))
        fillers = self.draw.choice([None, (np.int64(-1), "-")])
        return filled.padded_batch(self.draw.randint(1, 4), ([most], []), fillers, self.draw.choice([False, True]))

    def step_enumerate(self):
        return self.dataset.enumerate(self.draw.randint(0, 5))

    def step_zip(self):
        return self.tf.data.Dataset.zip({"d": self.dataset, "c": self.tf.data.Dataset.range(self.draw.randint(1, 9))})

    def step_map(self):
        tf, calls = self.tf, self.draw.choice([None, None, 2])
        if not self._is_one_tensor() or self._leaves()[0] == tf.string:
            return self.dataset.map(lambda *x: {"all": x, "one": tf.constant(1)}, num_parallel_calls=calls)
        three = tf.constant(3)
        made = self.draw.choice([
            lambda x: x * 2, lambda x: (x, x + x), lambda x: [x, -x], lambda x: {"k": x * x},
            lambda x: tf.cond(tf.reduce_sum(x) > 2, lambda: x, lambda: -x),
            lambda x: tf.stack([x, x]), lambda x: x + tf.cast(three, x.dtype),
            lambda x: tf.while_loop(lambda i, a: i < three, lambda i, a: (i + 1, a + x), [0, x])[1],
        ])  # fmt: skip
        return self.dataset.map(made, num_parallel_calls=calls)

    def step_map_and_batch(self):
        if not self._is_one_tensor():
            return None
        size, drop = self.draw.randint(1, 4), self.draw.choice([False, True])
        made = self.tf.data.experimental.map_and_batch(lambda x: (x, x), size, drop_remainder=drop)
        return self.dataset.apply(made)

    def step_filter(self):
        tf = self.tf
        kept, of = self.draw.randint(0, 2), self.draw.randint(1, 3)
        if self._is_one_number():
            return self.dataset.filter(lambda x: tf.not_equal(tf.mod(x, of), kept))
        numbered = self.dataset.enumerate()
        return numbered.filter(lambda i, _: tf.not_equal(tf.mod(i, of), kept)).map(lambda i, x: x)

    def step_take_while(self):
        if not self._is_one_number():
            return None
        most = self.draw.randint(0, 9)
        return self.dataset.apply(self.tf.data.experimental.take_while(lambda x: x < most))

    def step_scan(self):
        if not self._is_one_number():
            return None
        return self.dataset.apply(self.tf.data.experimental.scan(np.int64(0), lambda s, x: (s + x, (s, x))))

    def step_flat_map(self):
        data, times = self.tf.data.Dataset, self.draw.randint(0, 2)
        if self._is_one_number():
            return self.dataset.flat_map(lambda x: data.range(self.tf.mod(self.tf.abs(x), 4)))
        return self.dataset.flat_map(lambda *x: data.from_tensors(x).repeat(times))

    def step_interleave(self):
        data, times = self.tf.data.Dataset, self.draw.randint(1, 3)
        cycle, block = self.draw.randint(1, 3), self.draw.randint(1, 3)
        calls = self.draw.choice([None, None, 1])
        return self.dataset.interleave(lambda *x: data.from_tensors(x).repeat(times), cycle, block, calls)

    def step_window(self):
        size, shift = self.draw.randint(1, 3), self.draw.choice([None, 1, 2, 4])
        windows = self.dataset.window(size, shift, self.draw.randint(1, 2), self.draw.choice([False, True]))
        if self._is_one_tensor():
            return windows.flat_map(lambda w: w.batch(size))
        if isinstance(self.tf.data.get_output_types(self.dataset), tuple) and len(self._leaves()) == 2:
            first, second = self.tf.data.get_output_types(self.dataset)
            if not isinstance(first, (tuple, dict)) and not isinstance(second, (tuple, dict)):
                return windows.flat_map(lambda a, b: self.tf.data.Dataset.zip((a.batch(size), b.batch(size))))
        return None

    def step_group_by_window(self):
        if not self._is_one_number():
            return None
        of, size = self.draw.randint(1, 3), self.draw.randint(1, 3)
        made = self.tf.data.experimental.group_by_window(
            lambda x: self.tf.mod(x, of), lambda key, w: w.batch(size).map(lambda x: (key, x)), size
        )
        return self.dataset.apply(made)

    def step_choose(self):
        choice = self.tf.data.Dataset.from_tensor_slices(np.array([self.draw.randrange(2) for _ in range(6)], np.int64))
        return self.tf.data.experimental.choose_from_datasets([self.dataset, self.dataset.skip(1)], choice)

    def step_sample(self):
        pair = [self.dataset, self.dataset.take(2)]
        return self.tf.data.experimental.sample_from_datasets(pair, [0.5, 0.5], self.draw.randint(1, 9))

    def step_sparse_batch(self):
        if not self._is_one_number():
            return None
        tf = self.tf
        filled = self.dataset.map(lambda x: tf.fill([tf.cast(tf.mod(tf.abs(x), 5), tf.int32)], x))
        return filled.apply(tf.data.experimental.dense_to_sparse_batch(self.draw.randint(1, 3), [6]))

    def step_random_map(self):
        tf, seed = self.tf, self.draw.randint(1, 9)
        return self.dataset.map(lambda *x: (x, tf.random_uniform([2], seed=seed)))


def outcome(tf, seed):
    """What a pipeline is like, and what comes out of it: (steps, types and shapes, elements, how it ended)."""
    with tf.Graph().as_default():
        tf.set_random_seed(seed)
        pipeline = Pipeline(tf, seed)
        for _ in range(pipeline.draw.randint(1, 6)):
            try:
                pipeline.grow()
            except (TypeError, ValueError) as error:
                return pipeline.shown, type(error).__name__, [], "not built"
        dataset = pipeline.dataset
        said = plain((tf.data.get_output_types(dataset), tf.data.get_output_shapes(dataset)))
        if pipeline.draw.random() < 0.5:
            iterator = tf.data.make_one_shot_iterator(dataset)
            start = tf.no_op()
        else:
            iterator = tf.data.make_initializable_iterator(dataset)
            start = iterator.initializer
        element, found = iterator.get_next(), []
        with tf.Session() as session:
            try:
                session.run(start)
                while len(found) < LARGEST:
                    found.append(plain(session.run(element)))
            except tf.errors.OpError as error:
                return pipeline.shown, said, found, type(error).__name__
        return pipeline.shown, said, found, "goes on"


def plain(value):
    """A structure of lists, tuples, dictionaries and numbers, whichever library's its leaves are."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if type(value).__name__ == "SparseTensorValue":
        return ("sparse", *(np.asarray(part).tolist() for part in value))
    if hasattr(value, "as_list"):
        return None if value.ndims is None else value.as_list()
    if hasattr(value, "as_numpy_dtype"):
        return value.name
    if isinstance(value, (tuple, list)):
        return tuple(plain(part) for part in value)
    array = np.asarray(value)
    return (str(array.dtype) if array.dtype != object else "text", array.tolist())
