.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
BIN := .venv/bin

# The lab runs Docker hosts of its own out of a debootstrapped root filesystem: these are all that the machine must have.
LAB_PACKAGES := debootstrap=debootstrap ip=iproute2 nsenter=util-linux ssh=openssh-client mkfs.ext4=e2fsprogs

# The benchmark's report is tried in a real browser.
TEST_PACKAGES := chromium=chromium

.PHONY: help setup lab-packages test-packages demo test lint format faults bench-smoke clean

help:             ## list the targets
	@grep -hE '^[a-z-]+: .*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/complete  ## make .venv with the pinned packages and transship

.venv/complete: requirements.txt pyproject.toml tools/setup
	@tools/setup

lab-packages:
	@[ "$$(id -u)" -ne 0 ] || tools/system-packages $(LAB_PACKAGES)

test-packages: lab-packages
	@[ "$$(id -u)" -ne 0 ] || tools/system-packages $(TEST_PACKAGES) || \
		echo "transship: the report is not tried in a browser (Ubuntu has Chromium as a snap only)"

demo: setup lab-packages  ## move a stateful container between two real Docker hosts on this machine, and show it (root)
	@$(BIN)/python -m transship.cli.demo

lint: setup      ## ruff, mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

test: lint test-packages  ## every check and every test; without root those that need the lab are left out, and named
	@tools/test

faults: setup lab-packages  ## over 700 faults in moves between real hosts, and their tables (root, hours; goes on where it was)
	@$(BIN)/python -m tests.faults.campaign
	@$(BIN)/python -m tests.faults.campaign --live

bench-smoke: setup lab-packages  ## every way to move, once, measured (root, under three minutes)
	@folder=$$(mktemp -d)/smoke && $(BIN)/transship bench run smoke --out "$$folder" && echo "results: $$folder"

format: setup    ## put the code into ruff's format
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:           ## remove .venv and what the checks leave
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage* build dist src/*.egg-info
