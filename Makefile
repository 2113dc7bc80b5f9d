# The front door. Every target makes .venv and installs what it needs there; the second run is quick.
# It asks for python3 with venv, a C++20 compiler and make; CMake and Ninja come from PyPI.

PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Passed on to pytest, ctest or the benchmarks: make test ARGS="-k recall"
ARGS ?=
# For native-test: address, undefined, address,undefined (both at once) or thread
SANITIZE ?=

comma := ,
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/stamp
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Directories too: their time changes when a file goes.
SOURCES := pyproject.toml CMakeLists.txt $(shell find cmake src -name '*_test.cpp' -prune -o -print)
# Compiles in one lasting folder, and so only what changed; needs what builds it in .venv.
BUILD := --no-build-isolation --config-settings=build-dir=build/python \
  --config-settings=cmake.define.ENGRAM_WERROR=ON
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PATH := $(CURDIR)/$(BIN):$(PATH)

# $(call need,CONDITION,PACKAGE): sees to it that CONDITION holds, by Debian's PACKAGE where this may be installed.
define need
@{ $(1); } || { \
  if [[ $$(id -u) = 0 ]] && command -v apt-get > /dev/null; then \
    echo "installing $(2) ..."; export DEBIAN_FRONTEND=noninteractive; \
    apt-get -qq update && apt-get -qq install --no-install-recommends "$(2)" > /dev/null; \
  else \
    echo "missing: $(2); install it first (Debian, Ubuntu: sudo apt install $(2))" >&2; false; \
  fi; }
endef

.PHONY: help demo test lint lint-python lint-native lint-types format native-test fuzz crash-test googletest \
  wheel sdist bench bench-full bench-native docs clean

help:  ## What there is
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*  ## /  make \1|/' | column -t -s '|'

demo: $(STAMP)/package $(STAMP)/demo  ## Store real text, kill the writer, reopen, ask, compare with FAISS
	@$(BIN)/engram demo $(ARGS)

test: $(STAMP)/package $(STAMP)/test  ## The tests of the built package (ARGS="-k recall")
	@$(BIN)/python -m pytest $(ARGS)

lint: lint-python lint-native lint-types  ## Formats, lints, types, and the stubs against the built module

lint-python: $(STAMP)/lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

lint-native: $(STAMP)/lint
	@echo 'clang-format --dry-run -Werror'
	@find src benchmarks tests -name '*.h' -o -name '*.cpp' | xargs $(BIN)/clang-format --dry-run -Werror

lint-types: $(STAMP)/package $(STAMP)/lint
	$(BIN)/mypy
	MYPYPATH=src $(BIN)/stubtest --mypy-config-file pyproject.toml --allowlist tests/stubtest.allow engram._native  # without the path a stub it does not find counts as a good one

format: $(STAMP)/lint  ## Let ruff and clang-format rewrite the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	find src benchmarks tests -name '*.h' -o -name '*.cpp' | xargs $(BIN)/clang-format -i

# ThreadSanitizer lays its shadow at fixed addresses. Kernels that randomise more bits of an address than it was
# built for put a library there, and it gives up ("unexpected memory mapping"); setarch -R turns that off where
# the system lets it (a container may not).
NO_ASLR := $(if $(SANITIZE)$(filter fuzz,$(MAKECMDGOALS)),$(shell setarch -R true 2>/dev/null && echo setarch -R))
native-test: PRESET := $(or $(subst $(comma),-,$(SANITIZE)),release)
native-test: $(STAMP)/build googletest  ## The native tests (SANITIZE=thread, address, undefined; address,undefined)
	@cmake --preset $(PRESET) --log-level=WARNING
	@cmake --build --preset $(PRESET)
	@$(NO_ASLR) ctest --preset $(PRESET) -j $(JOBS) $(ARGS)

# Under both sanitizers of memory: with clang by libFuzzer, with gcc by tests/fuzz_main.cpp.
FUZZERS := wal_fuzz hnsw_fuzz tier_fuzz engine_fuzz
FUZZ_SECONDS ?= 15
fuzz: $(STAMP)/build googletest  ## The readers of every file on bytes nobody wrote (FUZZ_SECONDS=15 each)
	@cmake --preset address-undefined --log-level=WARNING
	@cmake --build --preset address-undefined --target $(FUZZERS)
	@cd build/native-address-undefined && for fuzzer in $(FUZZERS); do \
	  echo "$$fuzzer, $(FUZZ_SECONDS) seconds"; $(NO_ASLR) ./$$fuzzer -max_total_time=$(FUZZ_SECONDS) $(ARGS); done

