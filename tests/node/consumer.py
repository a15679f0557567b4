"""consumer.py PROXY: the pod of docs/examples/pod-volume.yaml with docs/examples/curl.sh in it, as they stand there, but for
the image, the way to the emulator, and how often it calls: a line for each call, and 75 or so a minute."""

import json
import sys

import yaml

# curl.sh forgives a 401 as long as its patience lasts. Here it has none, so that each one counts. Defender, and so the
# emulator, takes 100 calls a minute from a customer.
CALLS = r"""
n=0 failed=0
while [ ! -e /tmp/stop ]; do
  n=$((n + 1))
  if sh /scripts/curl.sh '/api/alerts?$top=1' >/tmp/answer 2>/tmp/error; then
    echo "call $n ok"
  else
    failed=$((failed + 1))
    echo "call $n FAILED" $(sed -nE 's/^(status [0-9a-z]+|curl: \([0-9]+\)).*/\1/p' /tmp/error)
  fi
  sleep 0.7
done
echo "calls $n failed $failed"
"""

with open("docs/examples/pod-volume.yaml", encoding="utf-8") as file:
    pod = yaml.safe_load(file)
pod["metadata"].update(name="consumer", namespace="soc")
pod["spec"]["restartPolicy"] = "Never"
(container,) = pod["spec"]["containers"]
container["image"] = "consumer:node"
container["args"] = [CALLS]
container["env"] += [
    {"name": "DEFENDER_PATIENCE", "value": "0"},
    {"name": "HTTPS_PROXY", "value": sys.argv[1]},
    {"name": "CURL_CA_BUNDLE", "value": "/ca/ca.crt"},
]
container["volumeMounts"].append({"name": "ca", "mountPath": "/ca", "readOnly": True})
pod["spec"]["volumes"].append({"name": "ca", "configMap": {"name": "microsoft-ca"}})
json.dump(pod, sys.stdout)
