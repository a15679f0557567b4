#!/usr/bin/env bash
# The workflows' syntax, expressions and shell scripts: actionlint (which asks shellcheck, where that is installed).
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=v1.7.12
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator
ROOT=$CACHE/actionlint-$VERSION

mkdir -p "$CACHE"
(
  flock 9
  if [ ! -x "$ROOT/actionlint" ]; then
    echo "workflows: building actionlint $VERSION into $ROOT (once, about a minute)"
    GOBIN=$ROOT nice go install "github.com/rhysd/actionlint/cmd/actionlint@$VERSION"
  fi
) 9>"$CACHE/actionlint.lock"
"$ROOT/actionlint"
echo "workflows: well formed"
