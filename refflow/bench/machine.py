"""What measured: the processor, the memory, the versions, and what each library says of its threads.

Next: refflow/bench/cpu.py.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "tensorflow", "torch", "jax", "jaxlib")
WIDE = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")  # what matters for speed


def describe() -> dict[str, Any]:
    """The machine and the programs, for the record."""
    facts = _processor()
    return {
        "processor": facts.get("model name", platform.processor() or platform.machine()),
        "instructions": [name for name in WIDE if name in facts.get("flags", facts.get("Features", "")).split()],
        "caches": _caches(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": [round(x, 1) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "blas": _blas(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "TensorFlow's default"),
    }


def text(found: dict[str, Any]) -> str:
    """In one line or two."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['processor']}, {found['cores']} cores, {', '.join(found['instructions'])}, {found['memory_gib']} GiB, "
        f"{found['system']}, load {found['load']}\nPython {found['python']}, {versions}, BLAS {found['blas']}, "
        f"TF_ENABLE_ONEDNN_OPTS {found['onednn']}"
    )


def _processor() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _caches() -> list[str]:
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return found


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _version(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _blas() -> str:
    """NumPy's BLAS, and for which processor its kernels were made, which may be an older one than it runs on."""
    import numpy as np

    from refflow.runtime.cores import blas_kernels

    found: Any = np.show_config(mode="dicts")
    blas = found["Build Dependencies"]["blas"]
    asked = os.environ.get("OPENBLAS_CORETYPE")
    why = " as OPENBLAS_CORETYPE asks" if asked else ""
    return f"{blas['name']} {blas['version']} for {' and '.join(blas_kernels()) or 'what it found'}{why}"
