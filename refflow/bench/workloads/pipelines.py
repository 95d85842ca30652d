"""Input pipelines: what an example costs on its way from an array or a file into a batch.

Every pipeline goes round without end, and a step takes one whole round of it, so that however it was shuffled the sums
of a step are the same. Nothing is fetched ahead, which would be done by a thread while others are timed. NumPy's side
only judges, but where it has an equal. The time is that of one example.

Next: refflow/bench/workloads/perceptron.py.
"""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal
from refflow.files.records import framed

BATCH = 32
WIDTH = 64  # numbers of an example


def sums(batches: list[Any]) -> list[np.ndarray]:
    """The sum of each component over all batches."""
    return [np.sum([np.sum(part, dtype=np.float64) for part in parts]) for parts in zip(*batches, strict=True)]


class Pipeline(Workload):
    """One round of a dataset in batches."""

    group = "data"
    bar = Bar(1.0)
    untimed: ClassVar[tuple[str, ...]] = ("numpy",)
    compiles = False
    constants = ("x", "y")

    def __init__(self, examples: int = 1024):
        self.examples = self.per = examples
        self.drawn: Arrays = {}

    def data(self, rng: np.random.Generator) -> Arrays:
        self.drawn = self.draw(rng)  # kept for `graph`: no file can be written from tensors
        return self.drawn

    def draw(self, rng: np.random.Generator) -> Arrays:
        return {"x": normal(rng, self.examples, WIDTH), "y": rng.integers(0, 1000, self.examples)}

    @abstractmethod
    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        """The examples of one round in batches, each a tuple."""

    def graph(self, tf: Any, **given: Any) -> list[Any]:
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        endless = self.dataset(tf, **self.drawn).repeat().with_options(options)
        return [tf.data.make_one_shot_iterator(endless).get_next()]

    def drive(self, run: Callable[..., Any], results: list[Any], feeds: dict[Any, Any]) -> list[Any]:
        return self.summed([run(results[0]) for _ in range(self.examples // BATCH)])

    def summed(self, batches: list[Any]) -> list[np.ndarray]:
        return sums(batches)

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        return lambda: sums([(x, y)])


class InFiles(Pipeline):
    """Examples that are read from a file, which is there as long as the workload is."""

    @cached_property
    def path(self) -> str:
        self._folder = tempfile.TemporaryDirectory()
        return os.path.join(self._folder.name, "examples")

    def file(self, content: bytes) -> str:
        with open(self.path, "wb") as file:
            file.write(content)
        return self.path


class Records(InFiles):
    """Records parsed one by one, shuffled, in batches: the usual pipeline."""

    name, title = "data_records", "records: parse one, shuffle, batch, per example"

    def features(self, tf: Any) -> dict[str, Any]:
        return {"x": tf.io.FixedLenFeature([WIDTH], tf.float32), "y": tf.io.FixedLenFeature([], tf.int64)}

    def records(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        made = []
        for row, label in zip(x, y, strict=True):
            numbers = tf.train.Feature(float_list=tf.train.FloatList(value=row.tolist()))
            kind = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)]))
            features = tf.train.Features(feature={"x": numbers, "y": kind})
            made.append(framed(tf.train.Example(features=features).SerializeToString()))
        return tf.data.TFRecordDataset(self.file(b"".join(made)))

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        def parsed(record: Any) -> Any:
            found = tf.io.parse_single_example(record, self.features(tf))
            return found["x"], found["y"]

        return self.records(tf, x, y).map(parsed).shuffle(256, seed=1).batch(BATCH, drop_remainder=True)


class ParsedBatches(Records):
    """Records in batches, each parsed at once."""

    name, title = "data_parsed_batches", "records: batch, parse the batch, per example"

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        def parsed(records: Any) -> Any:
            found = tf.io.parse_example(records, self.features(tf))
            return found["x"], found["y"]

        return self.records(tf, x, y).batch(BATCH, drop_remainder=True).map(parsed)


