# shellcheck shell=bash
# Sourced at the repository's root: programs in Go that the tests ask, built once.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator
mkdir -p "$CACHE"

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

# go_program FOLDER: builds it once into the cache, and says where it is. Two at once build one after the other, and what
# is half-built is never taken for whole.
go_program() {
  local name program
  name=$(basename "$1")
  program=$CACHE/$name-$(hash_of "$1/go.mod" "$1/go.sum" "$1"/*.go)
  (
    flock 8
    [ -x "$program" ] && exit
    echo "tests: building $name into $program (once; minutes)" >&2
    cd "$1" && GOFLAGS="-mod=readonly -trimpath" go build -o "$program.part" . && mv "$program.part" "$program"
  ) 8>"$CACHE/$name.lock" || return 1
  echo "$program"
}
