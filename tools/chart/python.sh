#!/usr/bin/env bash
# Prints the path of a Python that has what the chart's generator and tests need (tests/chart/requirements.txt).
set -euo pipefail
cd "$(dirname "$0")/../.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/defender-tenant-operator
VENV=$CACHE/chart-$(sha256sum tests/chart/requirements.txt | cut -c1-16)
if [ ! -e "$VENV/complete" ]; then
  mkdir -p "$CACHE"
  exec 9>"$CACHE/chart.lock"
  flock 9
  if [ ! -e "$VENV/complete" ]; then
    echo "chart: installing pytest and PyYAML into $VENV (once, seconds)" >&2
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
      --requirement tests/chart/requirements.txt >&2
    touch "$VENV/complete"
  fi
fi
echo "$VENV/bin/python"
