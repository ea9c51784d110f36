# What a person or CI runs. Every target works on a fresh clone with cargo and a C compiler; `bench` also wants python3.
SHELL := /bin/bash
CARGO ?= cargo
ROUNDS ?= 50
SEEDS ?= 100000
FROM ?= 0
SEED ?=
MINUTES ?= 10

COMPOSE ?= docker-compose
COMPOSE_FILES ?= -f localstack/docker-compose.yaml

.PHONY: help demo test test-offline check fmt lint bench bench-aws torture-local torture fuzz simulate mutants release clean-demo up up-nodocker down image

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## the whole thing on this machine: sample files in, Parquet and an embedded warehouse out
	$(CARGO) run --package lakehand -- demo

# Tests that need a service have `cloud::` in their path.
test-offline: ## all tests that need no service
	$(CARGO) test --workspace --quiet -- --skip cloud::

test: ## all tests; sets up and starts what they need: PostgreSQL from Debian, emulators of AWS in a venv
	$(CARGO) test --workspace --quiet --no-run
	localstack/services.sh run $(CARGO) test --workspace --quiet

fmt: ## format
	$(CARGO) fmt --all

lint: ## format check and clippy, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- --deny warnings

check: lint test ## all that CI runs

release: ## the optimised binary
	$(CARGO) build --release --package lakehand

bench: ## MB/s, CPU seconds and memory beside DuckDB, polars, pandas and dlt, in one run (BENCH_MB=1000)
	tests/bench/run.sh

bench-aws: ## files a second and CPU a file on the local cloud, beside a loop of boto3 and pandas (BENCH_FILES=2000)
	tests/bench/aws.sh

torture-local: ## two daemons, doubled messages, kill -9 at random moments, ROUNDS times; then compare with a calm run
	LAKEHAND_TORTURE_ROUNDS=$(ROUNDS) $(CARGO) test --package lakehand --test it torture -- --nocapture

torture: ## the local cloud for MINUTES, everything breaking at random moments (SEED=… again); then compare with a model
	$(CARGO) test --package lakehand --test it --no-run
	LAKEHAND_TORTURE_SECONDS=$$(($(MINUTES) * 60)) LAKEHAND_TORTURE_SEED=$(SEED) \
		localstack/services.sh tools $(CARGO) test --package lakehand --test it cloud::torture -- --nocapture

fuzz: ## damaged messages and damaged files in every format and wrapping, for MINUTES each (SEED=… begins there)
	for package in pipeline transform; do \
		LAKEHAND_FUZZ_SECONDS=$$(($(MINUTES) * 60)) LAKEHAND_FUZZ_SEED=$(or $(SEED),$(shell date +%s)0000) \
			$(CARGO) test --package lakehand-$$package --lib fuzz -- --nocapture || exit 1; \
	done

up: ## the local cloud in Docker: LocalStack, PostgreSQL, the Redshift stand-in, two workers, Prometheus
	$(COMPOSE) $(COMPOSE_FILES) up --build --detach

up-nodocker: ## the same without Docker: emulators in a venv, PostgreSQL from Debian, everything on loopback
	localstack/cloud.sh up

down: ## stop the local cloud and remove its data
	localstack/cloud.sh down
	if command -v $(COMPOSE) >/dev/null; then $(COMPOSE) $(COMPOSE_FILES) down --volumes; fi

image: ## the worker's container image
	DOCKER_BUILDKIT=1 docker build --file deploy/Dockerfile --target worker --tag lakehand .

simulate: ## so many simulated worlds (SEEDS=100000 FROM=0), or one of them again with what is left of it (SEED=7)
	$(CARGO) test --package lakehand-simulation --profile simulation -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --from $(FROM))
	$(if $(SEED),,$(CARGO) test --package lakehand-simulation --profile simulation -- --sweep)

mutants: ## deliberate bugs, one by one, each of which the simulation has to catch within 10,000 worlds
	SEEDS=10000 tests/simulation/mutants/run.sh

clean-demo: ## remove what the demo left
	rm -rf lakehand-demo
