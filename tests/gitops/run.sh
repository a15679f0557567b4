#!/usr/bin/env bash
# What GitOps engines make of the operator's conditions and manifests, asked of their own code: Argo CD's (settings, Lua
# health checks, diff) and Flux's (kstatus, health check expressions).
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=../go_program.sh
. tests/go_program.sh

failed=0
for engine in argocd flux; do
  program=$(go_program "tests/gitops/$engine")
  lines=$("$program" .) || failed=1
  passed=$(grep -c '^ok ' <<<"$lines" || true)
  if [ -n "${VERBOSE:-}" ]; then echo "$lines"; else grep -v '^ok ' <<<"$lines" || true; fi
  echo "gitops: $engine: $passed passed, $(grep -c '^FAILED ' <<<"$lines" || true) failed"
  # Each object of tests/kstatus is one check at the least.
  [ "$passed" -ge "$(cat tests/kstatus/*.json | grep -o '"expected":' | wc -l)" ] || failed=1
done
[ "$failed" = 0 ]
