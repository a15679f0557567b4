#!/usr/bin/env bash
# `make image`: both images as archives in target/image, their SBOMs, and a look at what they really hold.
#   ARCH=amd64|arm64   IMAGE_TAG=…   IMAGE_TOOL=buildah|podman|docker   BUILD_IMAGE=…   IMAGE_SOURCE=URL   OUT=folder
#   FRESH=1 compiles everything anew   SKIP_SBOM=1
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/image/lib.sh
. tools/image/base.sh

OUT=${OUT:-${CARGO_TARGET_DIR:-target}/image}
mkdir -p "$OUT" "$IMAGE_CACHE"
exec 9>"$IMAGE_CACHE/lock"
flock -n 9 || { say "waiting for another build"; flock 9; }
choose_tool
image tidy
say "built by $TOOL for linux/$ARCH"

RUST=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
grep -qx "ARG BUILD_IMAGE=rust:$RUST-slim-$SUITE" Dockerfile ||
  die "the Dockerfile's BUILD_IMAGE isn't rust:$RUST-slim-$SUITE, as rust-toolchain.toml and tools/image/base.sh have it"

# A registry's image if one can be had, otherwise one of our own.
if [ -z "${BUILD_IMAGE:-}" ]; then
  BUILD_IMAGE=$(sed -n 's/^ARG BUILD_IMAGE=//p' Dockerfile)
  if ! image has "$BUILD_IMAGE" && ! LIMIT=600 image pull "$BUILD_IMAGE" >"$IMAGE_CACHE/pull.log" 2>&1; then
    say "no registry gives $BUILD_IMAGE ($(tail -n1 "$IMAGE_CACHE/pull.log" | cut -c1-120))"
    make_base
  fi
fi

arguments=(
  --platform "linux/$ARCH"
  --build-arg "BUILD_IMAGE=$BUILD_IMAGE" --build-arg "BUILDPLATFORM=linux/$HOST_ARCH" --build-arg "FRESH=${FRESH:+$(date +%s)}"
  --build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION"
  --build-arg "CREATED=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
)
if [ -n "${IMAGE_SOURCE:-}" ]; then arguments+=(--build-arg "SOURCE=$IMAGE_SOURCE"); fi
# What this machine needs to reach the registry of crates, the build needs too.
for name in HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if [ -n "${!name:-}" ]; then arguments+=(--build-arg "$name=${!name}"); fi
done
bundle=${CARGO_HTTP_CAINFO:-${SSL_CERT_FILE:-}}
if [ -s "$bundle" ]; then arguments+=(--secret "id=ca-bundle,src=$bundle"); fi

declare -A names=([operator]=defender-tenant-operator [emulator]=entra-emulator)
for target in operator emulator; do
  name=${names[$target]}
  say "$name: building"
  rm -f "$OUT/$target.tar"
  # By its id, so that the archive bears no other name than ours.
  image build --iidfile "$IMAGE_CACHE/id" --target "$target" "${arguments[@]}" .
  id=$(<"$IMAGE_CACHE/id")
  image save "$id" "$OUT/$target.tar" "$name:$IMAGE_TAG"
  # The archive is the product; a store would only grow.
  if [ "$TOOL" != docker ]; then image forget "$id"; fi
done

[ -n "${SKIP_SBOM:-}" ] || tools/image/sbom.sh "$OUT"
tests/image/run.sh "$OUT"
