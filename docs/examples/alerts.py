#!/usr/bin/env python3
"""Prints a customer's alerts, one JSON object a line, with the token that defender-tenant-operator keeps in a Secret.

The Secret is mounted as a volume (see pod-volume.yaml). The operator renews the token about every hour, and the kubelet
brings the new one into the pod within some 90 seconds: so the files are read, not an environment variable, and read
again when the token has expired or the API answers 401.
"""

import email.utils
import json
import os
import pathlib
import sys
import time
from datetime import datetime, timedelta, timezone

import requests

DIRECTORY = pathlib.Path(os.environ.get("DEFENDER_DIR", "/var/run/secrets/defender"))
# Microsoft asks partners for this form: MdePartner-{Company}-{Product}/{Version}
USER_AGENT = os.environ.get("DEFENDER_USER_AGENT", "MdePartner-Contoso-AlertForwarder/1.0")
# How long to wait for a new token: twice what the kubelet needs.
PATIENCE = float(os.environ.get("DEFENDER_PATIENCE", "180"))
# How often to look for it.
PAUSE = 2.0
# A token that ends within these seconds may have ended when the request arrives.
LEEWAY = timedelta(seconds=5)
# The most alerts that one answer brings.
PAGE = int(os.environ.get("DEFENDER_PAGE", "1000"))
# Longest pause that a 429 may ask for, and how many in a row are borne.
LONGEST_RETRY_AFTER = 3600
THROTTLED_IN_A_ROW = 5


class NoLiveToken(Exception):
    """No live token came in time."""


class Mount:
    """The mounted Secret."""

    def __init__(self, directory):
        self.directory = directory

    def read(self):
        """The token, the URL of the API and the token's end, as they are now.

        The kubelet replaces all files at once by turning the link `..data`. Reading through where it leads to gives
        three values that belong together, also in the moment of the change.
        """
        data = self.directory / "..data"
        folder = data.resolve() if data.exists() else self.directory
        token, url, expires = ((folder / name).read_text().strip() for name in ("token", "api-url", "expires-on"))
        return token, url, datetime.fromisoformat(expires.replace("Z", "+00:00"))

    def live(self, rejected=None):
        """A token that has not expired and is not the one that was just rejected, with its URL; waits for one."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                token, url, expires = self.read()
                if token != rejected and expires > datetime.now(timezone.utc) + LEEWAY:
                    return token, url
                why = "the token was rejected" if token == rejected else f"the token expired at {expires}"
            except (OSError, ValueError) as error:  # not there yet, or emptied because the token expired
                why = str(error)
            if time.monotonic() >= until:
                raise NoLiveToken(f"no live token in {self.directory}: {why}; see `kubectl get defendertenants`")
            time.sleep(PAUSE)


def retry_after(response):
    """Seconds to wait after a 429: the header holds seconds or a date."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = int(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            seconds = 60
    return min(max(seconds, 1), LONGEST_RETRY_AFTER)


def get(session, mount, path, **params):
    """GET with a token that is live: on 401 with the next one, on 429 after the pause asked for."""
    token, url = mount.live()
    throttled = 0
    renewed = False
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        # Redirects are refused: the token is for this host alone.
        response = session.get(url + path, params=params, headers=headers, timeout=60, allow_redirects=False)
        if response.status_code == 401 and not renewed:
            renewed = True
            token, url = mount.live(rejected=token)
        elif response.status_code == 429 and throttled < THROTTLED_IN_A_ROW:
            throttled += 1
            time.sleep(retry_after(response))
            token, url = mount.live()
        else:
            response.raise_for_status()
            return response.json()


def main():
    mount = Mount(DIRECTORY)
    with requests.Session() as session:
        session.headers["User-Agent"] = USER_AGENT
        skip = 0
        while True:
            page = get(session, mount, "/api/alerts", **{"$top": PAGE, "$skip": skip})["value"]
            for alert in page:
                json.dump(alert, sys.stdout)
                print()
            skip += len(page)
            if len(page) < PAGE:
                return


if __name__ == "__main__":
    try:
        main()
    except (NoLiveToken, requests.RequestException) as error:
        sys.exit(f"alerts.py: {error}")
