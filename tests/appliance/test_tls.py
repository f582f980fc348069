"""HTTPS with the server's own certificate."""

from __future__ import annotations

import hashlib
import http.client
import re
import signal
import ssl
import stat
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from cryptography import x509

from appliance.addresses import Address
from appliance.errors import UsageProblem
from appliance.security.certificate import WebCertificate, ensure_certificate
from appliance.web import serve
from tests.appliance.support import START, make_installation


def names_of(certificate):
    found = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found, {str(name.value) for name in names}


def test_a_certificate_is_made_once_for_the_names_of_the_machine(tmp_path):
    made = ensure_certificate(tmp_path, "REEF", "192.0.2.7", START)
    found, names = names_of(made)
    assert names >= {"localhost", "reef", "127.0.0.1", "::1", "192.0.2.7"}
    assert found.not_valid_after_utc - START == timedelta(days=3 * 365)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    again = ensure_certificate(tmp_path, "OTHER", "192.0.2.8", START + timedelta(days=1))
    assert again.fingerprint() == made.fingerprint()
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", made.fingerprint())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])  # noqa: S104
def test_every_interface_is_no_name(tmp_path, host):
    assert not names_of(ensure_certificate(tmp_path, "REEF", host, START))[1] & {"0.0.0.0", "::", ""}  # noqa: S104


def test_what_is_no_certificate_is_refused(tmp_path):
    for path in (WebCertificate.of(tmp_path).certificate, WebCertificate.of(tmp_path).key):
        path.write_text("rubbish")
    with pytest.raises(ValueError, match="PEM"):
        ensure_certificate(tmp_path, "REEF", "", START)


def test_the_web_service_alone_needs_a_certificate(tmp_path):
    with pytest.raises(UsageProblem, match="there is no certificate"):
        serve(make_installation(tmp_path / "d"), Address("127.0.0.1", 0), tls=True)


def test_the_product_serves_https_and_says_its_fingerprint(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-m", "appliance.cli", "serve", "--demo", "--data", str(tmp_path / "d"), "--web-tls"]
    with log.open("wb") as output:
        product = subprocess.Popen(
            [*command, "--smb", "127.0.0.1:0", "--web", "127.0.0.1:0"], stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 60
        while "Stop with Ctrl-C" not in log.read_text():
            assert product.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        port = int(re.search(r"Web      https://127.0.0.1:(\d+)", log.read_text())[1])
        told = re.search(r"SHA-256  (\S+)", log.read_text())[1]
        setup = re.search(r"Set up   https://[^/]+(/setup\S+)", log.read_text())[1]
        trust = ssl.create_default_context(cafile=tmp_path / "d" / "web-cert.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=10)
        connection.connect()
        seen = hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest().upper()
        assert told.replace(":", "") == seen
        connection.request("GET", setup)
        answer = connection.getresponse()
        assert answer.status == 200
        assert "; Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"]
        connection.close()
    finally:
        product.send_signal(signal.SIGINT)
        assert product.wait(30) == 0
