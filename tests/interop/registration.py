"""Prints an application's registration for the emulator: registration.py SECRET CERTIFICATE ISSUER SUBJECT AUDIENCE…

CERTIFICATE is a PEM file. The issuer's key set is read from standard input.
"""

import json
import pathlib
import sys

secret, certificate, issuer, subject, *audiences = sys.argv[1:]
jwks = json.load(sys.stdin)
body = {
    "secrets": [secret],
    "certificates": [pathlib.Path(certificate).read_text(encoding="ascii")],
    "federated": [
        {"issuer": issuer, "subject": subject, "audience": audience, "jwks": jwks} for audience in audiences
    ],
}
print(json.dumps(body))
