#!/usr/bin/env bash
# Installs GPAW, the free DFT engine, into a virtual environment that has dualion:
#
#     launch/install_gpaw.sh [VENV]        default: .venv of this clone, else the active one
#
# GPAW comes from PyPI as source and is compiled here, serial (no MPI), against libxc and OpenBLAS
# (half a minute); its PAW setups come from PyPI too. On Debian and Ubuntu, as root, what the build
# needs is installed by apt; anyone else is told what to install. Running it again does nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${1:-}
if [ -z "$venv" ]; then
    if [ -x "$here/.venv/bin/python" ]; then venv=$here/.venv; else venv=${VIRTUAL_ENV:-}; fi
fi
python=$venv/bin/python
if [ -z "$venv" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "error: no virtual environment with Python 3.11 or newer at '${venv:-.venv}':" \
        "name one, launch/install_gpaw.sh VENV (in a clone, 'make install' makes .venv)" >&2
    exit 1
fi

python=$(cd "$venv" && pwd)/bin/python

# It is there when a calculator can be built: the module compiled, a setup and a functional found.
works() {
    (cd / && "$python" - <<'PYTHON'
from importlib.metadata import version

from gpaw.setup_data import SetupData
from gpaw.xc import XC

XC("GGA_X_PBE_SOL+GGA_C_PBE_SOL")  # by libxc, not by the functionals GPAW has itself
SetupData("Li", "PBE")
print(f"gpaw {version('gpaw')} with gpaw-data {version('gpaw-data')}: works")
PYTHON
    )
}
if works 2>/dev/null; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
compiles() {
    printf '#include <%s>\n' Python.h xc.h >"$work/try.cpp"
    echo 'int main() { return 0; }' >>"$work/try.cpp"
    g++ -I"$include" "$work/try.cpp" -o "$work/try" -lxc -lopenblas >"$work/log" 2>&1
}
if ! compiles; then
    needed=(g++ libxc-dev libopenblas-dev)
    if [ ! -e "$include/Python.h" ]; then
        needed+=("$("$python" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')")
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing by apt what the build needs: ${needed[*]}"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -q && apt-get install -q -y --no-install-recommends "${needed[@]}"; } \
            >"$work/apt" 2>&1 || { tail -n 20 "$work/apt" >&2; exit 1; }
    fi
    if ! compiles; then
        tail -n 5 "$work/log" >&2
        echo "error: a C++ compiler, libxc and OpenBLAS with their headers are needed to build" \
            "GPAW: install them, then run this again (Debian, Ubuntu: apt install" \
            "${needed[*]})" >&2
        exit 1
    fi
fi

# Without these lines the build fails where there is no MPI, and links it where there is.
cat >"$work/siteconfig.py" <<'PYTHON'
compiler = "g++"
mpi = False
libraries = ["xc", "openblas"]
PYTHON
export GPAW_CONFIG=$work/siteconfig.py

# The versions are those of dualion's extra 'gpaw'; dualion itself stays as it is installed.
"$python" - "$here/pyproject.toml" >"$work/requirements" <<'PYTHON'
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

project = Path(sys.argv[1])
if project.exists() and 'name = "dualion"' in project.read_text(encoding="utf-8"):
    extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    print(*extras["optional-dependencies"]["gpaw"], sep="\n")
else:
    lines = [line.split(";") for line in requires("dualion") or () if ";" in line]
    print(*(name for name, mark in lines if "gpaw" in mark.split("extra")[-1]), sep="\n")
PYTHON
# No cache: a wheel kept from another build may be linked against MPI.
"$python" -m pip install -q --no-cache-dir -r "$work/requirements"
works || { echo "error: GPAW is installed in $venv but does not work (above)" >&2; exit 1; }
