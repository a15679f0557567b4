#!/usr/bin/env bash
# Run by run.sh inside a devcluster, which ends and removes whatever this leaves.
set -euo pipefail
HERE=$(dirname "$0")
# shellcheck source=lib.sh
. "$HERE/lib.sh"

start_emulator
# shellcheck source=kstatus.sh
. "$HERE/kstatus.sh"
# shellcheck source=clients.sh
. "$HERE/clients.sh"
# shellcheck source=examples.sh
. "$HERE/examples.sh"

conditions_before_the_operator
start_operator
clients
conditions_of_the_operator
conditions_of_every_reason
examples
conditions_after_two_minutes

kill -0 "$OPERATOR" || fail "the operator ended"
printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
[ "$FAILED" = 0 ]
