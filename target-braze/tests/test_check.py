"""`target-braze check`: each thing broken on purpose, against a real sandbox and real sockets."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from braze_sandbox.testing import Client, serving
from target_braze import backoff, check, inquiry
from target_braze.errors import DeliveryError
from target_braze.inquiry import Inquiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "0123-the-secret-key"
STRING = {"type": ["null", "string"]}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("braze") / "sandbox.sqlite") as address:
        yield address


@pytest.fixture
def sandbox(address: str) -> Client:
    client = Client(address)
    client.reset()
    return client


def schema(stream: str = "people", /, **columns: Any) -> dict[str, Any]:
    properties = {"external_id": {"type": "string"}, **columns}
    return {"type": "SCHEMA", "stream": stream, "key_properties": [], "schema": {"properties": properties}}


def record(stream: str = "people") -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": {"external_id": "customer-7"}}


def lines(*messages: Any) -> bytes:
    return b"".join(
        (message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n" for message in messages
    )


class Checked:
    """What one check said."""

    def __init__(self, is_good: bool, out: str) -> None:
        self.is_good = is_good
        self.out = out
        assert KEY not in out  # invariant 5
        assert "customer-7" not in out

    def found(self, topic: str, level: str | None = None) -> list[str]:
        """The texts about a topic."""
        return [
            f"{finding['text']} {finding['advice'] or ''}"
            for finding in json.loads(self.out)["findings"]
            if finding["topic"] == topic and level in (None, finding["level"])
        ]

    def levels(self) -> dict[str, str]:
        """Topic → the level of its last finding."""
        return {finding["topic"]: finding["level"] for finding in json.loads(self.out)["findings"]}


@pytest.fixture
def checked(
    address: str,
    restored: None,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Checked]:
    """Check in this process; what it says as JSON, unless for a person."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.001)

    def run(*messages: Any, **settings: Any) -> Checked:
        config = {"base_url": address, "api_key": KEY, "request_timeout_seconds": 5, **settings}
        config = {name: value for name, value in config.items() if value is not None}
        source = io.BytesIO(lines(*messages))
        is_good = check.run(config, parse_env=False, file_input=source, is_json=True, read_seconds=0)
        return Checked(is_good, capsys.readouterr().out)

    return run


# Key and permissions


def test_all_is_well_and_nothing_is_written(checked: Any, sandbox: Client) -> None:
    done = checked(schema(plan=STRING))
    assert done.is_good
    expected = dict.fromkeys(("settings", "connection", "api_key", "users.track", "custom_attributes.get"), "ok")
    assert done.levels() == {**expected, "mapping": "ok", "new": "note"}
    stats = sandbox.stats()
    assert (stats["profiles"], stats["data_points"]["total"], stats["accepted"]["attributes"]) == (0, 0, 0)


def test_a_key_that_braze_does_not_know(checked: Any, sandbox: Client) -> None:
    """And one of another instance: both are answered so."""
    sandbox.settings(api_keys=["another"])
    done = checked()
    assert not done.is_good
    [text] = done.found("api_key", "error")
    assert "`instance`" in text
    assert "dashboard" in text
    assert not done.found("users.track")
    assert not done.found("custom_attributes.get")


def test_the_key_goes_to_the_endpoint_alone(checked: Any, braze: Any, sandbox: Client) -> None:
    """Neither a redirect nor the address of the next page makes it go elsewhere."""
    elsewhere = sandbox.address
    pages = iter([f'<{elsewhere}/custom_attributes?cursor=1>; rel="next"', ""])

    def script(call: Any) -> Any:
        if call.path == "/users/track":
            return braze.Reply(307, b"", {"Location": f"{elsewhere}/users/track"})
        attribute = {"name": call.path, "data_type": "String"}
        return braze.Reply(200, {"message": "success", "attributes": [attribute]}, {"Link": next(pages)})

    braze.script = script
    assert not checked(base_url=braze.url).is_good
    assert [call.path for call in braze.calls] == ["/users/track", "/custom_attributes", "/custom_attributes"]
    assert sandbox.requests() == []


def test_a_key_without_users_track(checked: Any, sandbox: Client) -> None:
    sandbox.settings(scopes=["custom_attributes.get"])
    done = checked()
    assert not done.is_good
    assert done.levels()["api_key"] == "ok"
    [text] = done.found("users.track", "error")
    assert "new key" in text
    assert done.levels()["custom_attributes.get"] == "ok"


