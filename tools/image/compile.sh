#!/bin/sh
# Runs inside the Dockerfile's build stage, in the image's /build.
#   compile.sh prepare    what another architecture needs: a linker and Rust's standard library
#   compile.sh PACKAGE…   the packages' static programs for TARGETARCH: /out/PACKAGE holds all that its image will
set -eu

case "$TARGETARCH" in
  amd64) machine=x86_64 ;;
  arm64) machine=aarch64 ;;
  *) echo "TARGETARCH is amd64 or arm64, not '$TARGETARCH'" >&2; exit 1 ;;
esac
triple=$machine-unknown-linux-gnu
# No compiler writes down where it worked, and nothing asks the clock.
export CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never

foreign() { [ "$(uname -m)" != "$machine" ]; }

prepare() {
  foreign || return 0
  if ! command -v "$machine-linux-gnu-gcc" >/dev/null; then
    apt-get update -qq
    apt-get install -qqy --no-install-recommends "gcc-$(echo $machine | tr _ -)-linux-gnu" "libc6-dev-$TARGETARCH-cross"
  fi
  if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$triple" ]; then
    command -v rustup >/dev/null || { echo "the build image has no Rust standard library for $triple" >&2; exit 1; }
    rustup target add "$triple"
  fi
}

# Members of the workspace that aren't compiled here came as manifests alone; cargo wants a source for each.
stub_members() {
  for manifest in */Cargo.toml */*/Cargo.toml; do
    folder=$(dirname "$manifest")
    case $folder in vendor/*) continue ;; esac
    if [ -f "$manifest" ] && [ ! -d "$folder/src" ]; then
      mkdir "$folder/src"
      echo 'fn main() {}' >"$folder/src/main.rs"
      : >"$folder/src/lib.rs"
    fi
  done
}

# Cargo tells a changed source by its time alone. A cache that serves more than one checkout would answer with
# another's program: so sources count as changed unless they are, byte for byte, those of the last build. What cargo
# doesn't look at (the C compiler, the C library that is linked in) empties the cache when it changes.
freshen() {
  tools=$( (rustc -vV; "$compiler" --version; dpkg-query -W 'libc6*' 'libgcc-*-dev*' 'binutils*' 2>/dev/null) | sha256sum)
  # Neither program is compiled from the other's sources.
  case $1 in entra-emulator) other=./src ;; *) other=./emulator ;; esac
  sources=$(find . \( -path ./target -o -path ./tools/image -o -path "$other" \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  known=target/tools-$TARGETARCH
  if [ -e "$known" ] && [ "$(cat "$known")" != "$tools" ]; then find target/ -mindepth 1 -delete; fi
  echo "$tools" >"$known"
  echo "${FRESH:-}" >target/name
  stamp=target/sources-$1-$TARGETARCH
  if [ "$(cat "$stamp" 2>/dev/null)" != "$sources" ]; then
    rm -f "$stamp"
    find . \( -path ./target -o -path ./vendor -o -path "$other" \) -prune -o -type f -exec touch {} +
  fi
}

compile() {
  stub_members
  compiler=cc
  if foreign; then
    compiler=$machine-linux-gnu-gcc
    upper=$(echo "$triple" | tr a-z- A-Z_)
    export "CARGO_TARGET_${upper}_LINKER=$compiler"
  fi
  if [ -s /run/ca-bundle ]; then export CARGO_HTTP_CAINFO=/run/ca-bundle; fi

  # In the same place with and without the cache: paths of generated code are in the program.
  kept=/cache
  if [ -n "${FRESH:-}" ]; then
    kept=/cache/fresh
    if [ "$(cat $kept/name 2>/dev/null)" != "$FRESH" ]; then rm -rf $kept; fi
    mkdir -p $kept
  fi
  ln -s $kept target
  # One package at a time, so that neither program is compiled with features that only the other one asks for.
  for package in "$@"; do
    freshen "$package"
    RUSTFLAGS="-C target-feature=+crt-static" \
      cargo build --release --locked --package "$package" --bin "$package" --target "$triple" --target-dir target
    mkdir -p "/out/$package/etc/ssl/certs"
    cp "target/$triple/release/$package" LICENSE "/out/$package/"
    cp -L /etc/ssl/certs/ca-certificates.crt "/out/$package/etc/ssl/certs/"
    echo "$sources" >"$stamp"
  done
  mkdir /out/data
}

case "${1:?a package, or prepare}" in
  prepare) prepare ;;
  *) compile "$@" ;;
esac
