"""Record files and their sums: whatever the lengths, and wherever the damage is."""

import numpy as np
import pytest

from refflow.core.errors import DataLossError
from refflow.files.crc32c import crc32c, crc32c_of_each
from refflow.files.records import FOOTER, HEADER, framed, records

_POLYNOMIAL = 0x82F63B78


def bit_by_bit(data):
    """The definition: a division of polynomials, one bit after the other."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [0, 1, 3, 4, 39, 40, 511, 512, 513, 516, 551, 552, 1024, 1900, 512 * 130 + 7])
def test_a_sum_is_that_of_the_definition(rng, length):  # [W44]
    data = rng.bytes(length)
    assert crc32c(data) == crc32c(memoryview(data)) == bit_by_bit(data)


@pytest.mark.parametrize("longest", [3, 8, 60, 512, 700, 9000])
def test_many_sums_at_once_are_those_of_each(rng, longest):  # [W44]
    lengths = [*rng.integers(0, longest + 1, 30).tolist(), 0, 1, 2, 3, 4, longest]
    ends = np.cumsum(np.add(lengths, 5))
    spans = [(int(end) - length, int(end)) for end, length in zip(ends, lengths, strict=True)]
    data = rng.bytes(int(ends[-1]))
    assert crc32c_of_each(data, spans).tolist() == [crc32c(data[start:end]) for start, end in spans]


def taken(data):
    """The records that come before the damage, and its message."""
    found = []
    try:
        for _, record in records(data):
            found.append(record)
    except DataLossError as error:
        return found, error.message
    return found, ""


@pytest.mark.parametrize("which", [0, 1, 4, 5, 60, 399])  # of those summed alone, and within and at the ends of many
def test_damage_is_told_after_all_records_before_it(rng, which):  # [W44]
    written = [rng.bytes(int(n)) for n in rng.integers(0, 50, 400)]
    data = b"".join(map(framed, written))
    at = sum(HEADER + len(record) + FOOTER for record in written[:which])
    end = at + HEADER + len(written[which])
    hint = " (Is this even a TFRecord file?)" if at == 0 else ""
    assert taken(data) == (written, "")
    for place, said in ((at, f"corrupted record at {at}{hint}"), (at + 9, f"corrupted record at {at}{hint}"),
                        (end, f"corrupted record at {at + HEADER}")):  # fmt: skip
        broken = bytearray(data)
        broken[place] ^= 1
        assert taken(bytes(broken)) == (written[:which], said)
    cut = f"truncated record at {at}' failed with Read less bytes than requested"
    assert taken(data[: end + 1]) == (written[:which], cut)
    assert taken(data[: at + 3]) == (written[:which], "")  # less than a header is no record