def test_401_for_a_permission_is_told_from_401_for_the_key(checked: Any, braze: Any) -> None:
    """Some accounts answer so; the other question tells them apart."""
    attributes = braze.Reply(200, {"message": "success", "attributes": []})
    denied = braze.Reply(401, {"message": f"Invalid API key: {KEY}"})
    braze.script = lambda call: denied if call.path == "/users/track" else attributes
    done = checked(base_url=braze.url)
    assert done.levels()["api_key"] == "ok"
    assert done.levels()["users.track"] == "error"


def test_without_custom_attributes_get_types_are_not_compared_and_it_is_no_error(checked: Any, sandbox: Client) -> None:
    sandbox.attributes({"external_id": "1", "plan": 7})
    sandbox.settings(scopes=["users.track"])
    done = checked(schema(plan=STRING))
    assert done.is_good
    [text] = done.found("custom_attributes.get", "note")
    assert "not compared" in text
    assert not done.found("type")
    assert not done.found("new"), "nobody knows"


def test_braze_fails_now_and_then(checked: Any, sandbox: Client) -> None:
    sandbox.faults({"kind": "status", "status": 503, "times": 2})
    assert checked().is_good


def test_braze_fails(checked: Any, sandbox: Client) -> None:
    sandbox.faults({"kind": "status", "status": 503, "times": -1})
    done = checked()
    assert not done.is_good
    [text] = done.found("users.track", "error")
    assert "failure on its side" in text
    assert len([each for each in sandbox.requests() if each["path"] == "/users/track"]) == inquiry.MAX_ATTEMPTS


def test_the_rate_limit_is_waited_for_if_that_is_short(sandbox: Client, address: str) -> None:
    waits: list[float] = []
    sandbox.faults({"kind": "status", "status": 429, "headers": {"X-Ratelimit-Retry-After": "3"}})
    with Inquiry(address, KEY, 5, waits.append) as asking:
        assert asking.track_nothing().status == 400
    assert waits == [3]


def test_the_rate_limit_is_said_if_it_is_long(checked: Any, sandbox: Client) -> None:
    sandbox.faults({"kind": "status", "status": 429, "headers": {"X-Ratelimit-Retry-After": "900"}})
    done = checked()
    assert done.is_good
    [text] = done.found("users.track", "warning")
    assert "900 seconds" in text


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>", "another server"),
        (403, b"<html>Blocked</html>", "firewall"),
        (404, {"message": "Invalid URL"}, "`base_url`"),
        (301, b"", "redirects"),
        (200, b"<html>Welcome</html>", "something else answers"),
        (200, {"status": "fine"}, "success"),
        (418, {"message": "teapot"}, "something else answers"),
    ],
)
def test_what_is_not_braze(checked: Any, braze: Any, status: int, body: Any, words: str) -> None:
    braze.script = lambda _: braze.Reply(status, body)
    done = checked(base_url=braze.url)
    assert not done.is_good
    [text] = done.found("users.track", "error")
    assert words in text


# Connection


def server_of(answer: Callable[[socket.socket], None]) -> Any:
    @contextlib.contextmanager
    def serve() -> Iterator[int]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            thread = threading.Thread(target=accept, args=(listening,), daemon=True)
            thread.start()
            yield listening.getsockname()[1]
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)

    def accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    answer(connection)

    return serve()


