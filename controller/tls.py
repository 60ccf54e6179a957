"""TLS for what crosses a machine: the files that an operator names, as the libraries of our two doors want them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import InvalidError

if TYPE_CHECKING:
    import grpc


class TlsError(InvalidError):
    """A certificate or key cannot be used."""

    code = "bad-tls"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What one door needs. Read once at the start: a renewed certificate wants a restart, which gateways do not notice.

    Attributes:
        certificate: PEM, the server's first, then its issuers.
        key: PEM, not encrypted, readable by the controller only.
        client_ca: PEM; when it is given, only clients with a certificate of these issuers are let in.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For the API: TLS 1.2 or newer. Raises TlsError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise self._refused(error) from error
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """For the xDS server. Raises TlsError."""
        import grpc  # noqa: PLC0415 - `xds` has to be imported before it

        self.context()  # gRPC would only fail at the first handshake, and silently
        try:
            pair = (self.key.read_bytes(), self.certificate.read_bytes())
            issuers = self.client_ca.read_bytes() if self.client_ca else None
        except OSError as error:
            raise self._refused(error) from error
        return grpc.ssl_server_credentials([pair], issuers, require_client_auth=issuers is not None)

    def _refused(self, error: Exception) -> TlsError:
        names = ", ".join(str(path) for path in (self.certificate, self.key, self.client_ca) if path)
        return TlsError(f"TLS cannot be set up with {names}: {error}.", remedy="Name a PEM certificate and its key.")
