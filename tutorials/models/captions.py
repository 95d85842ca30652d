# %% [markdown]
# # Captions: a net that sees and a net that writes
#
# Time: 50 s on the reference CPU.
# With --quick it takes 5 s and learns less.
#
# The deck joins an image model and a sequence model into one that says what is on a photograph, and prints its BLEU
# beside people's (in `refflow/models/captioner.py`; not reproduced here) [S84]. Here the pictures are drawn, one shape
# in colour or two, and there is no doubt about their captions [S50g]:
#
#     a large red disc
#     a small green cross left of a large blue square

# %%
import sys

import numpy as np

import refflow as tf
from refflow.data.scenes import scenes
from refflow.models import decoding
from refflow.models.beam_search import beam_search
from refflow.models.bleu import bleu
from refflow.models.captioner import Captioner
from refflow.models.training import clipped_adam
from refflow.models.words import BEGIN, END, Vocabulary, padded

QUICK = "--quick" in sys.argv
COUNT, STEPS, LOSS, EXACT = (3000, 150, 0.6, 0.0) if QUICK else (12_000, 2500, 0.05, 0.88)

# %% [markdown]
# A fifth of all captions is never trained on: the test asks for sentences that the model has not seen, of pictures that
# it has not seen.

# %%
pictures, captions = scenes(COUNT, seed=1)
words = Vocabulary(captions)
rows, lengths = padded([words.numbers(caption) for caption in captions])
rng = np.random.default_rng(2)
kinds = sorted(set(captions))
held_out = set(rng.permutation(kinds)[: len(kinds) // 5])
train = [i for i, caption in enumerate(captions) if caption not in held_out]
test = [i for i, caption in enumerate(captions) if caption in held_out][:500]
print(f"{len(kinds)} captions of {len(words)} words; {len(train)} pictures to learn from, {len(test)} to be tested on")


def show(picture):
    """A picture in letters: the first of each colour's name where it is bright."""
    letters = np.array(list(" rgybmcw"))[(picture > 0.5) @ [1, 2, 4]]
    return "\n".join("".join(row) for row in letters)


# %% [markdown]
# ## The graph
# Pictures go in at one end, and the surprise at each word comes out at the other.

# %%
tf.set_random_seed(1)
x = tf.placeholder(tf.float32, [None, 24, 24, 3])
y, y_lengths = tf.placeholder(tf.int32, [None, None]), tf.placeholder(tf.int32, [None])
model = Captioner(len(words), units=64)
places, start = model.see(x - 0.1)  # about the mean
decoder = model.decoder(places)
loss = decoding.loss(decoder, start, y, y_lengths, BEGIN)
update, rate = clipped_adam(loss)
written = decoding.greedy(decoder, start, BEGIN, END, most=15)
last, state = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.float32, [None, 128])
log_p, following = decoder.log_step(last, state)

session = tf.Session()
session.run(tf.initialize_all_variables())
losses = []
for i in range(1, STEPS + 1):
    chosen = rng.choice(train, 32)
    feeds = {x: pictures[chosen], y: rows[chosen], y_lengths: lengths[chosen], rate: 0.004 * (1 - i / STEPS)}
    losses.append(session.run([loss, update], feeds)[0])
    if i % (STEPS // 10) == 0:
        print(f"step {i}: loss {np.mean(losses[-STEPS // 10 :]):.4f}")

# %% [markdown]
# ## What it says
# Whoever knows how captions are made, and sees no picture, has a loss of 0.78 nats for a word.

# %%
found = [words.sentence(row) for row in session.run(written, {x: pictures[test]})]
wanted = [captions[i] for i in test]
exact = np.mean([a == b for a, b in zip(found, wanted, strict=True)])
print(f"Greedily: {exact:.1%} of the captions are right in every word, BLEU {100 * bleu(found, wanted):.1f}")
assert np.mean(losses[-20:]) < LOSS
assert exact > EXACT

# %% [markdown]
# ## A beam
# It knows several captions of one picture, the likeliest first. What was seen is fed, so that only the writing runs.
# Its best is likelier than the greedy one on average, though not always: a beam may drop what would have won later.


# %%
def say(picture, width):
    """The likeliest captions that a beam of this width finds, each with its probability's logarithm."""
    seen, first = session.run([places, start], {x: picture[None]})

    def step(symbols, before):
        known = {places: np.repeat(seen, len(symbols), 0)}
        return session.run([log_p, following], {**known, last: symbols, state: before})

    return beam_search(step, first[0], width, BEGIN, END, most=15)


right, gain = 0, []
for i in test[:50]:
    (greedy, *_), (best, *_) = say(pictures[i], 1), say(pictures[i], 3)
    right += words.sentence(best.symbols) == captions[i]
    gain.append(best.log_p - greedy.log_p)
print(f"By a beam of 3: {right} of 50 are right; its log p is {np.mean(gain):.3f} above the greedy one's on average")
assert np.mean(gain) > -1e-4
assert right >= (1 if QUICK else 41)
for i in test[:2]:
    print(f"\n{show(pictures[i])}\n{captions[i]}")
    for hypothesis in say(pictures[i], 3):
        print(f"  {np.exp(hypothesis.log_p):6.1%}  {words.sentence(hypothesis.symbols)}")
