# One command each. Every target creates what it needs.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
export PELLUCID_DATA ?= $(abspath ../shared/data)

KERNELS := src/pellucid/kernels
CMAKE = $(BIN)/cmake -G Ninja -S . -D CMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) -D Python_EXECUTABLE=$(abspath $(BIN)/python)
# The native kernels, where there is a C++ compiler: without them XLA computes everything.
NATIVE := $(if $(shell command -v $(CXX) 2>/dev/null),$(VENV)/.kernels)

.PHONY: demo test check bench docs pages format clean kernels check-kernels check-arm

demo: $(VENV)/.installed $(NATIVE)
	$(BIN)/pellucid train mnist-5k --network 128-128 --dropout 0.2 --epochs 20 --folder runs/demo --overwrite

test: $(VENV)/.installed-test $(NATIVE)
	$(BIN)/python -m pytest tests --numprocesses 2 --dist worksteal

check: $(VENV)/.installed-test $(VENV)/.installed-check
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	$(BIN)/python -m pytest --doctest-modules src -o addopts=-q

# The C++ kernels, compiled in the source tree.
kernels: $(VENV)/.kernels

# Their laws on this machine: as they are, then under sanitisers; on arm64, by a cross compiler and an emulator.
check-kernels: laws-plain laws-address laws-thread

check-arm:
	@command -v aarch64-linux-gnu-g++ && command -v qemu-aarch64-static || \
	  { echo "needs a cross compiler and an emulator: apt-get install g++-aarch64-linux-gnu qemu-user-static"; exit 1; }
	$(MAKE) laws-arm

bench: $(VENV)/.installed-bench $(NATIVE)
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

pages: demo $(VENV)/.installed-test
	$(BIN)/python tools/draw_demo.py
	$(BIN)/python tools/make_catalogue.py
	$(BIN)/python -m benchmarks --render

format: $(VENV)/.installed-check
	$(BIN)/ruff check --fix src tests benchmarks examples
	$(BIN)/ruff format src tests benchmarks examples

clean:
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .hypothesis $(KERNELS)/compiled

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-%: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet --group $*
	touch $@

$(VENV)/.kernels: CMakeLists.txt $(wildcard $(KERNELS)/*.?pp) $(VENV)/.installed-kernels
	$(CMAKE) -B build/kernels
	$(BIN)/cmake --build build/kernels
	touch $@

OPTIONS_address := -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined"
OPTIONS_thread := -D CMAKE_BUILD_TYPE=None -D CMAKE_CXX_FLAGS="-O1 -g1 -fsanitize=thread"
OPTIONS_arm := -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=aarch64 -D CMAKE_EXE_LINKER_FLAGS=-static \
  -D CMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -D CMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64-static
laws-%: $(VENV)/.installed-kernels
	$(CMAKE) -B build/laws-$* -D PELLUCID_LAWS=ON $(OPTIONS_$*)
	$(BIN)/cmake --build build/laws-$*
	$(BIN)/ctest --test-dir build/laws-$* --verbose
