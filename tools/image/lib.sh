# Sourced: where things are, and which program builds images here.
# shellcheck shell=bash disable=SC2034

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator
IMAGE_CACHE=$CACHE/image
# The platform that the image is for, in Go's words.
case ${ARCH:=$(uname -m)} in
  x86_64 | amd64) ARCH=amd64 ;;
  aarch64 | arm64) ARCH=arm64 ;;
  *) echo "image: ARCH is amd64 or arm64, not $ARCH" >&2; exit 1 ;;
esac
case $(uname -m) in aarch64) HOST_ARCH=arm64 ;; *) HOST_ARCH=amd64 ;; esac
VERSION=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE_TAG=${IMAGE_TAG:-$VERSION}
# The time that files and labels bear: the commit's, so that the same commit gives the same image.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
if [ -z "${REVISION:-}" ]; then
  REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
  git diff --quiet HEAD 2>/dev/null || REVISION+=-dirty
fi
# What is checked at the end is what was built, whatever happens to the tree meanwhile.
export REVISION

say() { echo "image: $*"; }
die() { echo "image: $*" >&2; exit 1; }

# Installs Debian packages where that needs nobody's consent: as root, on a Debian.
install_packages() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $*"
    { apt-get update -qq && apt-get install -qqy --no-install-recommends "$@"; } >/dev/null 2>&1 || return 1
  else
    return 1
  fi
}

# buildah and podman work on a store of their own: what they leave is known, and no other driver has been there.
# The chroot isolation and the vfs driver need neither namespaces nor overlay mounts; caches of RUN lie in TMPDIR.
# LIMIT: seconds that a call may take.
buildah_() { TMPDIR=$IMAGE_CACHE/tmp ${LIMIT:+timeout "$LIMIT"} buildah --root "$IMAGE_CACHE/buildah" --runroot "$IMAGE_CACHE/run-buildah" --storage-driver vfs "$@"; }
podman_() {
  TMPDIR=$IMAGE_CACHE/tmp ${LIMIT:+timeout "$LIMIT"} podman --root "$IMAGE_CACHE/podman" --runroot "$IMAGE_CACHE/run-podman" --tmpdir "$IMAGE_CACHE/run-podman/tmp" \
    --storage-driver vfs --events-backend none "$@"
}

# Each tool: build ARGUMENTS… | has IMAGE | pull IMAGE | save IMAGE FILE NAME:TAG | forget IMAGE
#   | tidy (containers that an interrupted build left in our store) | empty (all of our store)
image_buildah() {
  local verb=$1
  shift
  case $verb in
    build) buildah_ bud --isolation chroot --layers=false --timestamp "$SOURCE_DATE_EPOCH" "$@" ;;
    has) buildah_ inspect --type image "$1" >/dev/null 2>&1 ;;
    pull) buildah_ pull --quiet --policy missing "$1" ;;
    save) buildah_ push --quiet "$1" "docker-archive:$2:$3" ;;
    forget) buildah_ rmi "$1" >/dev/null ;;
    tidy) buildah_ rm --all >/dev/null 2>&1 || true ;;
    empty) buildah_ rmi --all --force >/dev/null 2>&1 || true ;;
  esac
}
image_podman() {
  local verb=$1
  shift
  case $verb in
    build) podman_ build --isolation chroot --layers=false --timestamp "$SOURCE_DATE_EPOCH" "$@" ;;
    has) podman_ image exists "$1" ;;
    pull) podman_ pull --quiet "$1" ;;
    save) podman_ push --quiet "$1" "docker-archive:$2:$3" ;;
    forget) podman_ rmi "$1" >/dev/null ;;
    tidy) podman_ rm --all --force >/dev/null 2>&1 || true ;;
    empty) podman_ rmi --all --force >/dev/null 2>&1 || true ;;
  esac
}
image_docker() {
  local verb=$1
  shift
  case $verb in
    build) DOCKER_BUILDKIT=1 ${LIMIT:+timeout "$LIMIT"} docker build --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "$@" ;;
    has) docker image inspect "$1" >/dev/null 2>&1 ;;
    pull) ${LIMIT:+timeout "$LIMIT"} docker pull --quiet "$1" ;;
    save) docker tag "$1" "$3" && docker save --output "$2" "$3" ;;
    forget) docker image rm "$1" >/dev/null ;;
    tidy | empty) ;; # docker's store isn't ours
  esac
}

# Builds the smallest image that runs a program, keeps a cache and copies between stages: what our Dockerfile asks for.
probe() {
  local folder
  folder=$(mktemp -d)
  echo 'int main(void) { return 0; }' | cc -static -x c - -o "$folder/true" || die "a C compiler (cc) is needed"
  cat >"$folder/Dockerfile" <<'DOCKERFILE'
FROM scratch AS run
COPY true /true
RUN --mount=type=cache,id=probe,target=/cache ["/true"]
FROM scratch
COPY --from=run /true /true
DOCKERFILE
  local worked=0
  LIMIT=120 "image_$1" build --tag image-probe "$folder" >"$IMAGE_CACHE/probe-$1.log" 2>&1 || worked=1
  rm -rf "$folder"
  [ $worked = 1 ] || "image_$1" forget image-probe 2>/dev/null || true
  return $worked
}

# Sets TOOL to the first that works.
choose_tool() {
  local candidates=${IMAGE_TOOL:-buildah podman docker} tool
  mkdir -p "$IMAGE_CACHE/tmp"
  for tool in $candidates; do
    if command -v "$tool" >/dev/null && probe "$tool"; then TOOL=$tool; return; fi
  done
  if [ -z "${IMAGE_TOOL:-}" ] && ! command -v buildah >/dev/null && install_packages buildah && probe buildah; then
    TOOL=buildah
    return
  fi
  die "none of these builds an image here: $candidates (what they said: $IMAGE_CACHE/probe-*.log). Install buildah: it needs no daemon"
}
image() { local verb=$1; shift; "image_$TOOL" "$verb" "$@"; }
