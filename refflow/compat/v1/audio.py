"""tf.audio: sound files of 16-bit samples, as numbers from -1 to 1.

Next: ops/audio.py.
"""

from refflow.compat.v1.spelled import from_op

__all__ = ["decode_wav", "encode_wav"]

decode_wav, encode_wav = from_op("decode_wav", "DecodeWav"), from_op("encode_wav", "EncodeWav")
