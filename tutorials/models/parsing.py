# %% [markdown]
# # Parsing without a parser
#
# Time: 18 s on the reference CPU.
# With --quick it takes 3 s and learns less.
#
# The tree of a sentence can be written in one line, with brackets:
#
#     the saw sees a light saw near the park
#     (S (NP D N ) (VP V (NP D A N (PP P (NP D N ) ) ) ) )
#
# So to parse is to translate into the language of brackets, and the model of `translation.py` may do it, the same text
# with other sentences. Nothing in it knows that brackets close, or that words are nouns and verbs [S78]. The deck
# reports the best result on section 23 of the Wall Street Journal for a model of this kind ("Grammar as a foreign
# language", 2014); that is not reproduced here.

# %%
import random
import sys

import numpy as np

from refflow.models.translator import Translator

QUICK = "--quick" in sys.argv
STEPS, LOSS, EXACT = (60, 0.5, 0.0) if QUICK else (800, 0.02, 0.95)  # on sentences that were not trained on

# %% [markdown]
# ## A grammar
# A symbol becomes one of the lists behind it. "light" is a noun or an adjective and "saw" a noun or a verb: only their
# neighbours tell. What is "near" something belongs to the noun before it; what is done "with" something belongs to the
# verb, however far back that is. (NP- is an NP without a relative clause, so that the verb is never in doubt.)

# %%
RULES = {
    "S": [["NP", "VP"]],
    "NP": [["D", "N"], ["D", "A", "N"], ["D", "N", "PP"], ["D", "N", "R"]],
    "NP-": [["D", "N"], ["D", "A", "N"], ["D", "N", "PP-"]],
    "PP": [["P", "NP"]],
    "PP-": [["P", "NP-"]],
    "R": [["W", "VP"]],
    "VP": [["I"], ["V", "NP"], ["V", "NP"], ["V", "NP-", "M"]],
    "M": [["with", "NP-"]],
}
WORDS = {
    "D": ["the", "a", "this"],
    "N": ["saw", "light", "park", "cat", "girl", "train"],
    "A": ["light", "small", "green"],
    "P": ["near", "behind"],
    "W": ["that"],
    "I": ["sleeps", "sings"],
    "V": ["saw", "sees", "paints"],
    "with": ["with"],
}


def grow(symbol, draw):
    """(words, the tree as a line) of a symbol, as two lists."""
    if symbol in WORDS:
        return [draw.choice(WORDS[symbol])], [symbol]
    words, line = [], []
    for part in draw.choice(RULES[symbol]):
        more, inside = grow(part, draw)
        words, line = words + more, line + inside
    return words, ["(" + symbol.strip("-"), *line, ")"]


def sentence(draw):
    """A sentence of at most 12 words, and its tree."""
    while True:
        words, line = grow("S", draw)
        if len(words) <= 12:
            return " ".join(words), " ".join(line)


draw = random.Random(7)
pairs = [sentence(draw) for _ in range(10_000)]
test = sorted({sentence(draw) for _ in range(1000)} - set(pairs))
lengths = [len(words.split()) for words, _ in test]
print(f"{len(set(pairs))} sentences to learn from, {len(test)} to be tested on, of {np.mean(lengths):.1f} words each")
assert len(test) > 400

# %% [markdown]
# ## The model
# Nothing is said to it but the pairs.

# %%
model = Translator(pairs, units=64, longest=50)
model.train(pairs, STEPS, say=print)
words, trees = [w for w, _ in test], [t for _, t in test]
written = model.translate(words)
exact = np.mean([w == t for w, t in zip(written, trees, strict=True)])
closed = np.mean([w.count("(") == w.split().count(")") for w in written])
print(f"loss {model.mean_loss(test):.4f}; {exact:.1%} of the trees are right, {closed:.1%} close all their brackets")
assert model.mean_loss(test) < LOSS
assert exact > EXACT

# %% [markdown]
# One that needs a long look back, and one whose words are not what they seem:

# %%
for known in ("the girl sees a cat near the park with a light", "a light saw saw this light near the train"):
    print(f"{known}\n  {model.translate([known])[0]}")
if not QUICK:
    assert model.translate([known]) == ["(S (NP D A N ) (VP V (NP D N (PP P (NP D N ) ) ) ) )"]
