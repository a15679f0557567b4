#!/usr/bin/env bash
# Fails where a generated file isn't what the code generates. (Unit tests do so for the objects in tests/kstatus/.)
set -euo pipefail
cd "$(dirname "$0")/.."

FRESH=$(mktemp -d)
trap 'rm -rf "$FRESH"' EXIT
tools/generate.sh "$FRESH"

drifted=0
for generated in crds docs/reference docs/gitops/argocd/argocd-cm.yaml; do
  diff --recursive --unified=1 "$generated" "$FRESH/$generated" || drifted=1
done
if [ "$drifted" = 1 ]; then
  echo "drift: these files aren't what the code generates (-: committed, +: generated): run make crds" >&2
  exit 1
fi
echo "drift: the generated files are up to date"
