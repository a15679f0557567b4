"""Compares what kstatus said with what the objects of reasons.json expect of it: reasons.py reasons.json JUDGED"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    expected = {
        f"{item['metadata']['namespace']}/{item['metadata']['name']}": item["metadata"]["annotations"]["expected"]
        for item in json.load(file)["items"]
    }
with open(sys.argv[2], encoding="utf-8") as file:
    actual = dict(line.split(" ", 2)[:2] for line in file)

for name, status in expected.items():
    said = actual.get(name, "nothing")
    what = f"{name.split('/')[1]} is {status}"
    print(f"ok {what}" if said == status else f"FAILED {what}: kstatus says {said}")
