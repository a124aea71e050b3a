"""A certificate for development, which no browser trusts before it is told to; kept, so it is told once."""

import contextlib
import datetime
import os
import socket
import tempfile
import time
from pathlib import Path

from webhal_cpython.tls import CertificateError

_VALID_DAYS = 365
_RENEWED_DAYS = 300


def self_signed(address: str = "127.0.0.1", folder: Path | None = None) -> str:
    """The file with certificate and key: for this machine's name, localhost, and its `address` when it was made.

    It is kept in `folder`, by default webhal's in the user's cache, and made anew after 300 days. Raises
    CertificateError.
    """
    folder = folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "webhal")
    path = folder / "self-signed.pem"
    try:
        if not _is_fresh(path):
            path.unlink(missing_ok=True)
            _make(path, address)
    except OSError as error:
        raise CertificateError(f"the certificate cannot be kept: {path}: {error.strerror}") from None
    return str(path)


def _is_fresh(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime < _RENEWED_DAYS * 86400
    return False


def _make(path: Path, address: str) -> None:
    try:
        import trustme
    except ImportError:
        raise CertificateError("--self-signed needs trustme: pip install 'webhal[tls]'") from None
    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", address, socket.gethostname()))
    authority = trustme.CA(organization_name="webhal, for development on " + socket.gethostname())
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=_VALID_DAYS)
    issued = authority.issue_cert(*names, not_after=expires)
    # The authority's certificate, too, for a client that is told to trust what is in this file; its key is nowhere.
    pems = [issued.private_key_pem, *issued.cert_chain_pems, authority.cert_pem]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:  # which nobody else may read
        file.write(b"".join(pem.bytes() for pem in pems))
        file.flush()
        with contextlib.suppress(FileExistsError):  # another worker was quicker
            os.link(file.name, path)
