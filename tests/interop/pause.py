"""Whether a client paused as long as a 429 asked: pause.py RETRY_AFTER, the journal's new entries on standard input.

RETRY_AFTER is a number of seconds or an HTTP date in quotes, as in the fault's JSON. The pause is what lies between the
entry `http 429` and the next `ok`.
"""

import datetime
import email.utils
import json
import sys

asked = json.loads(sys.argv[1])
calls = [entry for entry in json.load(sys.stdin)["entries"] if entry["kind"] == "api"]
outcomes = [entry["outcome"] for entry in calls]
assert "http 429" in outcomes, f"nobody was refused: {outcomes}"
refused = outcomes.index("http 429")
later = outcomes[refused + 1 :]
assert later and later[0] == "ok", f"after the refusal: {later}"


def time(entry):
    # Nanoseconds, which Python doesn't read, are cut to microseconds.
    text = entry["at"].removesuffix("Z")
    seconds, _, fraction = text.partition(".")
    whole = datetime.datetime.fromisoformat(seconds + "+00:00")
    return whole + datetime.timedelta(microseconds=int((fraction + "000000")[:6]))


came = time(calls[refused + 1])
due = (
    time(calls[refused]) + datetime.timedelta(seconds=asked)
    if isinstance(asked, int)
    else email.utils.parsedate_to_datetime(asked)
)
assert came >= due, f"it came {(due - came).total_seconds()} s too early"
