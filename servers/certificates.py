"""
A certificate for 127.0.0.1, by an authority that nobody trusts who is not told to.

For the servers that speak TLS. Each has an authority of its own, so one may stand for a stranger's.
"""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


def write_certificate(folder: Path) -> None:
    """Write `ca.pem`, for who shall trust the server, and `server.pem`, its chain and key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    pkcs8 = key.private_bytes(  # the one form that Kafka reads
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
    (folder / "server.pem").write_bytes(chain + pkcs8)
