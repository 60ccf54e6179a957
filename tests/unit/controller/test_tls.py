from __future__ import annotations

import ssl

import grpc
import pytest
import trustme

from controller.tls import TlsError, TlsFiles
from xds.server import XdsServer

METHOD = "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus"


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def files(tmp_path, authority):
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")


def test_old_tls_is_not_spoken(files):
    assert files.context().minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem"])
def test_a_file_that_is_not_there_is_named(files, tmp_path, missing):
    (tmp_path / missing).unlink()
    with pytest.raises(TlsError, match=missing):
        files.context()
    with pytest.raises(TlsError, match=missing):
        files.credentials()


def test_a_key_that_does_not_fit_is_refused_at_the_start_and_not_at_the_first_handshake(files, tmp_path, authority):
    authority.issue_cert("elsewhere").private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    with pytest.raises(TlsError, match="TLS cannot be set up"):
        files.credentials()


async def _ask(port: int, authority: trustme.CA, certificate: trustme.LeafCert | None) -> bytes:
    pair = (
        (certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()) if certificate else (None, None)
    )
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), *pair)
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        return await channel.unary_unary(METHOD)(b"", timeout=10)


async def test_an_envoy_without_the_right_certificate_is_not_let_in(files, tmp_path, authority):
    guarded = TlsFiles(files.certificate, files.key, tmp_path / "ca.pem")
    server = XdsServer("127.0.0.1:0", credentials=guarded.credentials())
    await server.start()
    try:
        assert await _ask(server.port, authority, authority.issue_cert("edge-1")) == b"", "nobody is subscribed yet"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _ask(server.port, authority, None)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE, "anybody could subscribe to the routes"
    finally:
        await server.stop()
