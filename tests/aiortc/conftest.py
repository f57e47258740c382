"""A server process for the tests: SERVER_UNDER_TEST names the binary, or else the debug build of this repository is taken."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY_ID = "development"
SECRET = b"enfilade-development-secret-known-to-everybody"


def free_port(kind):
    with contextlib.closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def token(room, participant):
    """A token signed with the development key (JWT, HS256), made here so that no code of the server is needed."""

    def part(value):
        text = json.dumps(value).encode() if isinstance(value, dict) else value
        return base64.urlsafe_b64encode(text).rstrip(b"=")

    now = int(time.time())
    claims = {
        "apikey": KEY_ID,
        "permissions": ["allow_join"],
        "version": 2,
        "roomId": room,
        "participantId": participant,
        "iat": now,
        "exp": now + 600,
    }
    message = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    return (message + b"." + part(hmac.new(SECRET, message, hashlib.sha256).digest())).decode()


@pytest.fixture(scope="session")
def server():
    binary = os.environ.get("SERVER_UNDER_TEST", str(ROOT / "target/debug/enfilade"))
    if not os.path.exists(binary):
        pytest.fail(f"there is no server at {binary}: cargo build")
    port = free_port(socket.SOCK_STREAM)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "ENFILADE_HTTP__LISTEN": f"127.0.0.1:{port}",
        "ENFILADE_MEDIA__FIRST_PORT": str(free_port(socket.SOCK_DGRAM)),
        "ENFILADE_MEDIA__SHARDS": "1",
        "ENFILADE_MEDIA__ADVERTISED": json.dumps(addresses()),
    }
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([binary], env=environment, stdin=subprocess.DEVNULL)
    try:
        for _ in range(1_000):
            if process.poll() is not None:
                pytest.fail(f"the server ended with {process.returncode}")
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{url}/readyz", timeout=1).status == 200:
                    break
            time.sleep(0.01)
        else:
            pytest.fail("the server does not become ready")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def addresses():
    """aioice gathers no loopback candidates, so the server is reached at the address this machine would use for others."""
    found = ["127.0.0.1"]
    with contextlib.suppress(OSError), contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        # Nothing is sent: connecting a datagram socket only chooses a route.
        probe.connect(("192.0.2.1", 9))
        found.insert(0, probe.getsockname()[0])
    return found
