#!/usr/bin/env bash
# Writes what is generated: crds/, docs/reference/, Argo CD's ConfigMap in docs/gitops/, the objects in tests/kstatus/, and
# the chart's files and deploy/. generate.sh FOLDER writes the first two below another folder and leaves the rest alone.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO=${CARGO:-cargo}
# Built as by `make build` and `make test-unit`, so that nothing is compiled twice.
"$CARGO" build --quiet --workspace --bins
"${CARGO_TARGET_DIR:-target}/debug/reference-docs" "${1:-.}"
mkdir -p "${1:-.}/docs/gitops/argocd"
tools/argocd-cm.sh >"${1:-.}/docs/gitops/argocd/argocd-cm.yaml"
if [ $# = 0 ]; then
  UPDATE_FIXTURES=1 "$CARGO" test --quiet --workspace --exclude devcluster --lib --bins kstatus >/dev/null
  tools/chart/render.sh
fi
