#!/bin/sh
# Makes kernel/lab/jupyterlab anew from JupyterLab's wheel on PyPI. Needs pip (for the download and to unpack) and cargo.
# The same wheel gives the same files, byte for byte.
set -eu
version=4.6.6
sha256=4261910ccf1ecad6e0b3ca0debe96d4fde9735bfc9707509c125aab850e06b81
here=$(cd "$(dirname "$0")" && pwd)
cache=${MINERVA_PACK_CACHE:-"$here/../../target/pack-lab"}
mkdir -p "$cache"

# pip refuses a file with another hash.
echo "jupyterlab==$version --hash=sha256:$sha256" > "$cache/requirements.txt"
python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
    --requirement "$cache/requirements.txt" --dest "$cache"
rm -rf "$cache/wheel"
python3 -m zipfile -e "$cache/jupyterlab-$version-py3-none-any.whl" "$cache/wheel"

# The whole workspace, so that nothing that is built already is built again with other features.
root=$(cd "$here/../.." && pwd)
(cd "$root" && cargo build --quiet --release --locked --workspace --examples)
target=$(cd "$root" && cargo metadata --format-version 1 --locked --no-deps | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
"$target/release/examples/pack_lab" \
    "$cache/wheel/jupyterlab-$version.data/data/share/jupyter/lab" "$here/jupyterlab"
cp "$cache/wheel/jupyterlab-$version.dist-info/licenses/LICENSE" "$here/LICENSES/jupyterlab.txt"