def test_a_closed_port(checked: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = checked(base_url=f"http://127.0.0.1:{port}")
    assert not done.is_good
    [text] = done.found("connection", "error")
    assert f"127.0.0.1:{port} refuses" in text
    assert not done.found("api_key")


def test_a_server_that_never_answers(checked: Any) -> None:
    started = time.monotonic()
    is_over = threading.Event()

    def keep_waiting(_: socket.socket) -> None:
        is_over.wait(20)

    with server_of(keep_waiting) as port:
        [text] = checked(base_url=f"http://127.0.0.1:{port}", request_timeout_seconds=1).found("connection", "error")
        is_over.set()
    assert "within 1 seconds (`request_timeout_seconds`)" in text
    assert time.monotonic() - started < 10


def test_a_server_that_hangs_up(checked: Any) -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(10**5)

    with server_of(hang_up) as port:
        [text] = checked(base_url=f"http://127.0.0.1:{port}").found("connection", "error")
    assert "broke" in text


def test_plain_http_where_tls_is_expected(checked: Any, address: str) -> None:
    [text] = checked(base_url=address.replace("http:", "https:")).found("connection", "error")
    assert "does not speak TLS" in text


def test_a_name_that_is_none(checked: Any) -> None:
    for host in ("braze.invalid", "rest..braze.com", "x" * 70 + ".invalid"):
        [text] = checked(base_url=f"https://{host}").found("connection", "error")
        assert host in text


def test_a_proxy_that_is_gone(checked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:{KEY}@127.0.0.1:{port}")
        [text] = checked(base_url="https://rest.example.com").found("connection", "error")
    assert f"proxy http://127.0.0.1:{port}" in text


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody signed, with its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + private)
    return path


def test_a_certificate_is_trusted_as_delivery_trusts_it(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure, secure.makefile("rb") as request:
            # all of it, or closing what was not read resets the connection before the answer is
            headers = [line.lower() for line in iter(request.readline, b"\r\n")]
            request.read(sum(int(line.split(b":")[1]) for line in headers if line.startswith(b"content-length:")))
            secure.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with server_of(answer) as port:
        with Inquiry(f"https://127.0.0.1:{port}", KEY, 5) as asking, pytest.raises(DeliveryError) as error:
            asking.track_nothing()
        assert "SSL_CERT_FILE" in str(error.value)
        assert "self" in str(error.value)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Inquiry(f"https://127.0.0.1:{port}", KEY, 5) as asking:
            assert asking.track_nothing().status == 400


# Attributes


def test_types_blocklist_and_look_alikes(checked: Any, sandbox: Client) -> None:
    sandbox.attributes({"external_id": "1", "points": 7, "Loyalty_Tier": "gold", "birthdate": "1971-01-31", "old": 1})
    sandbox.settings(blocklist=["old"])
    columns = {"points": STRING, "loyalty tier": STRING, "old": STRING, "dob": STRING, "shop": STRING}
    done = checked(schema(**columns))
    assert not done.is_good
    [text] = done.found("type", "error")
    assert "'points' is sent as String" in text
    assert "{type: float}" in text
    assert len(done.found("blocklist", "error")) == 1
    assert len(done.found("look-alike", "warning")) == 1
    assert len(done.found("standard field", "warning")) == 1
    assert done.found("new") == [
        "'loyalty tier', 'shop': Braze has no such attribute yet, and takes its type from the first value. "
    ]


def test_all_pages_are_read(checked: Any, sandbox: Client) -> None:
    sandbox.attributes({"external_id": "1", **{f"a{number:03}": 1 for number in range(120)}, "zone": 1})
    done = checked(schema(zone=STRING))
    assert "121 custom attributes" in done.found("custom_attributes.get", "ok")[0]
    assert "'zone'" in done.found("type", "error")[0]


@pytest.mark.parametrize("second", [(500, b""), (429, b""), (200, b"<html>")])
def test_a_page_that_does_not_come(checked: Any, braze: Any, second: tuple[int, Any]) -> None:
    """What came is compared; nothing is called new."""

    def script(call: Any) -> Any:
        if call.path == "/users/track":
            return braze.Reply(400, {"message": "Valid data must be provided"})
        if any(each.path == "/custom_attributes" for each in braze.calls[:-1]):
            return braze.Reply(*second)
        listed = [{"name": "points", "data_type": "Number (Automatically Detected)"}]
        return braze.Reply(200, {"attributes": listed}, {"Link": '</custom_attributes?cursor=x>; rel="next"'})

    braze.script = script
    done = checked(schema(points=STRING, plan=STRING), base_url=braze.url)
    assert "first 1" in done.found("custom_attributes.get", "warning")[0]
    assert len(done.found("type", "error")) == 1
    assert "could be read" in done.found("new")[0]


def test_pages_that_repeat(checked: Any, braze: Any) -> None:
    page = braze.Reply(200, {"message": "success", "attributes": []}, {"Link": '</c?cursor=x>; rel="next"'})
    braze.script = lambda call: page if call.method == "GET" else braze.Reply(400, {"message": "no"})
    done = checked(base_url=braze.url)
    assert "repeat" in done.found("custom_attributes.get", "warning")[0]
    assert len(braze.calls) == 3


# Mapping


def test_all_that_is_wrong_with_every_stream(checked: Any, sandbox: Client) -> None:  # noqa: ARG001
    nobody = {"type": "SCHEMA", "stream": "orders", "schema": {"properties": {"shop": STRING}}}
    done = checked(
        schema(Email=STRING, given_name=STRING, a=STRING, b=STRING, braze_id=STRING),
        nobody,
        schema("odd", plan={"type": "text"}),
        streams={"people": {"fields": {"a": "same", "b": "same"}}},
    )
    assert not done.is_good
    texts = done.found("mapping", "error")
    assert len(texts) == 6
    for text, word in zip(
        texts, ("'Email'", "'given_name'", "Two columns", "'braze_id'", "Missing identifier", "'text'"), strict=True
    ):
        assert word in text


def test_an_identifier_that_is_not_mapped_is_said_once(checked: Any, sandbox: Client) -> None:  # noqa: ARG001
    message = {"type": "SCHEMA", "stream": "people", "schema": {"properties": {"ExternalId": STRING}}}
    [text] = checked(message).found("mapping", "error")
    assert "{ExternalId: external_id}" in text


def test_columns_that_the_schema_does_not_have(checked: Any, sandbox: Client) -> None:  # noqa: ARG001
    streams = {
        "people": {"fields": {"Plann": "plan", "plan": "tier"}, "only": ["plan", "missing"]},
        "order*": {"fields": {"shop": "Shop", "till": "Till"}},
        "peeple": {},
    }
    done = checked(schema(plan=STRING), schema("orders_a", shop=STRING), schema("orders_b", x=STRING), streams=streams)
    assert done.is_good
    first, second, third = done.found("column", "warning")
    assert "'Plann'" in first
    assert "'plan' meant" in first
    assert "'missing'" in second
    assert "'till'" in third, "shop is in one of them"
    [text] = done.found("streams", "note")
    assert "'people' meant" in text


def test_stream_maps_and_flattening_are_followed(checked: Any, sandbox: Client) -> None:
    sandbox.attributes({"external_id": "1", "address__shop": 7, "double": "x"})
    maps = {"people": {"double": "float(points) * 2"}, "gone": None}
    settings = {"stream_maps": maps, "flattening_enabled": True, "flattening_max_depth": 1}
    columns = {"points": {"type": "integer"}, "address": {"type": "object", "properties": {"shop": STRING}}}
    done = checked(schema(**columns), schema("gone", Email=STRING), **settings)
    assert {text.split()[1] for text in done.found("type", "error")} == {"'double'", "'address__shop'"}
    assert not done.found("mapping", "error")


def test_without_schemas_what_the_settings_name_is_checked(checked: Any, sandbox: Client) -> None:
    sandbox.settings(blocklist=["old"])
    streams = {"people*": {"fields": {"a": "old", "b": None}, "only": ["a", "Email", "plan"]}}
    done = checked(streams=streams)
    assert len(done.found("blocklist", "error")) == 1
    assert "'Email'" in done.found("mapping", "error")[0]
    assert "'plan'" in done.found("new")[0]
    assert "no SCHEMA message" in done.found("streams", "note")[0]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"Welcome, customer-7", "Line 1"),
        (record(), "before its SCHEMA"),
        ({"type": "SCHEMA", "stream": "people"}, "schema"),
        ({"type": "GREETING"}, "GREETING"),
    ],
)
def test_input_that_makes_no_sense(checked: Any, sandbox: Client, message: Any, words: str) -> None:  # noqa: ARG001
    done = checked(message)
    assert not done.is_good
    assert words in done.found("input", "error")[0]


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"base_url": None}, "`instance`"),
        ({"base_url": None, "instance": "EU-99"}, "EU-99"),
        ({"max_connections": "many"}, "max_connections"),
        ({"api_key": ["0123", KEY]}, "`api_key`"),
        ({"lookalikes": "maybe"}, "lookalikes"),
    ],
)
def test_settings_that_make_no_sense(checked: Any, settings: dict[str, Any], words: str) -> None:
    done = checked(**settings)
    assert not done.is_good
    assert words in done.found("settings", "error")[0]


