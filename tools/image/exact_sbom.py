"""Cuts cargo-cyclonedx's document down to what is compiled for the program, and takes out the folder it was made in.

Usage: cargo tree --prefix none --format {p} … | exact_sbom.py MADE WRITTEN
"""

import json
import re
import sys

made, written = sys.argv[1:]
with open(made) as file:
    # References to members of the workspace hold its path; everything else is a registry's.
    document = json.loads(re.sub(r'path\+file:///[^"#]*', "path+file:///", file.read()))

compiled = {tuple(line.split()[:2]) for line in sys.stdin if line.strip()}


def crate(component):
    return component["name"], "v" + component["version"]


subject = document["metadata"]["component"]
document["components"] = [part for part in document["components"] if crate(part) in compiled]
listed = {crate(part) for part in [subject, *document["components"]]}
if listed != compiled:
    sys.exit(f"sbom: {made} doesn't list what is compiled: {sorted(compiled - listed)}")

references = [subject["bom-ref"], *(part["bom-ref"] for part in document["components"])]
if len(references) != len(set(references)):
    sys.exit(f"sbom: {made}: one reference for two components")
document["dependencies"] = [
    {**entry, "dependsOn": [other for other in entry.get("dependsOn", []) if other in references]}
    for entry in document["dependencies"]
    if entry["ref"] in references
]
if document["specVersion"] != "1.5" or "serialNumber" in document:
    sys.exit(f"sbom: {made}: not CycloneDX 1.5, or not reproducible")

with open(written, "w") as file:
    json.dump(document, file, indent=2, sort_keys=True)
    file.write("\n")
print(f"image: SBOM {written}: {len(document['components'])} crates")