class Slices(Pipeline):
    """Rows of arrays in memory, shuffled, in batches; NumPy and PyTorch draw an order and gather."""

    name, title = "data_slices", "rows of arrays: shuffle, batch, per example"
    untimed: ClassVar[tuple[str, ...]] = ()

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        rows = tf.data.Dataset.from_tensor_slices((x, y))
        return rows.shuffle(self.examples, seed=1).batch(BATCH, drop_remainder=True)

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        rng = np.random.default_rng(1)

        def step() -> list[np.ndarray]:
            order = rng.permutation(self.examples).reshape(-1, BATCH)
            return sums([(x[rows], y[rows]) for rows in order])

        return step

    def torch(self, pt: Any, x: Any, y: Any) -> Any:
        data = pt.torch.utils.data
        loader = data.DataLoader(data.TensorDataset(x, y), batch_size=BATCH, shuffle=True, num_workers=0)
        return lambda: [pt.torch.as_tensor(total) for total in sums([(a.numpy(), b.numpy()) for a, b in loader])]


class Mapped(Pipeline):
    """A small function of each row."""

    name, title = "data_map", "rows of arrays: a map of three ops, batch, per example"

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        rows = tf.data.Dataset.from_tensor_slices((x, y))
        changed = rows.map(lambda a, b: ((a - 0.5) * 2.0, tf.cast(b, tf.float32)))
        return changed.batch(BATCH, drop_remainder=True)

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        return lambda: sums([((x - 0.5) * 2, y)])


class Raw(InFiles):
    """Records of fixed length, a label and the bytes of a picture, as CIFAR's."""

    name, title = "data_raw", "records of fixed length: decode_raw, slices, casts, batch, per example"
    pixels = 768

    def draw(self, rng: np.random.Generator) -> Arrays:
        rows = rng.integers(0, 256, (self.examples, 1 + self.pixels)).astype(np.uint8)
        return {"x": rows[:, 1:], "y": rows[:, 0]}

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        path = self.file(np.concatenate([y[:, None], x], axis=1).tobytes())

        def decoded(record: Any) -> Any:
            values = tf.decode_raw(record, tf.uint8)
            return tf.cast(values[1:], tf.float32) / 255.0, tf.cast(values[0], tf.int32)

        read = tf.data.FixedLengthRecordDataset(path, 1 + self.pixels)
        return read.map(decoded).batch(BATCH, drop_remainder=True)

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        return lambda: sums([(x / 255.0, y)])


class Csv(InFiles):
    """Lines of eight numbers, decoded one by one."""

    name, title = "data_csv", "lines: decode_csv of eight columns, batch, per example"

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        lines = [",".join([*(repr(float(v)) for v in row[:7]), str(n)]) for row, n in zip(x, y, strict=True)]
        path = self.file("\n".join(lines).encode() + b"\n")

        def decoded(line: Any) -> Any:
            *numbers, label = tf.io.decode_csv(line, [[0.0]] * 7 + [tf.constant([0], tf.int64)])
            return tf.stack(numbers), label

        return tf.data.TextLineDataset(path).map(decoded).batch(BATCH, drop_remainder=True)

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        return lambda: sums([(x[:, :7], y)])


class Lines(InFiles):
    """Lines of text in batches; their number is what they are summed to."""

    name, title = "data_lines", "lines of text: shuffle, batch, per example"

    def dataset(self, tf: Any, x: np.ndarray, y: np.ndarray) -> Any:
        path = self.file(b"".join(b"line %d, and some more words\n" % n for n in y))
        return tf.data.TextLineDataset(path).shuffle(256, seed=1).batch(BATCH, drop_remainder=True)

    def summed(self, batches: list[Any]) -> list[np.ndarray]:
        return [np.sum([sum(map(len, lines)) for lines in batches])]

    def numpy(self, x: np.ndarray, y: np.ndarray) -> Any:
        return lambda: [np.sum([len(f"line {n}, and some more words") for n in y])]


class Read(Records):
    """The first release's way: a reader, fed by a queue of files, and a parser, one example a run."""

    name, title = "data_reader", "a reader, a queue of files, parse_single_example, per example"

    def graph(self, tf: Any, **given: Any) -> list[Any]:
        self.records(tf, **self.drawn)
        files = tf.FIFOQueue(2, [tf.string], [[]])
        _, record = tf.TFRecordReader().read(files)
        found = tf.io.parse_single_example(record, self.features(tf))
        return [files.enqueue(self.path), found["x"], found["y"]]

    def drive(self, run: Callable[..., Any], results: list[Any], feeds: dict[Any, Any]) -> list[Any]:
        put, *example = results
        run(put)
        return sums([run(example) for _ in range(self.examples)])


WORKLOADS: list[Workload] = [
    Records(), ParsedBatches(), Slices(), Mapped(), Raw(), Csv(), Lines(), Read()
]  # fmt: skip
