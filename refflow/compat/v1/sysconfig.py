"""tf.sysconfig: where a C++ extension would find this library's headers. It has none, and its parts are Python.

Next: compat/v1/resource_loader.py.
"""

from __future__ import annotations

import os
from typing import Any

import refflow

CXX11_ABI_FLAG, CXX_VERSION, MONOLITHIC_BUILD = 1, 201703, 0


def get_lib() -> str:
    """The folder of this package."""
    return os.path.dirname(os.path.abspath(refflow.__file__))


def get_include() -> str:
    """Where headers would be: a folder inside get_lib()."""
    return os.path.join(get_lib(), "include")


def get_compile_flags() -> list[str]:
    """The flags that would find those headers."""
    return [f"-I{get_include()}", f"-D_GLIBCXX_USE_CXX11_ABI={CXX11_ABI_FLAG}", f"--std=c++{CXX_VERSION // 100 % 100}"]


def get_link_flags() -> list[str]:
    """The flags that would find its libraries: the folder alone."""
    return [f"-L{get_lib()}"]


def get_build_info() -> dict[str, Any]:
    """What it was built with: no CUDA, no ROCm."""
    return {"is_cuda_build": False, "is_rocm_build": False, "is_tensorrt_build": False}
