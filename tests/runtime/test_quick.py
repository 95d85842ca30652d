"""A run that was seen before takes the short way only where it comes to the same."""

import numpy as np
import pytest

import refflow as tf


@pytest.fixture
def fed():
    x, rate = tf.placeholder(tf.float32, [None, 2], name="x"), tf.placeholder(tf.float32, [], name="rate")
    y = x * rate
    with tf.Session() as session:
        yield session, x, rate, y


def test_a_second_run_with_feeds_makes_no_signature(fed, monkeypatch):  # [W09]
    session, x, rate, y = fed
    feeds = {x: np.ones((3, 2), np.float32), rate: 2.0}
    first = session.run([y], feeds)
    monkeypatch.setattr(session, "_signature", None)
    again = session.run([y], {x: np.full((3, 2), 3, np.float32), rate: 4})
    assert first[0].tolist() == [[2, 2]] * 3 and again[0].tolist() == [[12, 12]] * 3
    assert session.counters == session.counters | {"runs": 2, "steps_built": 1}


def test_other_types_shapes_and_structures_are_looked_at(fed):  # [W10]
    session, x, rate, y = fed
    ones = np.ones((3, 2), np.float32)
    session.run([y], {x: ones, rate: 2.0})
    assert session.run([y], {x: ones.astype(np.float64), rate: 2})[0].dtype == np.float32
    assert session.run([y], {x: [[1, 2]], rate: np.float32(2)})[0].tolist() == [[2, 4]]
    assert type(session.run((y,), {x: ones, rate: 2.0})) is tuple
    assert session.run({"y": y}, {"x:0": ones, "rate:0": 3.0})["y"].tolist() == [[3, 3]] * 3
    assert session.run(y, {rate: 3.0, x: ones}).tolist() == [[3, 3]] * 3


def test_what_cannot_be_fed_is_refused_on_the_short_way_too(fed):
    session, x, rate, y = fed
    ones = np.ones((3, 2), np.float32)
    session.run(y, {x: ones, rate: 2.0})
    with pytest.raises(TypeError, match="cannot feed"):
        session.run(y, {x: ones, rate: "two"})
    with pytest.raises(ValueError, match="has shape"):
        session.run(y, {x: np.ones((3, 4), np.float32), rate: 2.0})
    with pytest.raises(ValueError, match="has shape"):
        session.run(y, {x: ones, rate: [1.0, 2.0]})


def test_a_scalar_that_is_fed_does_not_follow_its_array_afterwards(fed):  # [S65]
    session, _, rate, _ = fed
    number = np.array(2.0, np.float32)
    kept = [session.run(tf.identity(rate), {rate: number}) for _ in range(2)]
    number[...] = 5
    assert kept == [2.0, 2.0]


def test_a_closed_session_knows_no_short_way(fed):
    session, x, rate, y = fed
    feeds = {x: np.ones((3, 2), np.float32), rate: 2.0}
    session.run(y, feeds)
    session.close()
    with pytest.raises(RuntimeError, match="closed Session"):
        session.run(y, feeds)
