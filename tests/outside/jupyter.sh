#!/bin/sh
# What others say of this kernel: jupyter_kernel_test and nbclient, run against the installed kernel.
#
# For developers; no part of the product needs Python. The virtual environment is made once, in the cache.
#   tests/outside/jupyter.sh [path of minerva]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
minerva=${1:-$here/../../target/release/minerva}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/minerva/outside
python=$cache/venv/bin/python

if ! "$python" -c 'import jupyter_kernel_test, nbclient' 2>/dev/null; then
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
# Installed where this run alone looks: JUPYTER_DATA_DIR is what a user's install follows.
export JUPYTER_DATA_DIR="$data" JUPYTER_PLATFORM_DIRS=0
"$minerva" install
"$python" -m unittest discover --start-directory "$here" --pattern 'test_*.py' --verbose
