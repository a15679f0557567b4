# Everything that a person or CI runs. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
BIN ?= $(or $(CARGO_TARGET_DIR),target)/debug
export BIN

.PHONY: help demo demo-needs test test-unit test-cluster test-interop test-gitops test-operations test-upgrade test-image lint fmt crds chart docs build image image-reproducible simulate clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20

build: ## Build operator, emulator and devcluster
	$(CARGO) build --workspace --bins

# Said before the build, which takes its time.
demo-needs:
	@for program in curl openssl; do command -v $$program >/dev/null || { echo "make demo needs $$program" >&2; exit 1; }; done

demo: demo-needs build ## A partner's first year in a minute, on a real API server, Microsoft played by the emulator; KEEP=1 leaves it up
	@KEEP="$(KEEP)" exec $(BIN)/devcluster run --with-parent -- bash demo/story.sh

test: test-unit test-cluster test-interop test-gitops test-operations test-upgrade ## All tests: unit, component, cluster, real client libraries, GitOps engines, operating, upgrades

# Always --workspace: with -p cargo would choose other features, and compile the dependencies once more.
test-unit: ## Unit and component tests, and those of the documents (no cluster)
	$(CARGO) test --workspace --lib --bins
	$(CARGO) test --workspace --doc
	$(CARGO) test --workspace --test emulator --test entra_client --test docs

test-cluster: build ## Tests on a real API server; DEVCLUSTER_MINOR=1.34 for the oldest that we promise
	$(CARGO) test --workspace --test cleanup --test command_line --test control_plane
	$(CARGO) test --workspace --test cluster -- --test-threads 10
	$(CARGO) test --workspace --test permissions

.PHONY: node-needs test-node test-node-cluster
node-needs: ## Install what a cluster with a node needs (containerd, runc, CNI plugins, nftables); root, apt-get
	devcluster/node-packages.sh

# One at a time: each starts containerd, kubelet and pods. Not part of `make test`, which needs no root.
test-node-cluster: build node-needs ## Tests of devcluster's node: pods, names, Secrets in mounts, nothing left (root)
	$(CARGO) test --workspace --test node -- --test-threads 1

# Not part of `make test` either. Images are built if their sources have changed.
test-node: build node-needs ## Node tier: the images, installed by Helm 4 and 3, and a pod that uses the token meanwhile (root)
	exec tests/node/run.sh

test-interop: build ## MSAL, azure-identity and curl against the emulator; kstatus on real conditions; the consumer examples
	tests/interop/run.sh

test-gitops: ## Argo CD's and Flux's own code on the conditions of every reason; VERBOSE=1 shows each check
	tests/gitops/run.sh

test-operations: build ## What docs/tenancy.md, docs/backup.md and docs/uninstall.md promise, on a real API server
	tests/operations/run.sh

# A minute and a half, and once another one for the older binary.
test-upgrade: build ## From each frozen release to this one and back, with overlapping processes; RELEASE=v0.1.0 for one of them
	tests/upgrade/run.sh $(RELEASE)

# About a minute and a half on two cores, and five minutes more once, for the tools.
chart: build ## The Helm chart: all its checks, also on a real API server, and target/chart/*.tgz; DEVCLUSTER_MINOR=1.34 for the oldest
	tools/chart/lint.sh
	tools/chart/check.sh
	mkdir -p target/chart
	"$$(tools/bin.sh helm-4)" package charts/defender-tenant-operator --destination target/chart

.PHONY: bench bench-build bench-page soak
bench-build:
	$(CARGO) build --release --workspace --bin bench --bin entra-emulator --bin defender-tenant-operator

# The operator's release binary, as a user runs it. Needs a quiet machine: figures of a busy one are worth nothing.
bench: bench-build ## Measure the operator beside a bare client: target/bench/report.json; ROWS=a,b N=500,2000 choose, ROUNDS=5 is more exact, QUICK=1 short
	"$(dir $(BIN))release/bench" rows --rows "$(ROWS)" --n "$(N)" $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick)

soak: bench-build ## 20 minutes of changing load: does the operator's memory grow? MINUTES=n
	"$(dir $(BIN))release/bench" soak --minutes $(or $(MINUTES),20)

bench-page: ## Write the last figures into docs/performance.md
	"$(dir $(BIN))release/bench" page

lint: ## Format, clippy, licences and sources, docs, generated files, workflows, the chart without a cluster
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --quiet
	tools/deny.sh
	tools/drift.sh
	tools/workflows.sh
	tools/chart/lint.sh

fmt: ## Format the code
	$(CARGO) fmt --all

crds: ## Generate crds/, the generated pages of docs/, the chart's generated files and deploy/
	tools/generate.sh

image: ## Both container images and their SBOMs, into target/image; ARCH=arm64 for the other architecture (docs/images.md)
	tools/image/build.sh

image-reproducible: ## Build the images once more from nothing, elsewhere, and compare
	tools/image/reproducible.sh

test-image: ## What the images hold, and that it runs (part of make image)
	tests/image/run.sh

# Never fewer tenants; DAYS=7 LIMIT_HOURS=6 for more of their life. REPORT=target/bench/report.json sets what was
# measured beside what is predicted; `target/release/simulator fit --report …` fits the constants first.
DAYS ?= 1
LIMIT_HOURS ?= 4
simulate: ## A million tenants on a virtual clock: tables and plots of docs/scaling.md (half an hour on two quiet cores)
	$(CARGO) build --release --workspace --bin simulator
	"$(or $(CARGO_TARGET_DIR),target)/release/simulator" run --days $(DAYS) --limit-hours $(LIMIT_HOURS) --page docs/scaling.md $(if $(REPORT),--report $(REPORT))

clean: ## Remove what was built here (the cluster's programs stay in the user's cache)
	$(CARGO) clean
