#!/usr/bin/env bash
# What the pages about operating promise, on a real API server: quota and roles of the tenancy examples, backup and
# restore, removal by the very commands of docs/uninstall.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BIN=${BIN:-target/debug}
for program in defender-tenant-operator entra-emulator devcluster; do
  [ -x "$BIN/$program" ] || { echo "no $BIN/$program: run make build" >&2 && exit 1; }
done
for program in curl openssl python3; do
  command -v "$program" >/dev/null || { echo "tests/operations needs $program" >&2 && exit 1; }
done

exec "$BIN/devcluster" run --with-parent -- bash tests/operations/checks.sh
