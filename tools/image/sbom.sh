#!/usr/bin/env bash
# CycloneDX of each program, beside its image: operator.cdx.json and emulator.cdx.json. sbom.sh [FOLDER]
# cargo-cyclonedx lists what cargo's metadata resolves for the whole workspace; of that stays what `cargo tree` says is
# compiled for the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/image/lib.sh
OUT=$(realpath -m "${1:-${CARGO_TARGET_DIR:-target}/image}")
mkdir -p "$OUT" "$CACHE"

CYCLONEDX_VERSION=0.5.9
ROOT=$CACHE/cargo-cyclonedx-$CYCLONEDX_VERSION
(
  flock 8
  if [ ! -x "$ROOT/bin/cargo-cyclonedx" ]; then
    say "building cargo-cyclonedx $CYCLONEDX_VERSION into $ROOT (once, about three minutes on two cores)"
    env -u CARGO_TARGET_DIR nice cargo install --quiet --locked "cargo-cyclonedx@$CYCLONEDX_VERSION" --root "$ROOT"
  fi
) 8>"$CACHE/cargo-cyclonedx.lock"

machine=x86_64
[ "$ARCH" = amd64 ] || machine=aarch64
triple=$machine-unknown-linux-gnu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# It writes beside each manifest, so in a copy.
cp -r Cargo.toml Cargo.lock src emulator devcluster benches simulator "$work/"
mkdir "$work/tools"
cp -r tools/docs "$work/tools/"
"$ROOT/bin/cargo-cyclonedx" cyclonedx --quiet --manifest-path "$work/Cargo.toml" --format json --spec-version 1.5 \
  --describe binaries --target "$triple"

sbom() { # NAME PACKAGE FOLDER: the package's folder in the workspace
  cargo tree --quiet --locked --package "$2" --edges normal,build --target "$triple" --prefix none --format '{p}' |
    python3 tools/image/exact_sbom.py "$work/$3/$2_bin.cdx.json" "$OUT/$1.cdx.json"
}
sbom operator defender-tenant-operator .
sbom emulator entra-emulator emulator
