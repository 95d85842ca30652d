# %% [markdown]
# # Five kinds of data
#
# Text, images, sound, what users did, and what is known about the world: each lies in a file of its own form, and each
# has a pipeline of the same parts [S56].
#
#     names of files -> queue -> reader -> decode -> batch
#
# All of it is nodes of the graph; threads of the session keep the queues full. The files here are made up.

# %%
import tempfile
import wave
from pathlib import Path

import numpy as np

import refflow as tf
from refflow.ops.example_proto import Feature, write_example

place = tempfile.TemporaryDirectory()  # gone when the program ends
folder = Path(place.name)
rng = np.random.default_rng(1)


def records(reader, *names):
    """The name and the content of each record of some files, which are read once."""
    files = tf.train.string_input_producer([str(folder / name) for name in names], num_epochs=1, shuffle=False)
    return reader.read(files)


def batches(build):
    """What the pipeline that `build` makes gives, batch by batch, until its files are at their end."""
    with tf.Graph().as_default(), tf.Session() as session:
        batch = build()
        session.run(tf.initialize_all_variables())
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(session, coordinator)
        found = []
        try:
            while True:
                found.append(session.run(batch))
        except tf.errors.OutOfRangeError:
            coordinator.request_stop()
        coordinator.join(threads)
    return found


# %% [markdown]
# ## Text
# A line is a string, and its letters are bytes. They follow one another through the queue, line after line, so that a
# batch is a piece of text of any length one likes; what is left over at the end is none.

# %%
LINES = ["graphs hold no values", "a session runs them", "gradients are nodes"]
(folder / "text.txt").write_text("\n".join(LINES) + "\n")


def text():
    _, line = records(tf.TextLineReader(), "text.txt")
    return tf.train.batch([tf.decode_raw(line, tf.uint8)], 10, enqueue_many=True)


pieces = [bytes(piece).decode() for piece in batches(text)]
assert pieces[0] == "graphs hol" and len(pieces) == 5
assert "".join(pieces) == "".join(LINES)[:50]

# %% [markdown]
# ## Images
# A file is a record. Its pixels come as bytes, and leave as numbers about zero, all of one size.

# %%
PICTURES = rng.integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
with tf.Graph().as_default(), tf.Session() as session:
    for i, picture in enumerate(PICTURES):
        (folder / f"{i}.png").write_bytes(session.run(tf.image.encode_png(picture)))


def images():
    _, content = records(tf.WholeFileReader(), *(f"{i}.png" for i in range(4)))
    pixels = tf.image.decode_png(content, channels=3)
    pixels.set_shape([8, 6, 3])
    return tf.train.batch([tf.cast(pixels, tf.float32) / 127.5 - 1.0], 2)


first, second = batches(images)
np.testing.assert_allclose(np.concatenate([first, second]), PICTURES / 127.5 - 1, atol=1e-6)

# %% [markdown]
# ## Sound
# A WAV file of one channel is 44 bytes of header and then numbers of 16 bits: records of fixed length are its frames,
# here of 100 samples.

# %%
TONE = (3e4 * np.sin(2 * np.pi * 440 * np.arange(800) / 8000)).astype("<i2")
with wave.open(str(folder / "tone.wav"), "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
    file.writeframes(TONE.tobytes())


def sound():
    _, frame = records(tf.FixedLengthRecordReader(200, header_bytes=44), "tone.wav")
    samples = tf.cast(tf.decode_raw(frame, tf.int16), tf.float32) / 32768.0
    samples.set_shape([100])
    return tf.train.batch([samples], 8)


(frames,) = batches(sound)
np.testing.assert_array_equal(frames.reshape(-1), TONE / np.float32(32768))
loudest = np.abs(np.fft.rfft(frames.reshape(-1))).argmax() * 8000 / 800
assert loudest == 440

# %% [markdown]
# ## What users did
# A record of the log says who, which things, and for how long: an Example, with as many things as there were. What is
# of no fixed length becomes a sparse tensor; sums by user are one more node.

# %%
VISITS = [(0, [3, 1], 2.5), (1, [2], 1.0), (0, [0, 1, 2], 4.0), (2, [], 0.5)]
with tf.python_io.TFRecordWriter(str(folder / "visits")) as writer:
    for user, things, minutes in VISITS:
        numbers = {"user": Feature(tf.int64, [user]), "things": Feature(tf.int64, things)}
        writer.write(write_example(numbers | {"minutes": Feature(tf.float32, [minutes])}))


def activity():
    _, record = records(tf.TFRecordReader(), "visits")
    found = tf.parse_example(
        tf.train.batch([record], 4),
        sparse_keys=["things"], sparse_types=[tf.int64],
        dense_keys=["user", "minutes"], dense_types=[tf.int64, tf.float32], dense_shapes=[[], []],
    )  # fmt: skip
    by_user = tf.unsorted_segment_sum(found["minutes"], found["user"], 3)
    return [by_user, found["things"].indices, found["things"].values]


((by_user, places, things),) = batches(activity)
assert by_user.tolist() == [6.5, 1.0, 0.5]
assert [things[places[:, 0] == row].tolist() for row in range(4)] == [seen for _, seen, _ in VISITS]

# %% [markdown]
# ## What is known about the world
# A graph of knowledge is a table of triples: this stands in that relation to those. Columns of numbers and names come
# out of a line at once.

# %%
NAMES = ["Ada", "Byron", "London", "England"]
TRIPLES = [(0, "child of", 1), (0, "born in", 2), (1, "born in", 2), (2, "lies in", 3)]
(folder / "facts.tsv").write_text("".join(f"{s}\t{relation}\t{o}\n" for s, relation, o in TRIPLES))


def facts():
    _, line = records(tf.TextLineReader(), "facts.tsv")
    subject, relation, other = tf.decode_csv(line, [[0], [""], [0]], field_delim="\t")
    return tf.train.batch([subject, relation, other], 2)


subjects, relations, others = (np.concatenate(columns) for columns in zip(*batches(facts), strict=True))
assert list(zip(subjects.tolist(), (r.decode() for r in relations), others.tolist(), strict=True)) == TRIPLES
edges = np.zeros((4, 4), bool)
edges[subjects, others] = True
reached = np.linalg.matrix_power(np.eye(4) + edges, 4)[0] > 0  # whatever a path leads to
assert [name for name, there in zip(NAMES, reached, strict=True) if there] == NAMES
