#!/bin/sh
# Start and memory of `minerva lab` beside `jupyter lab`, in turns, and what each takes on the disk.
#
#   tests/bench/lab.sh [ROUNDS]
#
# For developers: needs Python for the peer. MINERVA names the program to measure (default: the one in target/release).
# Run it on a quiet machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
minerva=$(realpath "${MINERVA:-$here/../../target/release/minerva}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/minerva/lab
python=${PYTHON:-$cache/venv/bin/python}
if ! "$python" -c 'import ipykernel, jupyterlab' 2>/dev/null; then
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check jupyterlab==4.6.6 jupyter_server==2.21.1 ipykernel==7.4.0
fi
exec "$python" "$here/lab.py" "$minerva" "${1:-7}"
