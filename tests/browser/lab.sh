#!/bin/sh
# `minerva lab` in a headless Chromium: everything a person does in JupyterLab, with no other program behind it.
#
#   tests/browser/lab.sh [path of minerva] [folder for screenshots] [name of a step …]
#
# The server runs with nothing on its PATH, under strace: a program that it starts and that is not minerva fails the run. So
# do a request to anywhere else, an error on the browser's console and an error in the page.
#
# For developers; needs node, npm, strace and Chromium, of which the last two are installed where apt-get can. The driver,
# playwright-core, comes from npm into the cache. It drives the Chromium that is there and brings none.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
minerva=$(realpath "${1:-$root/target/release/minerva}")
pictures=${2:-${TMPDIR:-/tmp}/minerva-lab-pictures}
[ $# -lt 2 ] || shift
[ $# -eq 0 ] || shift
cache=${XDG_CACHE_HOME:-$HOME/.cache}/minerva/browser
driver=1.65.1

browser() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" && return
    done
}
lacking=
[ -n "${CHROMIUM:-$(browser)}" ] || lacking=chromium
command -v strace >/dev/null || lacking="$lacking strace"
if [ -n "$lacking" ]; then
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    # shellcheck disable=SC2086 # names, one by one
    $as_root apt-get install --yes --no-install-recommends $lacking >&2 ||
        { echo "this needs $lacking; install it and run this again (CHROMIUM names a browser elsewhere)" >&2; exit 1; }
fi
if ! grep -q "\"version\": \"$driver\"" "$cache/node_modules/playwright-core/package.json" 2>/dev/null; then
    mkdir -p "$cache"
    npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$cache" "playwright-core@$driver" >&2
fi

mkdir -p "$pictures"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
MINERVA="$minerva" CHROMIUM="${CHROMIUM:-$(browser)}" STRACE=$(command -v strace) \
    PLAYWRIGHT="$cache/node_modules/playwright-core" NOTEBOOKS="$root/notebooks" WORK="$work" PICTURES="$pictures" node "$here/lab.mjs" "$@"
