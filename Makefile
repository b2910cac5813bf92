# Countersign. `make test` proves everything; it installs what it lacks.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# Where cargo builds, also for the scripts that run what was built.
export CARGO_TARGET_DIR ?= $(CURDIR)/target

BUILD_PACKAGES := build-essential pkg-config libpcsclite-dev
CARD_PACKAGES := pcscd vsmartcard-vpcd libclang-dev
ORACLE_PACKAGES := openssl opensc pcsc-tools yubico-piv-tool python3-venv util-linux
VIRTUAL_CARD := tests/virtual-card/target/release/virtual-card

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: test-packages virtual-card ## every test, on the real PC/SC daemon
	cargo test --workspace --quiet

.PHONY: virtual-card
virtual-card: $(VIRTUAL_CARD) ## build the PIV card that tests and demo use; some minutes the first time

$(VIRTUAL_CARD): $(wildcard tests/virtual-card/src/*.rs) tests/virtual-card/Cargo.toml tests/virtual-card/Cargo.lock
	@scripts/packages.sh $(BUILD_PACKAGES) $(CARD_PACKAGES)
	@echo "Building the virtual PIV card (piv-authenticator), some minutes the first time."
	@cargo build --quiet --release --locked --manifest-path tests/virtual-card/Cargo.toml --target-dir tests/virtual-card/target
	@touch $@

.PHONY: test-packages
test-packages:
	@scripts/packages.sh $(BUILD_PACKAGES) $(CARD_PACKAGES) $(ORACLE_PACKAGES)
