"""Tags of the graphs in a saved model: what each is for.

Next: compat/v1/saved_model/signature_constants.py.
"""

SERVING, TRAINING, GPU, TPU = "serve", "train", "gpu", "tpu"
