#!/bin/sh
# Our llama.cpp route against llama.cpp's own llama-bench: the same file, threads and instruction set, in turns.
#
#   tests/bench/llama-bench.sh [MODEL.gguf] [ROUNDS] [THREADS]
#
# Without a model: the one that `make model` fetches. Without threads: one per core.
#
# llama.cpp is built from the sources that cargo unpacked for llama-cpp-sys-2, with the flags of our own build. The crate
# leaves the tool llama-bench out: its two source files come from the sdist of llama-cpp-python on PyPI, checked by sha256.
# Needs cargo, cmake, a C++ compiler, pip. Everything is kept in $MINERVA_BENCH_CACHE (default ~/.cache/minerva/llama-bench).
# Run it on a quiet machine: with as many threads as cores, anything else that computes makes both numbers meaningless.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
model=${1:-$("$root/.ci/model")}
[ -f "$model" ] || { echo "no model: ${model:-none}" >&2; exit 1; }
rounds=${2:-5}
threads=${3:-$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)}
[ "$threads" -gt 0 ] || threads=$(nproc)
cache=${MINERVA_BENCH_CACHE:-$HOME/.cache/minerva/llama-bench}
sdist=llama_cpp_python-0.3.36
sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
mkdir -p "$cache"

# llama-bench.cpp and main.cpp
tool="$cache/$sdist/vendor/llama.cpp/tools/llama-bench"
if [ ! -f "$tool/llama-bench.cpp" ]; then
    echo "fetching $sdist from PyPI" >&2
    python3 -m pip download --quiet --no-deps --no-binary :all: -d "$cache" "llama-cpp-python==0.3.36" >&2
    echo "$sha256  $cache/$sdist.tar.gz" | sha256sum --check --quiet
    tar -xzf "$cache/$sdist.tar.gz" -C "$cache" "$sdist/vendor/llama.cpp/tools/llama-bench"
    rm "$cache/$sdist.tar.gz"
fi

# the sources and the flags of our own build
manifest=$(cd "$root" && cargo metadata --format-version 1 --locked |
    tr '{' '\n' | grep -o '"manifest_path":"[^"]*/llama-cpp-sys-2-[^"]*"' | head -1 | cut -d'"' -f4)
sources=$(dirname "$manifest")/llama.cpp
flags="-fno-tree-dse -fno-dse" # as in .cargo/config.toml
build="$cache/build-$(basename "$(dirname "$manifest")")"
if [ ! -x "$build/llama-bench" ]; then
    echo "building llama-bench from $sources" >&2
    CFLAGS=$flags CXXFLAGS=$flags cmake -S "$here" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
        -DGGML_NATIVE=ON -DGGML_OPENMP=ON -DLLAMA_CURL=OFF \
        -DLLAMA_SOURCES="$sources" -DBENCH_SOURCES="$tool" >"$cache/cmake.log"
    cmake --build "$build" --target llama-bench -j "$(nproc)" >"$cache/build.log" 2>&1 ||
        { tail -20 "$cache/build.log" >&2; exit 1; }
fi
theirs="$build/llama-bench"
(cd "$root" && cargo build --quiet --release --locked --workspace --example bench)
target=$(cd "$root" && cargo metadata --format-version 1 --locked --no-deps | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
ours="$target/release/examples/bench"

# one line per sample: WHO TEST TOKENS_PER_SECOND
samples=$(mktemp)
trap 'rm -f "$samples"' EXIT
run_ours() {
    "$ours" "$model" --backend llama_cpp --threads "$threads" --pp 512 --tg 128 --reps 3 |
        sed 's/.*"test":"\([^"]*\)".*\[\([^]]*\)\].*/\1 \2/' |
        while read -r test values; do for v in $(echo "$values" | tr ',' ' '); do echo "ours $test $v"; done; done
}
run_theirs() {
    "$theirs" -m "$model" -t "$threads" -p 512 -n 128 -r 3 -o jsonl 2>/dev/null |
        sed 's/.*"n_prompt": \([0-9]*\),.*"samples_ts": \[\([^]]*\)\].*/\1 \2/' |
        while read -r prompt values; do
            test=pp512
            [ "$prompt" -gt 0 ] || test=tg128
            for v in $(echo "$values" | tr ',' ' '); do echo "theirs $test $v"; done
        done
}
round=1
while [ "$round" -le "$rounds" ]; do
    # who goes first alternates, so that neither always has the cooler processor
    if [ $((round % 2)) -eq 1 ]; then run_ours; run_theirs; else run_theirs; run_ours; fi >>"$samples"
    echo "round $round of $rounds" >&2
    round=$((round + 1))
done

median() {
    grep "^$1 $2 " "$samples" | cut -d' ' -f3 | sort -n |
        awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}
echo "$(basename "$model"), $threads threads, median of $((rounds * 3)) runs each, tokens per second"
printf '%-8s %12s %12s %8s\n' test minerva llama-bench ratio
for test in pp512 tg128; do
    mine=$(median ours $test)
    them=$(median theirs $test)
    awk -v t="$test" -v a="$mine" -v b="$them" 'BEGIN { printf "%-8s %12.1f %12.1f %8.3f\n", t, a, b, a / b }'
done
