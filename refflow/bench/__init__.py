"""How fast: `refflow bench` beside the leanest NumPy, `refflow bench cpu` beside whole other systems [S05].

    lean.py         three quick figures, in a few seconds
    workloads/      what is timed: each workload once as a graph, once for each peer
    workload.py     what a workload has to say
    sides.py        a workload as refflow, TensorFlow, PyTorch, JAX and NumPy run it
    measure.py      equal answers first, then turns
    startup.py      imports, and a process's first trained step
    table.py        ratios, geometric means and bars, in words; svg.py draws them
    machine.py      what measured
    cpu.py          the command

Next: refflow/bench/workload.py.
"""
