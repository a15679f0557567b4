"""Makes JSON schemas for kubeconform from what an API server says of itself: schemas.py FOLDER, with kubectl on the PATH.

Each kind becomes FOLDER/kind-group-version.json, with everything that it refers to. Unknown fields are errors, as with
kubectl apply --validate=strict. CRDs that the server has are among its kinds.
"""

import json
import subprocess
import sys
from pathlib import Path

PREFIX = "#/components/schemas/"


def get(path):
    return json.loads(subprocess.run(["kubectl", "get", "--raw", path], check=True, capture_output=True).stdout)


def converted(schema):
    """OpenAPI v3's dialect as JSON schema's."""
    if isinstance(schema, list):
        return [converted(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    result = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            result[key] = "#/definitions/" + value.removeprefix(PREFIX)
        elif key == "properties":
            result[key] = {name: converted(child) for name, child in value.items()}
        elif key in ("default", "enum", "required"):
            result[key] = value
        # kubeconform has the formats of JSON schema; Kubernetes' own are the API server's business.
        elif key == "format" or key.startswith("x-"):
            continue
        else:
            result[key] = converted(value)
    if "properties" in result and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


def references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/definitions/")
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def reachable(start, schemas):
    found, rest = {}, [start]
    while rest:
        name = rest.pop()
        if name not in found:
            found[name] = schemas[name]
            rest += references(schemas[name])
    return found


def main(folder):
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, entry in get("/openapi/v3")["paths"].items():
        # /api/v1, /apis/GROUP/VERSION
        if name.count("/") != {"api": 1, "apis": 2}.get(name.split("/")[0], -1):
            continue
        raw = get(entry["serverRelativeURL"])["components"]["schemas"]
        schemas = {key: converted(value) for key, value in raw.items()}
        for key, value in raw.items():
            for gvk in value.get("x-kubernetes-group-version-kind", []):
                parts = [gvk["kind"], gvk["group"].split(".")[0], gvk["version"]]
                # As kubeconform looks for it: the group's first word.
                path = out / ("-".join(part for part in parts if part).lower() + ".json")
                schema = {"$ref": f"#/definitions/{key}", "definitions": reachable(key, schemas)}
                path.write_text(json.dumps(schema))
                count += 1
    print(f"schemas: {count} kinds")


main(*sys.argv[1:])
