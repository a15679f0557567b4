#!/usr/bin/env bash
# Keeps a release for the test of upgrades: its chart as it was, and which commit its binary is built from.
#   tests/upgrade/freeze.sh v0.1.0 COMMIT
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ $# != 2 ] || ! [[ $1 =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  echo "usage: tests/upgrade/freeze.sh vMAJOR.MINOR.PATCH COMMIT" >&2
  exit 2
fi
version=$1
commit=$(git rev-parse --verify --quiet "$2^{commit}") || { echo "freeze: no commit $2 in this clone" >&2; exit 1; }
said=$(git show "$commit:charts/defender-tenant-operator/Chart.yaml" | sed -n 's/^version: *//p')
if [ "v$said" != "$version" ]; then
  echo "freeze: the chart of $commit has the version $said, not ${version#v}" >&2
  exit 1
fi

release=tests/upgrade/releases/$version
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
git archive "$commit" charts/defender-tenant-operator | tar -x -C "$fresh"
rm -rf "$release"
mkdir -p "$release"
mv "$fresh/charts/defender-tenant-operator" "$release/chart"
echo "$commit" >"$release/commit"
echo "freeze: $release is the chart of $commit; commit it, and run make test-upgrade"
