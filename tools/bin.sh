#!/usr/bin/env bash
# Prints the path of a tool of tools/go/, built from its pinned module when this machine has none yet.
#   tools/bin.sh helm-4 | helm-3 | kubeconform | kube-score | helm-docs
set -euo pipefail
cd "$(dirname "$0")/go"

name=${1:-}
if [ ! -e "$name/go.mod" ]; then
  echo "tools/bin.sh: no tool \"$name\": one of $(printf '%s ' */ | tr -d /)" >&2
  exit 2
fi
command -v go >/dev/null || { echo "tools/bin.sh: $name is built with Go 1.26 or newer, and there is no go on the PATH" >&2; exit 1; }

cd "$name"
package=$(sed -n 's/^tool //p' go.mod)
# The module is the longest one that the package's path begins with.
version=$(sed -nE 's/^(require)?[[:space:]]+([^ ]+) (v[^ ]+).*/\2 \3/p' go.mod |
  while read -r module version; do case $package/ in "$module"/*) echo "${#module} $version" ;; esac; done | sort -n | tail -1 | cut -d' ' -f2)

# What a release is stamped with. Unstamped, Helm 3 lints and renders as for Kubernetes 1.20, where a chart that asks for a
# newer one fails; Helm 4 reads the version from its own go.mod.
flags="-s -w"
case $name in
helm-*)
  flags+=" -X helm.sh/helm/v${name#helm-}/internal/version.version=$version"
  minor=$(sed -nE 's|^[[:space:]]+k8s.io/client-go v0\.([0-9]+)\..*|\1|p' go.mod)
  for room in lint/rules chartutil; do
    flags+=" -X helm.sh/helm/v3/pkg/$room.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$room.k8sVersionMinor=$minor"
  done
  ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator/tools
program=$cache/$name-$version-$( (cat go.mod go.sum; echo "$flags") | sha256sum | cut -c1-12)
if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  # Two runs at once build one after the other; what is half-built is never taken for whole.
  exec 9>"$cache/lock"
  flock 9
  if [ ! -x "$program" ]; then
    echo "tools: building $name $version (once, up to three minutes on two cores)" >&2
    # Other builds' settings are not this one's concern.
    env -u GOFLAGS CGO_ENABLED=0 GOWORK=off nice go build -buildvcs=false -mod=readonly -trimpath -ldflags "$flags" -o "$program.part" "$package"
    mv "$program.part" "$program"
  fi
fi
echo "$program"
