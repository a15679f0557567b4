#!/usr/bin/env bash
# Other people's programs against ours: MSAL, azure-identity and curl get tokens from the emulator, the consumer examples
# of the docs use a token that the operator wrote, and kstatus judges the operator's conditions.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BIN=${BIN:-target/debug}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator
mkdir -p "$CACHE"

for program in defender-tenant-operator entra-emulator devcluster; do
  [ -x "$BIN/$program" ] || { echo "no $BIN/$program: run make build" >&2 && exit 1; }
done

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

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

KSTATUS=$CACHE/kstatus-$(hash_of tests/kstatus/go.mod tests/kstatus/go.sum tests/kstatus/main.go)
if [ ! -x "$KSTATUS" ]; then
  echo "interop: building kstatus into $KSTATUS (once, about a minute)"
  (cd tests/kstatus && GOFLAGS="-mod=readonly -trimpath" go build -o "$KSTATUS.part" .)
  mv "$KSTATUS.part" "$KSTATUS"
fi

export INTEROP_VENV KSTATUS
flock -u 9
exec 9>&-

exec "$BIN/devcluster" run -- bash tests/interop/checks.sh
