#!/usr/bin/env bash
# From each frozen release (tests/upgrade/releases/) to this one, on a real API server without a node: the charts by both
# Helms, the operators as processes that overlap as in a roll-out.
#   tests/upgrade/run.sh [v0.1.0]…
set -euo pipefail
cd "$(dirname "$0")/../.."

export BIN=${BIN:-target/debug}
for program in defender-tenant-operator entra-emulator devcluster; do
  [ -x "$BIN/$program" ] || { echo "no $BIN/$program: run make build" >&2 && exit 1; }
done
HELM_4=$(tools/bin.sh helm-4)
HELM_3=$(tools/bin.sh helm-3)
PYTHON=$(tools/chart/python.sh)
export HELM_3 HELM_4

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export PYTHONPATH=tests/upgrade:tests/chart PYTHONDONTWRITEBYTECODE=1

# Most of the time it is waited for a Lease: the modes have a cluster each, and run side by side.
story() {
  AUDIT_LOG=$WORK/$1.audit "$BIN/devcluster" run --with-parent --audit-log "$WORK/$1.audit" -- "$PYTHON" tests/upgrade/story.py "$1"
}

releases=("$@")
[ $# -gt 0 ] || mapfile -t releases < <(ls tests/upgrade/releases)
for version in "${releases[@]}"; do
  OLD=tests/upgrade/releases/$version
  OLD_OPERATOR=$(TARGET=$(dirname "$BIN") tests/upgrade/binary.sh "$version")
  export OLD OLD_OPERATOR
  story namespaces >"$WORK/namespaces.log" 2>&1 &
  failed=0
  story cluster || failed=1
  wait $! || failed=1
  cat "$WORK/namespaces.log"
  [ "$failed" = 0 ] || exit 1
done
