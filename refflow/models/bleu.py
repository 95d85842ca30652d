"""BLEU: how much of a translation's words, pairs, triples and quadruples its references have as well.

    p_n   = sum over sentences of  sum_g min(count of g in the candidate, most of g in one of its references)
            / number of the candidates' n-grams            g runs over the candidate's n-grams
    c, r  = the candidates' words; for each candidate, the length of the reference nearest to it, added up
    BLEU  = min(1, exp(1 - r / c)) * (p_1 p_2 p_3 p_4) ^ (1/4)

A count is clipped, so that "the the the" gains nothing by repetition, and what is too short pays for it. It is a
number of a whole set of sentences, from 0 to 1; papers print it times 100, as the deck does: 37.3 for the neural
translation of WMT'14 and 37.0 for the best before (reported there, not reproduced here) [S76, S84].

Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine translation", 2002.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def n_grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n words occurs."""
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def clipped(candidate: Sequence[str], references: Sequence[Sequence[str]], n: int) -> tuple[int, int]:
    """(the candidate's n-grams that references have, each as often as one of them has it at most; all of its n-grams).

    >>> clipped("the the the the the the the".split(), ["the cat is on the mat".split()], 1)
    (2, 7)
    """
    grams, most = n_grams(candidate, n), Counter[tuple[str, ...]]()
    for reference in references:
        most |= n_grams(reference, n)
    return (grams & most).total(), grams.total()


def bleu(candidates: Sequence[str], references: Sequence[str | Sequence[str]], n: int = 4) -> float:
    """BLEU of sentences, each beside its reference or its several references; 0 where no run of n words is right.

    So it is 0 where no sentence has n words, too. ValueError for a single sentence, or where references are missing.

    >>> bleu(["the small dog sees a cat"], ["the small dog sees a cat"])
    1.0
    """
    if isinstance(candidates, str) or isinstance(references, str):
        raise ValueError("BLEU is of lists of sentences: write [sentence] and [reference]")
    if len(candidates) != len(references) or not all(references) or not candidates:
        counts = f"there are {len(references)} for {len(candidates)}, or one is empty"
        raise ValueError(f"BLEU needs a reference for each sentence: {counts}")
    right, all_of_them, c, r = [0] * n, [0] * n, 0, 0
    for sentence, beside in zip(candidates, references, strict=True):
        words = sentence.split()
        theirs = [reference.split() for reference in ([beside] if isinstance(beside, str) else beside)]
        c += len(words)
        r += min((len(reference) for reference in theirs), key=lambda length: (abs(length - len(words)), length))
        for k in range(n):
            found, of = clipped(words, theirs, k + 1)
            right[k] += found
            all_of_them[k] += of
    if not all(right):
        return 0.0
    mean = sum(math.log(found / of) for found, of in zip(right, all_of_them, strict=True)) / n
    return min(1.0, math.exp(1 - r / c)) * math.exp(mean)