# The long forms of what the tests try a sample of: every kill point, every bit, 300 rounds of kills. Under an hour.
crash-test: $(STAMP)/package $(STAMP)/test  ## The long tests of what survives kills, damage and power cuts
	@ENGRAM_LONG_TESTS=1 ENGRAM_CRASH_ROUNDS=300 $(BIN)/python -m pytest \
	  tests/test_crash.py tests/test_kill_points.py tests/test_kill_machine.py tests/test_damage.py \
	  tests/test_repair.py tests/test_exchange.py tests/test_syncs.py -o faulthandler_timeout=3600 $(ARGS)
	@ENGRAM_LONG_TESTS=1 $(MAKE) native-test ARGS="-L 'base|wal|engine'"

googletest:  # where there is no apt, CMake looks for it and says what it misses
	$(call need,[[ -d /usr/src/googletest ]] || ! command -v apt-get > /dev/null,libgtest-dev)

wheel: $(STAMP)/build $(STAMP)/headers $(STAMP)/wheel  ## Build the wheel and make it portable, in wheelhouse/
	@rm -rf dist/*.whl wheelhouse
	@$(PIP) wheel --no-deps $(BUILD) --wheel-dir dist .
	@auditwheel repair --wheel-dir wheelhouse dist/*.whl 2> build/auditwheel.log || { cat build/auditwheel.log; false; }
	@ls wheelhouse/*.whl

sdist: $(STAMP)/build  ## Build the source distribution, in dist/
	@$(BIN)/python -c 'from scikit_build_core.build import build_sdist; print("dist/" + build_sdist("dist"))'

bench: $(STAMP)/package $(STAMP)/bench  ## Minutes: Engram beside the others on 100,000 vectors (ENGRAM_DATA=folder)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-full: $(STAMP)/package $(STAMP)/bench  ## Hours: the same on a million vectors
	@$(BIN)/python -m benchmarks --full $(ARGS)

bench-native: $(STAMP)/build $(STAMP)/headers $(STAMP)/bench  ## Nanoseconds of the smallest parts, in compiled loops
	@$(BIN)/python -m benchmarks.native $(ARGS)

docs: $(STAMP)/package $(STAMP)/docs  ## The reference of the Python API, in build/docs/
	@$(BIN)/pdoc --docformat numpy --output-directory build/docs engram
	@echo build/docs/index.html

clean:  ## Remove everything that was made
	rm -rf $(VENV) build dist wheelhouse .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The pip that Debian 12 puts in a new venv (23.0) cannot read dependency groups: they came with 25.1.
$(STAMP)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and f"{sys.executable} is Python {sys.version.split()[0]}; Engram needs 3.10 or newer: make PYTHON=...")'
	@echo 'making $(VENV) ...'
	@rm -rf build/python
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@mkdir -p $(STAMP) && touch $@

$(STAMP)/bench: $(STAMP)/headers  # some are compiled here

# Debian keeps Python.h apart from python3.
PYTHON_H := $(BIN)/python -c 'import os, sysconfig as s; assert os.path.exists(s.get_path("include") + "/Python.h")' 2> /dev/null
$(STAMP)/headers: $(STAMP)/venv
	$(call need,$(PYTHON_H),libpython$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')-dev)
	@touch $@

$(STAMP)/build $(STAMP)/test $(STAMP)/lint $(STAMP)/wheel $(STAMP)/demo $(STAMP)/docs $(STAMP)/bench: \
  $(STAMP)/%: $(STAMP)/venv pyproject.toml
	@echo 'installing what $* needs ...'
	@$(PIP) install $(if $(filter bench,$*),--no-compile) --group $*  # most of what it brings is never imported
	@touch $@

# Not editable: what is tested is what a wheel would install.
$(STAMP)/package: $(STAMP)/build $(STAMP)/headers $(SOURCES)
	@echo 'building engram ...'
	@$(PIP) install $(BUILD) '.[all]'
	@touch $@
