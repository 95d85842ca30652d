"""tf.math.special: functions that have names of their own.

Next: compat/v1/matrices.py.
"""

from refflow.compat.v1.derived import derived

__all__ = [
    "bessel_i0", "bessel_i0e", "bessel_i1", "bessel_i1e", "bessel_j0", "bessel_j1", "bessel_k0", "bessel_k0e",
    "bessel_k1", "bessel_k1e", "bessel_y0", "bessel_y1", "dawsn", "expint", "fresnel_cos", "fresnel_sin", "spence",
]  # fmt: skip

bessel_i0, bessel_i0e, bessel_i1, bessel_i1e = (derived(f"Bessel{n}") for n in ("I0", "I0e", "I1", "I1e"))
bessel_j0, bessel_j1, bessel_y0, bessel_y1 = (derived(f"Bessel{n}") for n in ("J0", "J1", "Y0", "Y1"))
bessel_k0, bessel_k0e, bessel_k1, bessel_k1e = (derived(f"Bessel{n}") for n in ("K0", "K0e", "K1", "K1e"))
dawsn, expint, spence = derived("Dawsn"), derived("Expint"), derived("Spence")
fresnel_cos, fresnel_sin = derived("FresnelCos"), derived("FresnelSin")
