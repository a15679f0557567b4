#!/usr/bin/env bash
# Licences, bans, sources and, where the network has the database, advisories of every library in the tree: deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.20.2
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator
ROOT=$CACHE/cargo-deny-$VERSION
DENY=$ROOT/bin/cargo-deny

mkdir -p "$CACHE"
(
  flock 9
  if [ ! -x "$DENY" ]; then
    echo "deny: building cargo-deny $VERSION into $ROOT (once, about five minutes on two cores)"
    # A target folder of its own that goes away: this project's is not its concern.
    env -u CARGO_TARGET_DIR nice cargo install --quiet --locked "cargo-deny@$VERSION" --root "$ROOT"
  fi
) 9>"$CACHE/cargo-deny.lock"

# An exception that nothing needs any more is an error too.
"$DENY" --locked check -D unmatched-skip -D unnecessary-skip -D license-exception-not-encountered bans licenses sources

if GIT_TERMINAL_PROMPT=0 timeout 120 "$DENY" --locked fetch db >/dev/null 2>&1; then
  "$DENY" --locked check --disable-fetch advisories
else
  echo "deny: the advisory database can't be fetched from here: advisories were not checked"
fi
