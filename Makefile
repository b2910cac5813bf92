# Countersign. `make demo` shows the main job, `make test` proves everything; both install what they lack.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# Where cargo builds, also for the scripts that run what was built.
export CARGO_TARGET_DIR ?= $(CURDIR)/target

# NIST PKITS, from a Python package.
export COUNTERSIGN_PKITS ?= $(wildcard $(CURDIR)/target/python-venv/lib/python3*/site-packages/cryptography_vectors/x509/PKITS_data)

BUILD_PACKAGES := build-essential pkg-config libpcsclite-dev
CARD_PACKAGES := pcscd vsmartcard-vpcd clang libclang-dev
ORACLE_PACKAGES := openssl opensc pcsc-tools yubico-piv-tool python3-venv util-linux
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

.PHONY: bench
bench: demo ## measure, beside the alternatives; writes the table of docs/performance.md
	@scripts/packages.sh valgrind python3
	scripts/bench.py

.PHONY: lint
lint: ## formatting, clippy, documentation, dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo clippy --package countersign-pki --all-targets --features aws-lc-rs --quiet -- --deny warnings
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
