"""How a graph runs: the stages from names and feeds to values, and two executables that end them."""
