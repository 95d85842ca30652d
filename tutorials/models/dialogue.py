# %% [markdown]
# # A dialogue: what was said is read, what is answered is written
#
# Time: 10 s on the reference CPU.
# With --quick it takes 4 s and learns less.
#
# The deck prints how a model of two networks answers at a help desk ("User> hello , i have a problem with my machine");
# that is not reproduced here [S77]. The idea is: everything said so far is the sentence that is read, and the next
# answer the one that is written. So names and things from long ago are still there to be looked at.

# %%
import itertools
import sys

import numpy as np

from refflow.models.translator import Translator

QUICK = "--quick" in sys.argv
STEPS, LOSS, EXACT = (150, 1.0, 0.0) if QUICK else (600, 0.05, 0.95)  # in dialogues that were not trained on

# %% [markdown]
# ## Dialogues from a template
# Who calls, which thing, what is wrong with it: 6 times 6 times 4 dialogues. The model is trained on three of four; in
# the rest the three meet as they never did.

# %%
PEOPLE = ["anna", "ben", "carla", "dan", "eva", "frank"]
THINGS = ["printer", "screen", "radio", "clock", "lamp", "phone"]
REMEDIES = {"is slow": "clean", "is hot": "cool", "does not start": "charge", "is loud": "oil"}


def dialogue(person, thing, fault):
    """What the user says, and what the desk answers, in turns."""
    return [
        (f"hello i am {person}", f"hi {person} what is wrong ?"),
        (f"my {thing} {fault}", f"please {REMEDIES[fault]} the {thing}"),
        ("it did not help", f"then we send you a new {thing} {person}"),
    ]


def pairs(turns):
    """For each answer: all that was said before it, and the answer."""
    said = []
    for user, desk in turns:
        said.append(f"user: {user}")
        yield " ".join(said), desk
        said.append(f"desk: {desk}")


every = [dialogue(*who_what) for who_what in itertools.product(PEOPLE, THINGS, REMEDIES)]
order = np.random.default_rng(4).permutation(len(every))
train = [pair for i in order[36:] for pair in pairs(every[i])]
test = [pair for i in order[:36] for pair in list(pairs(every[i]))[1:]]  # how they begin is known

# %%
desk = Translator(train, units=48, longest=12)
desk.train(train, STEPS, say=print)
answers = desk.translate([said for said, _ in test])
exact = np.mean([a == wanted for a, (_, wanted) in zip(answers, test, strict=True)])
loss = desk.mean_loss(test)
print(f"Loss {loss:.4f}; {exact:.1%} of {len(test)} answers in new dialogues are right in every word\n")

# %% [markdown]
# In use, the model reads its own answers as well.

# %%
said = []
for user, _ in every[order[0]]:
    said.append(f"user: {user}")
    said.append(f"desk: {desk.translate([' '.join(said)])[0]}")
print("\n".join(said))
assert loss < LOSS
assert exact > EXACT
