"""The hot kernels of refflow, in vectorised NumPy (`cpu`) and in Triton (`gpu`). Importing this loads neither."""
