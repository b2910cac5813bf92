# Countersign. `make demo` shows the main job, `make test` proves everything; both install what they lack.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# Where cargo builds, also for the scripts that run what was built.
export CARGO_TARGET_DIR ?= $(CURDIR)/target

# NIST PKITS, from a Python package.
export COUNTERSIGN_PKITS ?= $(wildcard $(CURDIR)/target/python-venv/lib/python3*/site-packages/cryptography_vectors/x509/PKITS_data)

BUILD_PACKAGES := build-essential pkg-config libpcsclite-dev
CARD_PACKAGES := pcscd vsmartcard-vpcd clang libclang-dev
ORACLE_PACKAGES := openssl opensc opensc-pkcs11 softhsm2 pcsc-tools yubico-piv-tool python3-venv util-linux libssl-dev strace faketime chromium postgresql
VIRTUAL_CARD := tests/virtual-card/target/release/virtual-card

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: demo-packages virtual-card ## activate a machine with a virtual card over real PC/SC; leaves target/demo/
	@cargo build --quiet --release
	@cargo build --quiet --release --package countersign-testkit --bin card-stack
	@scripts/demo.sh

.PHONY: test
test: test-packages virtual-card python ## every test, on the real PC/SC daemon
	COUNTERSIGN_PYTHON=$(CURDIR)/target/python-venv/bin/python cargo test --workspace --quiet
	COUNTERSIGN_PYTHON=$(CURDIR)/target/python-venv/bin/python cargo test --package countersign-pki \
		--package countersign-common --features aws-lc-rs --quiet
	target/python-venv/bin/python -m unittest discover --start-directory tests/python
	$(MAKE) --no-print-directory differential DIFFERENTIAL_CASES=4000

# How many generated paths `make differential` compares, from which seed on. `make test` does the first ones.
DIFFERENTIAL_CASES ?= 100000
DIFFERENTIAL_SEED ?= 1

.PHONY: differential
differential: test-packages ## compare DIFFERENTIAL_CASES generated paths with OpenSSL and certval
	@cargo build --quiet --release --locked --manifest-path tests/differential/Cargo.toml
	$(CARGO_TARGET_DIR)/release/differential $(DIFFERENTIAL_CASES) $(DIFFERENTIAL_SEED)

.PHONY: bench
bench: demo ## measure, beside the alternatives; writes the table of docs/performance.md
	@scripts/packages.sh valgrind python3 pkg-config libssl-dev
	scripts/bench.py

# How long `make fuzz` takes for each target, in seconds.
FUZZ_SECONDS ?= 3600

.PHONY: fuzz
fuzz: fuzz-tools ## look for inputs that break a promise, FUZZ_SECONDS for each target (an hour)
	@scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: fuzz-short
fuzz-short: fuzz-tools ## the same for twenty seconds each, as far as possible the same each time
	@rm -rf $(CARGO_TARGET_DIR)/fuzz-short
	@FUZZ_CORPUS=$(CARGO_TARGET_DIR)/fuzz-short FUZZ_LOGS=$(CARGO_TARGET_DIR)/fuzz-short/logs scripts/fuzz.sh 20 -seed=1

.PHONY: fuzz-tools
fuzz-tools:
	@scripts/packages.sh $(BUILD_PACKAGES) python3
	@scripts/tool.sh cargo-fuzz 0.13.1

# Which mutants, for instance `--file src/pki/src/policy.rs`.
MUTANTS ?=

.PHONY: mutants
mutants: test-packages python ## break the rules on purpose, one place at a time: a test has to notice
	@scripts/tool.sh cargo-mutants 27.1.0
	COUNTERSIGN_PYTHON=$(CURDIR)/target/python-venv/bin/python cargo mutants --package countersign-pki \
		--package countersign-common --jobs 2 --timeout 120 --output $(CARGO_TARGET_DIR)/mutants $(MUTANTS)

.PHONY: lint
lint: ## formatting, clippy, documentation, dependencies
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo clippy --package countersign-pki --all-targets --features aws-lc-rs --quiet -- --deny warnings
	cargo clippy --manifest-path fuzz/Cargo.toml --all-targets --quiet -- --deny warnings
	cargo fmt --manifest-path tests/differential/Cargo.toml --check
	cargo clippy --manifest-path tests/differential/Cargo.toml --all-targets --quiet -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --quiet
	scripts/lean.sh
	scripts/tool.sh cargo-deny 0.20.2
	scripts/deny.sh

.PHONY: virtual-card
virtual-card: $(VIRTUAL_CARD) ## build the PIV card that tests and demo use; some minutes the first time

$(VIRTUAL_CARD): $(wildcard tests/virtual-card/src/*.rs) tests/virtual-card/Cargo.toml tests/virtual-card/Cargo.lock
	@scripts/packages.sh $(BUILD_PACKAGES) $(CARD_PACKAGES)
	@echo "Building the virtual PIV card (piv-authenticator), some minutes the first time."
	@cargo build --quiet --release --locked --manifest-path tests/virtual-card/Cargo.toml --target-dir tests/virtual-card/target
	@touch $@

.PHONY: python
python: test-packages
	@tests/python/venv.sh

.PHONY: demo-packages
demo-packages:
	@scripts/packages.sh $(BUILD_PACKAGES) $(CARD_PACKAGES) openssl

.PHONY: test-packages
test-packages:
	@scripts/packages.sh $(BUILD_PACKAGES) $(CARD_PACKAGES) $(ORACLE_PACKAGES)
