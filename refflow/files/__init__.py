"""File formats that TensorFlow reads and writes, byte for byte: sums, records, tables, checkpoints."""
