"""What is compiled ahead of time, by family: `launches()` gives (label, a function that launches)."""

from tests.kernels.launches import (
    convolutions,
    copies,
    elementwise,
    norms,
    pools,
    products,
    random,
    reductions,
    rows,
    scans,
    updates,
)

FAMILIES = {
    "products": products,
    "convolutions": convolutions,
    "pools": pools,
    "norms": norms,
    "rows": rows,
    "reductions": reductions,
    "scans": scans,
    "updates": updates,
    "copies": copies,
    "random": random,
    "elementwise": elementwise,
}
