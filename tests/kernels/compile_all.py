"""Compiles the Triton kernels for a card that is not there, and reads what came out.

    python -m tests.kernels.compile_all [FAMILY ...] [--target 90]          prints JSON, a row a kernel

The kernels' own host functions are called, on memory that does not exist; a stand-in for Triton's driver says which
card it is, and every launch stops after compiling. So what is compiled is what would be launched: the same tiles, the
same facts about alignment. Run in a process of its own, without TRITON_INTERPRET.
"""

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

import triton
from triton.runtime import driver

from refflow_kernels.ahead import Target, compiled
from tests.kernels.launches import FAMILIES

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


def resources(cubin):
    """Registers, bytes spilled, and counts of what matters, from NVIDIA's own tools."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _output("cuobjdump", "--dump-resource-usage", file.name)
        code = _output("nvdisasm", "-c", file.name)
    return {
        "registers": max(int(n) for n in re.findall(r"REG:(\d+)", usage)),
        "stack": max(int(n) for n in re.findall(r"STACK:(\d+)", usage)),
        "spills": len(re.findall(r"\b(?:STL|LDL)\b", code)),
        "wide_loads": len(re.findall(r"\bLDG\S*\.128\b|\bLDGSTS\S*\.128\b|\bUTMALDG", code)),
        "tensor_core": len(re.findall(r"\bHGMMA|\bHMMA|\bQGMMA", code)),
    }


def trees(text):
    """In which layouts lanes are added up, from the compiler's text: equal ones add in the same order."""
    layouts = dict(re.findall(r"^(#\w+) = (#ttg\.\w+<.*>)$", text, re.MULTILINE))
    found = re.findall(r"\}\) : \((tensor<[^)]*), (#\w+)>\) -> ", text)
    return [f"{kind} {layouts[name]}" for kind, name in found]


def _output(tool, *arguments):
    return subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, check=True).stdout


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=list(FAMILIES), metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--target", type=int, default=90, help="the card's compute capability, times ten")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth launch")
    options = parser.parse_args(arguments)
    driver.set_active(Target(options.target))
    rows = []
    for family in options.families:
        for label, launch in list(FAMILIES[family].launches())[:: options.every]:
            for name, kernel in compiled(launch):
                found = resources(kernel.asm["cubin"]) | {"shared": kernel.metadata.shared}
                found["trees"] = trees(kernel.asm["ttgir"])
                rows.append({"family": family, "case": label, "kernel": name, **found})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
