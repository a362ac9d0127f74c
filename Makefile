# The environment is .venv in this folder, made when it is needed. All paths are relative: make cannot
# name one with a space in it.

PYTHON_IN_VENV := .venv/bin/python
RUN_READY := .venv/.run-ready
DEV_READY := .venv/.dev-ready
SERVERS_READY := .venv/.servers-ready
SHARP := .venv/.sharp/node_modules/sharp
SHARP_VERSION := 0.35.5

# Inside, because a home is not always there or writable (containers, CI).
export UV_CACHE_DIR ?= .venv/.cache

.PHONY: help run install demo test check bench bench-quality chaos screenshots fuzz api-docs format lock clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

run: $(RUN_READY) ## Start everything on http://127.0.0.1:8080; Ctrl-C stops it
	@$(PYTHON_IN_VENV) -m packshot serve

install: $(RUN_READY) ## Make the environment, for .venv/bin/packshot

demo: $(RUN_READY) ## Show the main job and end; PICTURES=folder takes your own pictures
	@$(PYTHON_IN_VENV) -m packshot demo $(if $(PICTURES),--pictures "$$PICTURES")

test: $(DEV_READY) $(SERVERS_READY) ## Run all tests; ARGS="-k name" some of them
	$(PYTHON_IN_VENV) -m pytest $(if $(ARGS),$(ARGS),--cov $(if $(CI),--cov-fail-under=90))

check: $(DEV_READY) ## Check format, style and types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	$(PYTHON_IN_VENV) -m mypy

bench: $(DEV_READY) $(SERVERS_READY) ## Measure; the figures in docs/performance.md come from here
	$(PYTHON_IN_VENV) -m benchmarks $(ARGS)

bench-quality: $(DEV_READY) $(SHARP) ## Compare our pictures with Pillow's and sharp's; PICTURES=folder takes yours
	$(PYTHON_IN_VENV) -m benchmarks.quality $(ARGS)

chaos: $(DEV_READY) $(SERVERS_READY) ## Break everything and check the books, 40 minutes; ARGS=--short for three minutes
	$(PYTHON_IN_VENV) -m chaos $(ARGS)

screenshots: $(DEV_READY) $(SERVERS_READY) ## Take a picture of every page of the console; PICTURES=folder takes yours
	$(PYTHON_IN_VENV) -m tests.screenshots $(if $(PICTURES),"$$PICTURES")

fuzz: $(DEV_READY) ## Feed mutated pictures to the decoder for ten minutes; ARGS="--seconds 60" for one
	$(PYTHON_IN_VENV) -m fuzz $(ARGS)

api-docs: $(DEV_READY) ## Write docs/openapi.json and the Postman collection from the program
	$(PYTHON_IN_VENV) -m api_docs

format: $(DEV_READY) ## Format the sources and mend what can be mended
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean: ## Remove the environment and what tools left behind; data/ stays
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov dist
	find src tests benchmarks servers chaos fuzz api_docs -name __pycache__ -exec rm -rf {} +

# uv takes a quarter of pip's time, but only pip knows of a mirror in pip's configuration. pyvips comes as
# source and must not find a libvips of the system when it is built: pyvips-binary brings the one we mean.
define install
	@PKG_CONFIG=false .venv/bin/uv pip install --quiet --python $(PYTHON_IN_VENV) --require-hashes \
		--build-constraints requirements/build.txt -r $(1) || \
	PKG_CONFIG=false $(PYTHON_IN_VENV) -m pip install --quiet --require-hashes -r $(1)
	@touch $@
endef

.venv/.made: requirements/make_venv.sh requirements/uv.txt
	@sh requirements/make_venv.sh
	@touch $@

$(RUN_READY): .venv/.made requirements/run.txt
	$(call install,requirements/run.txt)

$(DEV_READY): .venv/.made requirements/dev.txt
	$(call install,requirements/dev.txt)

$(SERVERS_READY): .venv/.made servers/install.sh servers/kafka-pom.xml
	@sh servers/install.sh

# Only to be compared with. Without Node it is left out, and asked for again the next time.
$(SHARP): | .venv/.made
	@npm install --silent --no-audit --no-fund --prefix .venv/.sharp sharp@$(SHARP_VERSION) || \
	echo "sharp cannot be installed (it needs Node and npm); it is left out." >&2

COMPILE := .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

lock: .venv/.made ## Pin the newest versions of everything in pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	echo uv | $(COMPILE) - --no-annotate -o requirements/uv.txt
	printf '%s\n' cffi pkgconfig setuptools | $(COMPILE) - --no-annotate -o requirements/build.txt # for pyvips
