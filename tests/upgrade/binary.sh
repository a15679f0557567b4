#!/usr/bin/env bash
# Prints the path of a frozen release's operator, built from its own commit if this machine has none yet.
#   tests/upgrade/binary.sh v0.1.0
# Libraries that are the same are taken from the folder of the current build (TARGET, default: target).
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:?a release: $(ls tests/upgrade/releases)}
commit=$(<"tests/upgrade/releases/$version/commit")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator/releases
PROGRAM=$CACHE/$commit/defender-tenant-operator
TARGET=$(realpath -m "${TARGET:-target}")

if [ ! -x "$PROGRAM" ]; then
  mkdir -p "$CACHE/$commit" "$TARGET"
  exec 9>"$CACHE/lock"
  flock 9
fi
if [ ! -x "$PROGRAM" ]; then
  if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "upgrade: the commit of $version, $commit, isn't in this clone, so its operator can't be built." >&2
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
      echo "upgrade: the clone is shallow: git fetch --unshallow" >&2
    else
      echo "upgrade: fetch it (git fetch --tags), or freeze the release again (tests/upgrade/freeze.sh)" >&2
    fi
    exit 1
  fi
  echo "upgrade: building the operator of $version (once; a minute or two on two cores)" >&2
  # Beside the current build's folder, so that hard links reach it.
  WORK=$(mktemp -d "$TARGET/release-XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  mkdir -p "$WORK/source" "$WORK/target/debug/deps"
  git archive "$commit" | tar -x -C "$WORK/source"

  # Cargo takes a library that has the same source, features, profile and compiler as one that it finds. What it may write
  # to is copied, libraries are linked. Of our own packages nothing is taken: two versions of one path look alike to it.
  if [ -d "$TARGET/debug/.fingerprint" ]; then
    cp -a "$TARGET/debug/.fingerprint" "$TARGET/debug/build" "$WORK/target/debug/"
    find "$TARGET/debug/deps" -maxdepth 1 -type f \( -name '*.rlib' -o -name '*.rmeta' -o -name '*.so' \) -print0 |
      xargs -0 -r cp -l -t "$WORK/target/debug/deps"
    cargo metadata --no-deps --offline --format-version 1 |
      python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    print(package["name"])
    for target in package["targets"]: print(target["name"])' | sort -u |
      while read -r name; do
        rm -rf "$WORK/target/debug/.fingerprint/$name"-* "$WORK/target/debug/build/$name"-* \
          "$WORK/target/debug/deps/lib${name//-/_}"-*
      done
  fi
  # With --workspace, as the current one is built: with -p cargo would choose other features.
  (cd "$WORK/source" && CARGO_TARGET_DIR=$WORK/target CARGO_INCREMENTAL=0 nice cargo build --quiet --locked --workspace \
    --bin defender-tenant-operator >&2)
  # Whole or not at all.
  mv "$WORK/target/debug/defender-tenant-operator" "$PROGRAM.part"
  mv "$PROGRAM.part" "$PROGRAM"
fi
echo "$PROGRAM"
