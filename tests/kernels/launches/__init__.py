"""What is compiled ahead of time, by family: `launches()` gives (label, a function that launches)."""

from tests.kernels.launches import (
    convolutions,
    copies,
    elementwise,
    joined,
    matrices,
    moves,
    named,
    norms,
    pools,
    products,
    random,
    reductions,
    rows,
    scans,
    steps,
    updates,
)

FAMILIES = {
    "products": products,
    "named": named,
    "convolutions": convolutions,
    "joined": joined,
    "pools": pools,
    "norms": norms,
    "rows": rows,
    "reductions": reductions,
    "scans": scans,
    "updates": updates,
    "steps": steps,
    "copies": copies,
    "moves": moves,
    "matrices": matrices,
    "random": random,
    "elementwise": elementwise,
}
