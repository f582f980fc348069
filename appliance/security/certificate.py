"""The web service's own certificate: made when HTTPS is first asked for, kept in the data directory.

    web-key.pem   private key, mode 0600
    web-cert.pem  self-signed certificate; browsers ask once, and the fingerprint tells that it is the right one

To use a certificate of an authority, put it and its key there under the same names.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=3 * 365)
_BACKDATED = timedelta(days=1)
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class WebCertificate:
    """Where the certificate and its key are."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, directory: Path) -> WebCertificate:
        """Return the paths in a data directory."""
        return cls(directory / "web-cert.pem", directory / "web-key.pem")

    @property
    def exists(self) -> bool:
        """Whether both files are there."""
        return self.certificate.exists() and self.key.exists()

    def fingerprint(self) -> str:
        """Return the SHA-256 fingerprint as browsers show it: "AB:CD:...".  Raises ValueError, OSError."""
        found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        digest = hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def ensure_certificate(directory: Path, server_name: str, host: str, now: datetime) -> WebCertificate:
    """Return the certificate of a data directory; make one for the names of this machine if there is none.

    host  the address that the service listens on
    Errors:  ValueError  what is there is not a certificate;  OSError  it cannot be read or written
    """
    found = WebCertificate.of(directory)
    if not found.exists:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key, server_name, _names(server_name, host), now)
        _write(found.key, _key_bytes(key), 0o600)
        _write(found.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    found.fingerprint()
    return found


def _names(server_name: str, host: str) -> list[x509.GeneralName]:
    machine = socket.gethostname()
    texts = dict.fromkeys(("localhost", server_name.lower(), machine.lower(), "127.0.0.1", "::1", host.lower()))
    return [_general_name(text) for text in texts if text not in _EVERYWHERE and text.isascii()]


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _self_signed(
    key: ec.EllipticCurvePrivateKey, server_name: str, names: list[x509.GeneralName], now: datetime
) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, server_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Holdfast"),
        ]
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that appears complete and with its mode, or not at all."""
    partial = path.with_suffix(".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    partial.replace(path)
