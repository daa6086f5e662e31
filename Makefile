# `make` sets everything up and ends in a notebook that ran; `make test` runs every test.

CARGO ?= cargo
# Where `minerva` is put: cargo's own folder for programs, which is on the PATH of whoever has cargo.
BIN ?= $(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
FEATURES ?=
MINERVA := $(BIN)/minerva

.PHONY: all packages build install quickstart test lint model portable bench uninstall

all: packages build install quickstart

packages:
	@.ci/packages

# The whole workspace in every command: the features of shared dependencies then never change, and nothing is built twice.
build:
	$(CARGO) build --release --locked --workspace $(if $(FEATURES),--features $(FEATURES))

install:
	@mkdir -p "$(BIN)"
	@install -m 755 "$(TARGET)/release/minerva" "$(MINERVA).new" && mv -f "$(MINERVA).new" "$(MINERVA)"
	@"$(MINERVA)" install

# The notebook executed, as text. Where a person watches, it is then opened in JupyterLab: in a browser, or where there is
# none, by the address that is printed.
quickstart:
	@"$(MINERVA)" run notebooks/quickstart.ipynb --print -o "$${TMPDIR:-/tmp}/minerva-quickstart.ipynb"
	@echo
	@echo "Ready. Try:  minerva lab      or minerva repl"
	@if [ -t 0 ] && [ -t 1 ] && [ -z "$$CI" ]; then exec "$(MINERVA)" lab notebooks/quickstart.ipynb; fi

# All tests, in both builds: Rust alone, then with llama.cpp (last, so that this is the binary that stays). Both have the lab and Rust
# cells: what these bring changes the features of crates that everything shares, and would have it all compiled twice.
test:
	$(CARGO) test --release --locked --workspace --no-default-features --features rust-cells,lab
	$(CARGO) test --release --locked --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

# The real model that some tests want; without it they say that they were skipped.
model:
	@.ci/model

# One binary for any x86-64 processor with AVX2 and FMA (2013 and later), checked when it starts.
portable:
	RUSTFLAGS="-C target-cpu=x86-64-v3" $(CARGO) build --release --locked -p minerva-kernel --target-dir "$(TARGET)/portable"

# Developer commands that need Python for the peer they compare with; no test and no part of the product needs them.
bench:
	tests/bench/llama-bench.sh

uninstall:
	rm -f "$(MINERVA)"
	rm -rf "$(or $(JUPYTER_DATA_DIR),$(HOME)/.local/share/jupyter)/kernels/minerva"
