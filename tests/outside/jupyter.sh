#!/bin/sh
# What others say of this kernel: jupyter_kernel_test, nbclient, jupyter console, Jupyter Server and clients of libzmq, and of
# `minerva lab`: jupyter_kernel_client and the requests of VS Code. Run against the installed kernel; a warning in a log is
# a failure.
#
# For developers; no part of the product needs Python. The virtual environment is made once, in the cache.
#   tests/outside/jupyter.sh [path of minerva]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
minerva=$(realpath "${1:-$here/../../target/release/minerva}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/minerva/outside
python=${PYTHON:-$cache/venv/bin/python}

if ! "$python" -c 'import jupyter_console, jupyter_kernel_client, jupyter_kernel_test, jupyter_server, nbclient, pexpect' 2>/dev/null; then
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
# Installed where this run alone looks: JUPYTER_DATA_DIR is what a user's install follows. The history is this run's own.
export JUPYTER_DATA_DIR="$data" JUPYTER_PLATFORM_DIRS=0 XDG_DATA_HOME="$data" MINERVA="$minerva"
"$minerva" install
"$python" -m unittest discover --start-directory "$here" --pattern "${TESTS:-test_*.py}" --verbose
