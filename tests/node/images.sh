#!/usr/bin/env bash
# The archives for the node, into target/image: those of `make image`, unless they were made of the same files before, and
# the consumer's, which is this machine's curl and busybox.
set -euo pipefail
cd "$(dirname "$0")/../.."

OUT=${CARGO_TARGET_DIR:-target}/image
mkdir -p "$OUT"

# What .dockerignore lets into the build, and the build itself.
inputs() {
  git ls-files -z --cached --others --exclude-standard -- Cargo.toml Cargo.lock LICENSE src emulator devcluster/Cargo.toml \
    tools/docs/Cargo.toml benches/Cargo.toml simulator/Cargo.toml tools/image Dockerfile .dockerignore rust-toolchain.toml |
    sort -z | xargs -0 sha256sum | sha256sum
}
now=$(inputs)
if [ ! -e "$OUT/operator.tar" ] || [ ! -e "$OUT/emulator.tar" ] || [ "$now" != "$(cat "$OUT/inputs" 2>/dev/null)" ]; then
  rm -f "$OUT/inputs"
  env -u IMAGE_TAG -u ARCH SKIP_SBOM=1 tools/image/build.sh
  echo "$now" >"$OUT/inputs"
fi

# No registry is asked, so the consumer's image is of programs that are here, with the libraries that they load.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir "$root/bin"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh cat mktemp rm sleep sed; do ln -s busybox "$root/bin/$name"; done
cp "$(command -v curl)" "$root/bin/curl"
ldd "$root/bin/curl" | grep -o '/[^ ]*' | while read -r library; do install -D "$(realpath "$library")" "$root$library"; done
python3 tests/node/archive.py "$root" consumer:node "$OUT/consumer.tar"
