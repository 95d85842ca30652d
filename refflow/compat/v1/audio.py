"""tf.audio: sound files of 16-bit samples, as numbers from -1 to 1.

Next: ops/audio.py.
"""

from refflow.compat.v1.derived import derived

__all__ = ["decode_wav", "encode_wav"]

decode_wav, encode_wav = derived("DecodeWav"), derived("EncodeWav")
