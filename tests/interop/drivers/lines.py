"""Orders as lines of JSON on standard input, results as lines of JSON on standard output; see README.md."""

import json
import sys
import threading

_lock = threading.Lock()


def reply(number, **result):
    with _lock:
        sys.stdout.write(json.dumps({"id": number, **result}) + "\n")
        sys.stdout.flush()


def orders():
    """One order after the other, until the input ends."""
    for line in sys.stdin:
        if line.strip():
            yield json.loads(line)
