#!/usr/bin/env bash
# Pushes what `make image` wrote for both architectures, and the chart, to $REGISTRY (host and path; log in before).
# publish.sh FILES OUT
#   FILES/image-{amd64,arm64}/   the folders target/image of two machines
#   OUT/                         SBOMs, chart, SHA256SUMS, and references.txt: "NAME@DIGEST SBOM" of all that was pushed
set -euo pipefail
cd "$(dirname "$0")/../.."
. tools/image/lib.sh
FILES=$1 OUT=$2
: "${REGISTRY:?the registry to push to: host and path}"
[ "${TAG:-v$VERSION}" = "v$VERSION" ] || die "the tag $TAG isn't the version of Cargo.toml, $VERSION"
rm -rf "$OUT"
mkdir -p "$OUT"

push() { # TARGET NAME
  local list=release-$1 target=$REGISTRY/$2:$VERSION arch
  buildah manifest rm "$list" >/dev/null 2>&1 || true
  buildah manifest create "$list" >/dev/null
  for arch in amd64 arm64; do
    buildah manifest add "$list" "docker-archive:$FILES/image-$arch/$1.tar" >/dev/null
    cp "$FILES/image-$arch/$1.cdx.json" "$OUT/$2-$arch.cdx.json"
  done
  buildah manifest push --all --format oci --rm --digestfile "$OUT/digest" "$list" "docker://$target"
  # buildah 1.28 ends with 0 also when the push failed.
  [ -s "$OUT/digest" ] || die "$target wasn't pushed"
  # One SBOM is attached: the libraries of both architectures are the same but for a few names.
  echo "$REGISTRY/$2@$(cat "$OUT/digest") $2-amd64.cdx.json" >>"$OUT/references.txt"
  rm "$OUT/digest"
}
push operator defender-tenant-operator
push emulator entra-emulator

helm package charts/defender-tenant-operator --version "$VERSION" --app-version "$VERSION" --destination "$OUT"
# Its digest is told in what it says.
helm push "$OUT/defender-tenant-operator-$VERSION.tgz" "oci://$REGISTRY/charts" 2>&1 | tee "$OUT/helm.log"
echo "$REGISTRY/charts/defender-tenant-operator@$(sed -n 's/^Digest: *//p' "$OUT/helm.log")" >>"$OUT/references.txt"
rm "$OUT/helm.log"

(cd "$OUT" && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
cat "$OUT/references.txt"
