"""The deck's program is kept byte for byte, and the harness reads Python 2's spelling of it."""

import hashlib

from refflow import deck, ledger


def test_the_program_is_the_slides_to_the_byte():  # [S29]
    data = (ledger.spec_dir() / "deck_program.txt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "3593b9f0f84d52b7c2a5b0bb5fac80133948a6ede476c11c5a23e249a161a958"
    lines = data.decode().splitlines()
    assert lines[0] == "graph = tf.Graph()                                     # Create new computation graph"
    assert lines[8] == " " and lines[-1].endswith("% accuracy(predictions, labels)")


def test_the_two_spellings_differ_only_where_the_languages_do():  # [S11, S25, S27]
    translated = deck.to_python3(deck.program_text("deck"))
    translated = translated.replace("AsDefault", "as_default").replace("xrange", "range")
    translated = translated.replace("accuracy(predictions, labels)", "accuracy(predictions, train_labels)")
    assert [line for line in translated.splitlines() if line.strip()] == [
        line for line in deck.program_text("python3").splitlines() if line.strip()
    ]


def test_print_statements_become_calls_and_nothing_else_changes():  # [S27]
    text = "print 'a', 1\n    print 'x: %d' % f(2)\nprinted = 3\nprint('call')\n"
    assert deck.to_python3(text) == "print('a', 1)\n    print('x: %d' % f(2))\nprinted = 3\nprint('call')\n"
