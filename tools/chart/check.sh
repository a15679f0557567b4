#!/usr/bin/env bash
# The chart against a real API server: BIN is the folder with what `make build` makes; DEVCLUSTER_MINOR=1.34 for the oldest one.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BIN=${BIN:-target/debug}
for program in defender-tenant-operator entra-emulator devcluster; do
  [ -x "$BIN/$program" ] || { echo "no $BIN/$program: run make build" >&2 && exit 1; }
done
HELM_4=$(tools/bin.sh helm-4)
HELM_3=$(tools/bin.sh helm-3)
KUBECONFORM=$(tools/bin.sh kubeconform)
PYTHON=$(tools/chart/python.sh)
export HELM_3 HELM_4 KUBECONFORM PYTHON

# shellcheck disable=SC2016
exec "$BIN/devcluster" run -- bash -euc '
  tests/chart/cluster.sh
  kubectl delete namespace home soc noc defender-tenant-operator >/dev/null
  for helm in "$HELM_4" "$HELM_3"; do HELM=$helm tests/chart/lifecycle.sh; done
  "$PYTHON" tests/chart/trial.py
'
