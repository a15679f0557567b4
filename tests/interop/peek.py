"""Prints a member of the JSON on standard input: peek.py NAME… ; nothing where it isn't there.

With --claims the input is a JSON Web Token, and the JSON is its claims.
"""

import base64
import json
import sys

names = sys.argv[1:]
text = sys.stdin.read()
if names[0] == "--claims":
    names.pop(0)
    payload = text.split(".")[1]
    text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
value = json.loads(text)
for name in names:
    value = value.get(name) if isinstance(value, dict) else None
if value is not None:
    print(value if isinstance(value, str) else json.dumps(value))
