#!/usr/bin/env bash
# `make image-reproducible`: builds the same sources a second time, in another folder and without anything that was
# compiled before, and compares with the archives of `make image`: programs, images, SBOMs.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/image/lib.sh
OUT=$(realpath "${CARGO_TARGET_DIR:-target}/image")
[ -s "$OUT/operator.tar" ] || die "make image first"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# As git sees the tree, changes included; times as they happen to be now.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [ -e "$file" ]; then cp --parents "$file" "$work/"; fi
done
# There is no history there: the commit and its time come along.
(cd "$work" && REVISION=$REVISION FRESH=1 OUT=$work/again env -u CARGO_TARGET_DIR tools/image/build.sh >"$OUT/second-build.log" 2>&1) ||
  { tail -n 20 "$OUT/second-build.log" >&2; die "the second build failed"; }

differ=0
compare() { # WHAT FIRST SECOND
  echo "$1"
  echo "  first   sha256:$2"
  echo "  second  sha256:$3"
  [ "$2" = "$3" ] || differ=1
}
digest() { sha256sum | cut -d' ' -f1; }
program() { # ARCHIVE PROGRAM: its bytes, from whichever layer holds it
  local layer
  for layer in $(tar -xOf "$1" manifest.json | python3 -c 'import json, sys; print(*json.load(sys.stdin)[0]["Layers"])'); do
    tar -xOf "$1" "$layer" | tar -xO "$2" 2>/dev/null && return
  done
}
configuration() { tar -xOf "$1" "$(tar -xOf "$1" manifest.json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["Config"])')"; }
for pair in operator:defender-tenant-operator emulator:entra-emulator; do
  archive=${pair%:*}.tar name=${pair#*:}
  compare "$name: program" "$(program "$OUT/$archive" "$name" | digest)" "$(program "$work/again/$archive" "$name" | digest)"
  compare "$name: image" "$(configuration "$OUT/$archive" | digest)" "$(configuration "$work/again/$archive" | digest)"
  compare "$name: SBOM" "$(digest <"$OUT/${pair%:*}.cdx.json")" "$(digest <"$work/again/${pair%:*}.cdx.json")"
done
[ $differ = 0 ] || die "not reproducible"
say "two builds, one result"
