#!/usr/bin/env bash
# Looks at the archives that `make image` wrote, and runs what is in them as a container would: as their own user, in
# their own root, which can't be written. `run.sh [FOLDER]`
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/image/lib.sh
OUT=${1:-${CARGO_TARGET_DIR:-target}/image}

# chroot and mounts want a root; one in a user namespace will do.
if [ "$(id -u)" != 0 ]; then
  if unshare --user --map-root-user --map-auto true 2>/dev/null; then exec unshare --user --map-root-user --map-auto "$0" "$@"; fi
  sudo -n true || die "run tests/image/run.sh as root: no user namespaces here"
  exec sudo --preserve-env "$0" "$@"
fi
if [ -z "${IMAGE_TEST_MOUNTS:-}" ]; then IMAGE_TEST_MOUNTS=1 exec unshare --mount "$0" "$@"; fi

work=$(mktemp -d)
emulator=
finish() {
  if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; fi
  umount --recursive --lazy "$work"/* 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT
chmod 755 "$work"

unpack() { # FILE PROGRAM
  mkdir "$work/$2"
  python3 tests/image/inspect_archive.py "$OUT/$1.tar" "$2:$IMAGE_TAG" "$2" "$REVISION" "$work/$2"
  mount --bind "$work/$2" "$work/$2"
  # Every container has these: a static program's random numbers come from /dev/urandom.
  mkdir "$work/$2/dev"
  mount -t tmpfs tmpfs "$work/$2/dev"
  local device
  for device in null zero random urandom; do
    : >"$work/$2/dev/$device"
    mount --bind "/dev/$device" "$work/$2/dev/$device"
  done
  mount -o remount,ro,bind "$work/$2"
  if (: >"$work/$2/file") 2>/dev/null; then die "$2: the root can be written: this test shows nothing"; fi
}
chroot=$(command -v chroot) # it is found before the environment is emptied
inside() { # PROGRAM ARGUMENTS…
  env -i "$chroot" --userspec=65532:65532 --groups= "$work/$1" "/$1" "${@:2}"
}

unpack operator defender-tenant-operator
unpack emulator entra-emulator

# No certificate in them that this machine added to its own roots: only Debian's.
cmp "$work"/*/etc/ssl/certs/ca-certificates.crt
roots=$(grep -c 'BEGIN CERTIFICATE' "$work/entra-emulator/etc/ssl/certs/ca-certificates.crt")
[ "$roots" -gt 100 ] || die "only $roots CA roots"

if [ "$ARCH" != "$HOST_ARCH" ] && ! inside defender-tenant-operator version >/dev/null 2>&1; then
  say "programs for $ARCH don't run on this machine: not run"
  exit 0
fi
[ "$(inside defender-tenant-operator version)" = "$VERSION" ] || die "the operator's version isn't $VERSION"
diff <(inside defender-tenant-operator crds) <(cat crds/defendertenants.yaml; echo ---; cat crds/defenderapplications.yaml) >/dev/null || die "the CRDs of the image aren't those of crds/"
[ "$(inside entra-emulator --version)" = "entra-emulator $VERSION" ] || die "the emulator's version isn't $VERSION"
# Bad configuration is told as such, so arguments and environment arrive.
if inside defender-tenant-operator run --listen nowhere >/dev/null 2>"$work/said"; then die "a wrong flag is accepted"; fi
grep -q -- --listen "$work/said" || die "a wrong flag isn't told"

# The emulator serves TLS and its control port, and ends on SIGTERM; its one file goes to the volume.
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$work/entra-emulator/data"
mkfifo "$work/first"
env -i "$chroot" --userspec=65532:65532 --groups= "$work/entra-emulator" /entra-emulator \
  --listen 127.0.0.1:0 --proxy 127.0.0.1:0 --control 127.0.0.1:0 --ca-file /data/ca.crt >"$work/first" 2>"$work/log" &
emulator=$!
read -r -t 30 ports <"$work/first" || { cat "$work/log" >&2; die "the emulator doesn't say its ports"; }
port() { sed -n "s/.*\"$1\":\"127.0.0.1:\([0-9]*\)\".*/\1/p" <<<"$ports"; }
curl -sSf --noproxy '*' "http://127.0.0.1:$(port control)/openapi.json" >/dev/null
instance=$(curl -sSf --noproxy '*' --cacert "$work/entra-emulator/data/ca.crt" \
  --connect-to "login.microsoftonline.com:443:127.0.0.1:$(port listen)" \
  "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/common/oauth2/v2.0/authorize")
[[ $instance == *tenant_discovery_endpoint* ]] || die "the emulator doesn't serve TLS"
kill -TERM "$emulator"
wait "$emulator" || die "the emulator doesn't end well on SIGTERM"
emulator=
say "both images are as promised, and their programs run"
