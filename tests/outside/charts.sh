#!/bin/sh
# Whether charts are valid Vega-Lite: their specifications against the JSON schema of the version that JupyterLab 4.6 shows.
#
# For developers; needs npm (for the schema) and the virtual environment of jupyter.sh.
#   tests/outside/charts.sh [path of minerva]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
minerva=${1:-$here/../../target/release/minerva}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/minerva/outside
python=$cache/venv/bin/python
schema=$cache/vega-lite-schema.json

if [ ! -f "$schema" ]; then
    work=$(mktemp -d)
    (cd "$work" && npm pack --silent vega-lite@5.6.1 >/dev/null && tar xzf vega-lite-5.6.1.tgz)
    mkdir -p "$cache"
    mv "$work/package/build/vega-lite-schema.json" "$schema"
    rm -rf "$work"
fi
if ! "$python" -c 'import jsonschema' 2>/dev/null; then
    [ -x "$python" ] || python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check jsonschema==4.26.0
fi

specs=$(mktemp -d)
trap 'rm -rf "$specs"' EXIT
"$minerva" run "$here/charts.rhai" "$specs"
"$python" - "$schema" "$specs" <<'PYTHON'
import json, pathlib, sys
from jsonschema import Draft7Validator
validator = Draft7Validator(json.loads(pathlib.Path(sys.argv[1]).read_text()))
failed = 0
for path in sorted(pathlib.Path(sys.argv[2]).glob("*.json")):
    errors = list(validator.iter_errors(json.loads(path.read_text())))
    failed += bool(errors)
    print(f"{path.stem}: {'valid' if not errors else ''}")
    for error in errors:
        # The schema is a union of unions: the deepest complaint is the one that helps.
        while error.context:
            error = max(error.context, key=lambda e: len(e.absolute_path))
        print("   ", "/".join(map(str, error.absolute_path)), error.message[:300])
sys.exit(failed > 0)
PYTHON
