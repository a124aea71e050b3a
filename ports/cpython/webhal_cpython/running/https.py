"""HTTPS as `webhal run` offers it: the certificates that its options name. TLS is in tls.py, which is loaded then."""

import logging
from typing import TYPE_CHECKING

from webhal_cpython.network import Network
from webhal_cpython.running.configuration import ConfigurationError, Settings

if TYPE_CHECKING:
    from webhal_cpython.tls import Certificates

_FOR_HTTPS = ("key", "key-password-file", "client-ca", "client-cert", "redirect-port")


def certificates(settings: Settings) -> "Certificates | None":
    """What is to be shown to clients; None for plain HTTP. Raises ConfigurationError."""
    names, keys = settings["cert"], settings["key"]
    if not names and not settings["self-signed"]:
        for option in _FOR_HTTPS:
            if settings.sources[option] != "default":
                raise ConfigurationError(f"--{option} is for HTTPS: name a certificate with --cert, or --self-signed")
        return None
    if settings["client-ca"] is None and settings.sources["client-cert"] != "default":
        raise ConfigurationError("--client-cert needs --client-ca, the file of who has signed clients' certificates")
    if settings["uds"] and settings["redirect-port"] is not None:
        raise ConfigurationError("--redirect-port sends clients to a port, and --uds has none: leave one of them out")
    if names and settings["self-signed"]:
        raise ConfigurationError("--cert names a certificate and --self-signed makes one: leave one of them out")

    from webhal_cpython import tls
    from webhal_cpython.self_signed import self_signed

    try:
        names = names or [self_signed(Network().address())]
        keys = keys or [""] * len(names)
        if len(keys) != len(names):
            raise ConfigurationError(f"--cert names {len(names)} and --key {len(keys)}: each certificate has its key")
        optional = settings["client-cert"] == "optional"
        pairs = list(zip(names, keys, strict=True))
        return tls.Certificates(pairs, settings["key-password-file"] or "", settings["client-ca"] or "", optional)
    except tls.CertificateError as error:
        raise ConfigurationError(str(error)) from None


def renew(certificates: "Certificates") -> None:
    """Read them again; what cannot be used is told on the log."""
    from webhal_cpython.tls import CertificateError

    try:
        certificates.reload()
    except CertificateError as error:
        logging.getLogger("webhal.error").error("%s; what was shown before stays", error)
