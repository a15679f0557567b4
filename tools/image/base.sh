#!/usr/bin/env bash
# The build image where no registry can be reached: Debian's compiler and CA roots, and the pinned Rust toolchain as it
# stands on this machine. Sourced by build.sh; sets BUILD_IMAGE.
set -euo pipefail

# The Debian of the Dockerfile's default.
SUITE=bookworm
PACKAGES=(gcc libc6-dev ca-certificates)

make_base() {
  local sysroot folder key
  [ "$(rustc --version | cut -d' ' -f2)" = "$RUST" ] || die "rustc isn't the pinned $RUST: rustup toolchain install"
  sysroot=$(rustc --print sysroot)
  local packages=("${PACKAGES[@]}")
  if [ "$ARCH" != "$HOST_ARCH" ]; then
    case $ARCH in
      arm64) packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
      amd64) packages+=(gcc-x86-64-linux-gnu libc6-dev-amd64-cross) ;;
    esac
  fi
  # REFRESH_BASE=1 makes it anew, with Debian's updates.
  key=$({ cat tools/image/base.sh; rustc -vV; ls "$sysroot/lib/rustlib"; echo "${packages[*]}"; } | sha256sum | cut -c1-16)
  BUILD_IMAGE=localhost/defender-tenant-operator-build:$key
  if [ -z "${REFRESH_BASE:-}" ] && image has "$BUILD_IMAGE"; then return; fi

  command -v mmdebstrap >/dev/null || install_packages mmdebstrap ||
    die "no registry has the build image, and mmdebstrap isn't there to make one: install it, or set BUILD_IMAGE"
  say "making the build image: Debian $SUITE with ${packages[*]}, Rust $RUST (once, about two minutes)"
  folder=$IMAGE_CACHE/base-$key
  # An older one isn't needed any more: it is 1 GB.
  image empty
  rm -rf "$IMAGE_CACHE"/base-*
  mkdir -p "$folder/rust/lib"
  mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" "$SUITE" "$folder/debian.tar"
  # The compiler, cargo and the standard libraries; neither documents nor the tools that no build needs.
  mkdir "$folder/rust/bin"
  cp "$sysroot/bin/rustc" "$sysroot/bin/cargo" "$folder/rust/bin/"
  cp -a "$sysroot/lib/." "$folder/rust/lib/"
  cat >"$folder/Dockerfile" <<'DOCKERFILE'
FROM scratch
ADD debian.tar /
COPY rust /usr/local/rust
# CARGO_HOME as in the official image.
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
DOCKERFILE
  image build --tag "$BUILD_IMAGE" --platform "linux/$HOST_ARCH" "$folder"
  rm -rf "$folder"
}
