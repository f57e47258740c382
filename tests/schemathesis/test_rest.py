"""What the REST API answers to a machine that tries everything: never an error of ours, never what is not in its description.

SERVER_UNDER_TEST names the server, or else the debug build of this repository is taken."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRET = b"enfilade-development-secret-known-to-everybody"
EXAMPLES = 60


def free_port(kind):
    with contextlib.closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def token(roles):
    def part(value):
        text = json.dumps(value).encode() if isinstance(value, dict) else value
        return base64.urlsafe_b64encode(text).rstrip(b"=")

    claims = {
        "apikey": "development",
        "permissions": ["allow_join"],
        "version": 2,
        "roles": roles,
        "exp": int(time.time()) + 3600,
    }
    message = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    return (message + b"." + part(hmac.new(SECRET, message, hashlib.sha256).digest())).decode()


@pytest.fixture(scope="module")
def server():
    binary = os.environ.get("SERVER_UNDER_TEST", str(ROOT / "target/debug/enfilade"))
    port = free_port(socket.SOCK_STREAM)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "ENFILADE_HTTP__LISTEN": f"127.0.0.1:{port}",
        "ENFILADE_MEDIA__FIRST_PORT": str(free_port(socket.SOCK_DGRAM)),
        "ENFILADE_MEDIA__SHARDS": "1",
    }
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([binary], env=environment, stdin=subprocess.DEVNULL)
    try:
        for _ in range(1_000):
            assert process.poll() is None, "the server ended"
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{url}/readyz", timeout=1).status == 200:
                    break
            time.sleep(0.01)
        yield url
        assert process.poll() is None, "the server ended while it was asked"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("roles", [["crawler"], ["rtc"]])
def test_every_answer_is_in_the_description_and_none_is_an_error_of_ours(server, roles):
    schemathesis = pathlib.Path(sys.executable).with_name("schemathesis")
    checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "unsupported_method",
    ]
    command = [
        str(schemathesis),
        "run",
        f"{server}/v2/openapi.json",
        "--header",
        f"Authorization: {token(roles)}",
        # Not the stateful one: it guesses which answers lead to which requests, and guesses parameters that are not there.
        "--phases",
        "examples,coverage,fuzzing",
        "--checks",
        ",".join(checks),
        "--max-examples",
        str(EXAMPLES),
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--no-color",
    ]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