def test_a_setting_that_is_none(checked: Any, sandbox: Client) -> None:  # noqa: ARG001
    done = checked(max_reject="1%")
    assert done.is_good
    assert "`max_rejected` meant" in done.found("settings", "warning")[0]


# As a person meets it


class Shell:
    """The command line in a folder, with a settings file."""

    def __init__(self, folder: Path, address: str) -> None:
        self.config = folder / "config.json"
        self.config.write_text(json.dumps({"base_url": address, "api_key": KEY}))
        self.folder = folder

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "target_braze", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, messages: str = "", **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        out, log = process.communicate(messages, timeout=60)
        assert "Traceback" not in log
        assert KEY not in out + log
        assert log == ""
        return process.returncode, out


@pytest.fixture
def shell(tmp_path: Path, sandbox: Client) -> Shell:
    return Shell(tmp_path, sandbox.address)


@pytest.mark.parametrize("order", [0, 1])
def test_check_stands_before_or_after_the_options(shell: Shell, order: int) -> None:
    arguments = ["check"]
    arguments[order:order] = ["--config", str(shell.config)]
    code, out = shell.run(*arguments, PYTHONIOENCODING="utf-8")
    assert code == 0
    assert "✓ users.track: allowed" in out
    assert out.endswith("no errors, no warnings.\n")


