"""Makes values.schema.json from values.yaml: strict, so that a typing mistake is an error and not a setting that is lost.

A value's type is that of its default, its description the text after "# --". A line "# @schema {…}" above it adds to
what is made, or replaces it; only what can't be read off the default needs one. Objects take no other keys than those of
values.yaml, but for those that are empty there and say what goes in, with additionalProperties or properties.

Helm deletes a key whose value is null before it validates. So all keys of values.yaml are required, but for those that may
be null: the templates meet no value that is missing, and whoever sets one to null is told.
"""

import json
import re
import sys

import yaml

GUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", type(None): "null"}


def comments_above(lines, line):
    """The comment lines that end right above a line, first one first."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return [text.lstrip()[1:].strip() for text in lines[first:line]]


def described(comments):
    """What follows "--", to the end of the comment; helm-docs reads the same."""
    text, found = [], False
    for line in comments:
        if line.startswith("-- "):
            text, found = [re.sub(r"^\(\w+\) ", "", line[3:])], True
        elif found and not line.startswith("@"):
            text.append(line)
    return " ".join(text)


def annotated(comments, where):
    added = {}
    for line in comments:
        if line.startswith("@schema "):
            try:
                added.update(json.loads(line.removeprefix("@schema ")))
            except json.JSONDecodeError as error:
                sys.exit(f"{where}: {line}: {error}")
    return added


def of(node, lines, comments, where):
    """The schema of a node of values.yaml."""
    schema = {}
    text = described(comments)
    if text:
        schema["description"] = text
    added = annotated(comments, where)
    if isinstance(node, yaml.MappingNode):
        schema |= {"type": "object", "additionalProperties": False}
        free = added.get("additionalProperties") or "properties" in added
        if node.value and not free:
            schema["properties"] = {
                key.value: of(value, lines, comments_above(lines, key.start_mark.line), f"{where}.{key.value}")
                for key, value in node.value
            }
            schema["required"] = [key for key, value in schema["properties"].items() if "null" not in value.get("type", "")]
        elif not free:
            sys.exit(f"{where}: an empty object: say with @schema what goes in")
    else:
        value = yaml.safe_load(yaml.serialize(node))
        schema["type"] = TYPES[type(value)]
        if isinstance(value, list) and "items" not in added:
            sys.exit(f"{where}: a list: say with @schema what its items are")
    schema |= added
    if "$ref" in added:
        schema.pop("type")
    if "enum" in added:
        schema.pop("type")
    return schema


def main(source):
    with open(source, encoding="utf-8") as file:
        text = file.read()
    root = yaml.compose(text)
    schema = of(root, text.splitlines(), [], "values")
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Made from values.yaml by tools/chart/schema.py. Do not edit.",
        "$defs": {"guid": GUID},
    } | schema
    json.dump(schema, sys.stdout, indent=2, ensure_ascii=False)
    print()


main(*sys.argv[1:])
