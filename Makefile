# Holdfast. `make` or `make help` tells what there is.

DATA ?= ./demo-data
SMB ?= 127.0.0.1:4450
WEB ?= 127.0.0.1:8080
BENCH ?=
CONFORMANCE ?=
CHAOS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint format types testbed conformance bench chaos lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve a demo share: SMB on SMB=127.0.0.1:4450, web on WEB=127.0.0.1:8080, data in DATA=./demo-data
	@tools/venv.sh runtime
	@exec .venv/bin/holdfast serve --demo --data $(DATA) --smb $(SMB) --web $(WEB)

test: ## Run every check and test; installs what they need where it may
	@tools/test.sh

lint: ## Check style and types only
	@tools/venv.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy --strict smbcore appliance

format: ## Put the code into the one format
	@tools/venv.sh dev
	.venv/bin/ruff check --fix --quiet . || true
	.venv/bin/ruff format .

testbed: ## Serve shares for test suites in the foreground: SMB_PORT=4455, WEB_PORT=8085; prints "ready"
	@tools/venv.sh dev
	@exec .venv/bin/python tests/testbed.py

conformance: ## Run smbtorture against a testbed and compare with what is expected: CONFORMANCE="options, suites"
	@tools/venv.sh dev
	@.venv/bin/python tools/conformance.py $(CONFORMANCE)

bench: ## Measure server CPU per operation beside Samba's: BENCH="--only READ --rounds 5"
	@tools/venv.sh dev
	@.venv/bin/python tests/bench/run.py $(BENCH)

chaos: ## Cut connections and kill the core under clients with durable handles for minutes: CHAOS="--seconds 600"
	@tools/venv.sh dev
	@.venv/bin/python -m tests.chaos.run $(CHAOS)

lock: ## Resolve the dependencies anew into the lock files
	@tools/venv.sh dev
	@tools/lock.sh

clean: ## Remove what was built, measured or installed here; not the demo data
	rm -rf .venv build dist .run .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
