#!/usr/bin/env bash
# `make test-node`: the images of the Dockerfile, installed by the real Helm (4 and 3) on a node on which pods run. Needs root
# and what devcluster/node-packages.sh installs; where a part is missing, devcluster says which, and this fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

export BIN=${BIN:-target/debug}
[ -x "$BIN/devcluster" ] || { echo "no $BIN/devcluster: run make build" >&2 && exit 1; }
for program in busybox curl git python3; do
  command -v "$program" >/dev/null || { echo "tests/node needs $program" >&2 && exit 1; }
done
# Before the images, which take minutes the first time, where this takes seconds.
"$BIN/devcluster" run --node --with-parent -- true

tests/node/images.sh
HELM_4=$(tools/bin.sh helm-4)
HELM_3=$(tools/bin.sh helm-3)
PYTHON=$(tools/chart/python.sh)
export HELM_4 HELM_3 PYTHON
IMAGES=${CARGO_TARGET_DIR:-target}/image

exec "$BIN/devcluster" run --node --with-parent --image "$IMAGES/operator.tar" --image "$IMAGES/emulator.tar" \
  --image "$IMAGES/consumer.tar" -- bash tests/node/checks.sh
