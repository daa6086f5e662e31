#!/bin/sh
# Our transformer, candle-transformers' quantized Llama and llama.cpp, side by side in one run, on the same files.
#
#   tests/bench/speed.sh [ROUNDS] [MODEL…]
#
# Models: smollm2-TYPE (of the model that `make model` fetches, rewritten; its rows of 576 do not fill blocks of 256, so that
# Q4_K becomes Q5_0 but for one matrix a block, as in llama.cpp's Q4_K_M) and 1b-TYPE (random weights in the shape of
# Llama 3.2 1B); without any, eight of them. Everything is kept in $MINERVA_BENCH_CACHE (default
# ~/.cache/minerva/speed, a few GB). Every number is a median over ROUNDS (default 3) of 2 runs each, in turns; llama.cpp
# is the build inside our own program, for this processor, and at depth its best setting (flash attention on or off, cache
# f16, bf16 or q8_0) counts. The column int8 is ours with #{ activations: "int8" }, at depth 0. Run it on a quiet machine. THREADS ("1 2"),
# DEPTHS ("0 512 2048") and GENERATE (128) may be set to measure less. Rows called memory are peaks of resident memory in
# MB, mapped weights included, over all tests.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${MINERVA_BENCH_CACHE:-$HOME/.cache/minerva/speed}
rounds=${1:-3}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- smollm2-Q4_0 smollm2-Q4_1 smollm2-Q8_0 smollm2-Q4_K smollm2-F16 1b-Q4_0 1b-mixed 1b-Q8_0
mkdir -p "$cache"

(cd "$root" && cargo build --quiet --release --locked --workspace --examples)
target=$(cd "$root" && cargo metadata --format-version 1 --locked --no-deps | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
ours="$target/release/examples"
peer_target=${MINERVA_BENCH_PEER_TARGET:-$cache/peer}
(cd "$here/candle-transformers" && RUSTFLAGS="-C target-cpu=native" cargo build --quiet --release --target-dir "$peer_target")
peer="$peer_target/release/bench-candle-transformers"

# the file of a model's name, made when it is not there
file_of() {
    file="$cache/$1.gguf"
    if [ ! -f "$file" ]; then
        case $1 in
            smollm2-*) "$ours/requantize" "$("$root/.ci/model")" "$file.new.gguf" "${1#smollm2-}" 2>/dev/null ;;
            1b-*) "$ours/random_model" "$file.new.gguf" "${1#1b-}" ;;
            *) echo "no model called $1" >&2; exit 1 ;;
        esac
        mv "$file.new.gguf" "$file"
    fi
    echo "$file"
}

# Kept: what was measured before an end in the middle is there to be read.
samples="$cache/samples-$(date +%Y%m%d-%H%M%S).txt"
: >"$samples"
# adds lines «MODEL THREADS TEST WHO RATE»
keep() {
    sed 's/.*"test":"\([^"]*\)".*\[\([^]]*\)\].*/\1 \2/' | while read -r test values; do
        for v in $(echo "$values" | tr ',' ' '); do echo "$1 $2 $test $3 $v"; done
    done >>"$samples"
}
bench() { "$ours/bench" "$file" --threads "$threads" --reps 2 "$@"; }
for model in "$@"; do
    file=$(file_of "$model")
    for round in $(seq "$rounds"); do
        for threads in ${THREADS:-1 2}; do
            for depth in ${DEPTHS:-0 512 2048}; do
                prompt=0
                [ "$depth" -gt 0 ] || prompt=512
                test="--pp $prompt --tg ${GENERATE:-128} --depth $depth"
                # shellcheck disable=SC2086 # options, one by one
                {
                    bench --backend candle $test | keep "$model" "$threads" minerva
                    [ "$depth" -gt 0 ] || bench --backend candle --activations int8 $test | keep "$model" "$threads" int8
                    RAYON_NUM_THREADS=$threads "$peer" "$file" "$threads" $prompt "${GENERATE:-128}" $depth 2 2>/dev/null |
                        keep "$model" "$threads" candle-transformers || true
                    bench --backend llama_cpp $test | keep "$model" "$threads" llama.cpp
                    if [ "$depth" -gt 0 ]; then
                        bench --backend llama_cpp $test --fa off | keep "$model" "$threads" llama.cpp:off
                    fi
                    # Other caches were its best setting nowhere on this kind of processor; they are asked once.
                    if [ "$depth" -eq 512 ]; then
                        bench --backend llama_cpp $test --cache bf16 | keep "$model" "$threads" llama.cpp:bf16
                        bench --backend llama_cpp $test --cache q8_0 | keep "$model" "$threads" llama.cpp:q8_0
                    fi
                }
            done
        done
        echo "$model, round $round of $rounds" >&2
    done
done

awk '
    function median(list,    n, i, j, t, v) {
        n = split(list, v, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return n == 0 ? 0 : n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    { row = $1 " " $2 " " $3; if (!(row in seen)) { seen[row] = 1; order[++rows] = row } all[row, $4] = all[row, $4] " " $5 }
    END {
        printf "%-14s %7s %-11s %9s %9s %9s %9s %8s %8s\n", "model", "threads", "test", "minerva", "int8", "candle-tr", "llama.cpp", "/candle", "/llama"
        for (i = 1; i <= rows; i++) {
            row = order[i]; split(row, f, " ")
            mine = median(all[row, "minerva"]); whole = median(all[row, "int8"]); candle = median(all[row, "candle-transformers"])
            llama = median(all[row, "llama.cpp"])
            split("off bf16 q8_0", settings, " ")
            for (s in settings) { other = median(all[row, "llama.cpp:" settings[s]]); if (other > llama) llama = other }
            printf "%-14s %7s %-11s %9.1f %9s %9.1f %9.1f %8.2f %8.2f\n", f[1], f[2], f[3], mine, whole ? sprintf("%.1f", whole) : "", candle, llama,
                candle ? mine / candle : 0, llama ? mine / llama : 0
        }
    }' "$samples"