def test_settings_from_the_environment(shell: Shell, sandbox: Client) -> None:
    code, out = shell.run(
        "--config=ENV", "check", TARGET_BRAZE_BASE_URL=sandbox.address, TARGET_BRAZE_API_KEY=KEY, LC_ALL="C.UTF-8"
    )
    assert code == 0
    assert sandbox.address in out


def test_a_terminal_that_knows_ascii_alone(shell: Shell) -> None:
    messages = lines(schema(größe=STRING, Email=STRING)).decode()
    code, out = shell.run("--config", str(shell.config), "check", messages=messages, PYTHONIOENCODING="ascii")
    assert code == 1
    assert out.isascii()
    assert "+ connection:" in out
    assert "x mapping:" in out
    assert "Stream 'people'" in out
    assert "- new: 'gr\\xf6\\xdfe'" in out


def test_json_for_programs(shell: Shell) -> None:
    code, out = shell.run("--config", str(shell.config), "check", "--format", "json")
    assert code == 0
    assert json.loads(out)["is_good"]


def test_help_names_it(shell: Shell) -> None:
    code, out = shell.run("--help")
    assert code == 0
    assert "check" in out


def test_an_audience_that_does_not_fit_its_stream_is_found(checked: Any) -> None:
    audience = {"name": "gold", "stream": "people", "where": {"field": "plan", "gt": 5}}
    done = checked(schema(plan=STRING), audiences=[audience])
    assert not done.is_good
    [text] = done.found("audiences", "error")
    assert "`audiences[0].where.gt`" in text
    done = checked(schema(plan=STRING), audiences=[{"name": "gold", "stream": "poeple"}])
    [text] = done.found("audiences", "note")
    assert "is 'people' meant?" in text


def test_another_word_is_refused(shell: Shell) -> None:
    process = shell.start("--config", str(shell.config), "chekc")
    _, log = process.communicate("", timeout=60)
    assert process.returncode == 2
    assert "chekc" in log


def test_a_tap_that_goes_on_for_ever_is_not_read_for_ever(shell: Shell) -> None:
    """Nor is a stream missed that it announces late."""
    process = shell.start("--config", str(shell.config), "check", "--read-seconds", "2", "--format", "json")
    assert process.stdin is not None
    first, last = lines(schema(plan=STRING), record()).decode(), lines(schema("late", Email=STRING)).decode()
    more = lines(record()).decode() * 1000
    process.stdin.write(first + more + last)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(lines(record("late")).decode())
        while process.poll() is None:
            process.stdin.write(more)
            process.stdin.flush()
    assert process.stdout is not None
    findings = json.loads(process.stdout.read())["findings"]
    assert [each["stream"] for each in findings if each["level"] == "error"] == ["late"]
    assert "stopped before the end" in str(findings)
    with contextlib.suppress(BrokenPipeError):
        process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_tap_that_is_silent_after_its_records_is_not_waited_for(shell: Shell) -> None:
    process = shell.start("--config", str(shell.config), "check", "--read-seconds", "0.2")
    assert process.stdin is not None
    process.stdin.write(lines(schema(plan=STRING), record()).decode())
    process.stdin.flush()
    assert process.wait(60) == 0
    process.communicate()


def test_somebody_who_waits_is_told_for_what(shell: Shell) -> None:
    process = shell.start("--config", str(shell.config), "check")
    assert process.stderr is not None
    assert "Reading SCHEMA messages" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in log
