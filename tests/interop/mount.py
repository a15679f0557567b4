"""Lays a Secret (`kubectl get secret -o json` on standard input) into a folder as the kubelet mounts it.

    mount.py FOLDER [KEY=VALUE…]      with other values for some keys

The files are links to `..data/KEY`; `..data` is a link to a folder with the values, turned in one step on each change.
"""

import base64
import json
import os
import pathlib
import shutil
import sys
import tempfile

folder = pathlib.Path(sys.argv[1])
values = {key: base64.b64decode(value) for key, value in json.load(sys.stdin)["data"].items()}
values |= {key: value.encode() for key, value in (pair.split("=", 1) for pair in sys.argv[2:])}

folder.mkdir(exist_ok=True)
data = folder / "..data"
old = data.resolve() if data.is_symlink() else None
new = pathlib.Path(tempfile.mkdtemp(prefix="..", dir=folder))
for key, value in values.items():
    (new / key).write_bytes(value)
turned = folder / "..data_tmp"
turned.symlink_to(new.name)
os.rename(turned, data)
for key in values:
    if not (folder / key).is_symlink():
        (folder / key).symlink_to(f"..data/{key}")
if old:
    shutil.rmtree(old)
