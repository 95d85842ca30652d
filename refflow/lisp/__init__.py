"""A second front end: graphs written as s-expressions, which a session gets as a GraphDef like anybody's [S06].

    front_end.py    reads a program, makes NodeDefs of it, asks a session to run them
    library.lisp    the functions of the language, and the gradient rules
    deck.lisp       the deck's program in it
"""

from refflow.lisp.front_end import FrontEnd, LispError
