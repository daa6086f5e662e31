#!/bin/sh
# Start, round trip and idle memory of this kernel beside ipykernel and xeus-python, in turns, by one client in one run.
#
#   tests/bench/latency.sh [ROUNDS]
#
# For developers: needs Python for the client and the peers. MINERVA names the program to measure (default: the one in
# target/release). Run it on a quiet machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
minerva=$(realpath "${MINERVA:-$here/../../target/release/minerva}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/minerva/latency
python=${PYTHON:-$cache/venv/bin/python}
if ! "$python" -c 'import ipykernel, jupyter_client, xpython' 2>/dev/null; then
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check \
        jupyter_client==8.10.0 ipykernel==7.4.0 xeus-python==0.19.0
fi
exec "$python" "$here/latency.py" "$minerva" "${1:-10}"
