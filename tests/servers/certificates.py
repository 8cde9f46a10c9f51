"""Certificates that vouch for themselves, made anew for each run with the command `openssl`."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def certificate(folder: Path, name: str, host: str) -> Path:
    """A certificate for ``host``, such as ``IP:127.0.0.1``, with its key beside it."""
    path = folder / f"{name}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}"),
            *("-keyout", str(path.with_suffix(".key")), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    return path


def speaking(certificate: Path) -> ssl.SSLContext:
    """The side of a server that has the certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context
