#!/usr/bin/env bash
# Run by run.sh inside a devcluster, which ends and removes whatever this leaves.
set -euo pipefail
OPERATIONS=$(dirname "$0")
HERE=$OPERATIONS/../interop
export INTEROP_VENV=/usr
# shellcheck source=../interop/lib.sh
. "$HERE/lib.sh"
export PYTHON=python3

# shellcheck source=tenancy.sh
. "$OPERATIONS/tenancy.sh"
# shellcheck source=backup.sh
. "$OPERATIONS/backup.sh"
# shellcheck source=uninstall.sh
. "$OPERATIONS/uninstall.sh"

kubectl apply -f crds/ >/dev/null
kubectl wait --for=condition=Established --timeout=30s crd/defendertenants.defendertenant.io \
  crd/defenderapplications.defendertenant.io >/dev/null
kubectl create namespace defender-tenant-operator >/dev/null

start_emulator
backup
tenancy
uninstall

printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
[ "$FAILED" = 0 ]
