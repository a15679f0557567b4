#!/usr/bin/env bash
# Other people's programs against ours: MSAL, azure-identity and curl get tokens from the emulator, the consumer examples
# of the docs use a token that the operator wrote, and kstatus judges the operator's conditions.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BIN=${BIN:-target/debug}
# shellcheck source=../go_program.sh
. tests/go_program.sh

for program in defender-tenant-operator entra-emulator devcluster; do
  [ -x "$BIN/$program" ] || { echo "no $BIN/$program: run make build" >&2 && exit 1; }
done

# Two runs at once build one after the other; what is half-built is never taken for whole.
exec 9>"$CACHE/interop.lock"
flock 9

INTEROP_VENV=$CACHE/interop-$(hash_of tests/interop/requirements.txt)
if [ ! -e "$INTEROP_VENV/complete" ]; then
  echo "interop: installing MSAL and azure-identity into $INTEROP_VENV (once, seconds)"
  rm -rf "$INTEROP_VENV"
  python3 -m venv "$INTEROP_VENV"
  "$INTEROP_VENV/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --requirement tests/interop/requirements.txt
  touch "$INTEROP_VENV/complete"
fi

KSTATUS=$(go_program tests/kstatus)
MSAL_GO=$(go_program tests/interop/msal-go)

export INTEROP_VENV KSTATUS MSAL_GO
flock -u 9
exec 9>&-

exec "$BIN/devcluster" run -- bash tests/interop/checks.sh
