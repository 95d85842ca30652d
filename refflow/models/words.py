"""Words as numbers, and sentences of several lengths as one array.

    end      0          ends every sentence, and fills what follows
    begin    1          what a decoder is given before the first word; no sentence holds it
    words    2, 3, ...  in the order of the alphabet

Next: models/translator.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

END, BEGIN = 0, 1


class Vocabulary:
    """The words of some sentences; a sentence is words with spaces between them.

    >>> v = Vocabulary(["a dog runs", "a cat"])
    >>> v.numbers("a cat"), v.sentence([4, 5, 0, 2])
    ([2, 3, 0], 'dog runs')
    """

    def __init__(self, sentences: Iterable[str]):
        self.words = ["<end>", "<begin>", *sorted({word for sentence in sentences for word in sentence.split()})]
        self._numbers = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, sentence: str) -> list[int]:
        """The number of each word, and END. KeyError for a word that is not among them."""
        missing = [word for word in sentence.split() if word not in self._numbers]
        if missing:
            raise KeyError(f"{missing[0]!r} in {sentence!r} is none of the {len(self) - 2} words of this vocabulary")
        return [*(self._numbers[word] for word in sentence.split()), END]

    def sentence(self, numbers: Iterable[int]) -> str:
        """The words up to the first END."""
        words = []
        for number in numbers:
            if number == END:
                break
            words.append(self.words[number])
        return " ".join(words)


def padded(rows: Sequence[Sequence[int]], least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(int32 [rows, longest], int32 [rows]): the rows filled up with END, and how long each one is.

    least: the array's length where all rows are shorter. A session plans a step for each shape that it is fed, so
    batches of one shape take less time. ValueError where there is no row.

    >>> padded([[3, 0], [4, 5, 0]])[0].tolist()
    [[3, 0, 0], [4, 5, 0]]
    """
    if not rows:
        raise ValueError("padded: a batch has one row at least, got none")
    lengths = np.array([len(row) for row in rows], np.int32)
    array = np.full((len(rows), max(least, lengths.max())), END, np.int32)
    for filled, row in zip(array, rows, strict=True):
        filled[: len(row)] = row
    return array, lengths
