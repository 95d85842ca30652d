"""Several processes as one machine: a master, workers with devices, and a network between them [W13, W26, W27, E17].

Next: runtime/cluster/messages.py.
"""
