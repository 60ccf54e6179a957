import pytest

from controller.settings import address
from controller.settings.problem import RefusedError


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("10.0.0.11:3000", "10.0.0.11:3000"),
        ("Agent.Internal:080", "agent.internal:80"),
        ("[2001:DB8:0::1]:65535", "[2001:db8::1]:65535"),
        ("localhost:1", "localhost:1"),
    ],
)
def test_one_endpoint_has_one_spelling(written, kept):
    assert address.parse_endpoint(written) == kept, "two spellings of one instance would pass for two"


@pytest.mark.parametrize(
    "text",
    ["", "host", ":80", "host:", "host:0", "host:65536", "host:٣", "10.0.0.256:80", "::1:80", "[10.0.0.1]:80", "[::1]",
     "http://host:80", "a_b:80", "-a:80", "a..b:80", "[fe80::1%eth0]:80", "a" * 64 + ":80",
     ".".join(["a" * 60] * 5) + ":1"],
)  # fmt: skip
def test_what_a_gateway_would_refuse_is_no_endpoint(text):
    with pytest.raises(RefusedError):
        address.parse_endpoint(text)


def test_a_gateway_listens_on_an_address():
    assert address.parse_listener("[::]:10000") == "[::]:10000"
    with pytest.raises(RefusedError, match="IP address"):
        address.parse_listener("edge.example.com:10000")


@pytest.mark.parametrize("host", ["*", "*.Example.com", "agents.example.com", "127.0.0.1"])
def test_a_host_is_kept_in_lower_case(host):
    assert address.parse_host(host) == host.lower()


@pytest.mark.parametrize(
    "host", ["", "**", "a.*.b", "*a.com", "host:80", "http://a", "*.127.0.0.1", "a/b", "10.0.0.256"]
)
def test_what_no_request_could_match_is_no_host(host):
    with pytest.raises(RefusedError):
        address.parse_host(host)


@pytest.mark.parametrize(
    "path", ["", "v1", "/v1/", "//", "/a//b", "/a?b", "/a#b", "/a b", "/../b", "/a/.", "/ü", "/" * 2000]
)
def test_one_path_has_one_spelling(path):
    with pytest.raises(RefusedError):
        address.check_path_prefix(path)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/agents/code-assistant", "/..a"])
def test_plain_paths_are_taken(path):
    assert address.check_path_prefix(path) == path


@pytest.mark.parametrize(
    "url", ["", "host", "ftp://host", "http://", "http://[::1", "http://h:99999", "http://h/ x", "http://h#a"]
)
def test_what_cannot_be_called_is_no_url(url):
    with pytest.raises(RefusedError):
        address.check_url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(RefusedError) as refused:
        address.check_url("http://bob:s3cret@host/drain")
    assert "s3cret" not in str(refused.value), "a secret would stand in a log"
    assert address.check_url("https://host:8443/drain") == "https://host:8443/drain"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (address.check_name, "code-assistant", ["", "A", "a_b", "-a", "a-", "a" * 64, "a\n"]),
        (address.check_build, "1.3.0-rc.1+build_7", ["", "-1", "a/b", "a b", "1" * 129]),
        (address.check_header, "x-session-id", ["", ":path", "a b", "ü", "x" * 129]),
        (address.check_cookie, "turnout_1", ["", "a.b", "a b", "ü", "x" * 65]),
        (address.check_header_value, "two words", ["", " a", "a\r\nb", "ü", "x" * 257]),
    ],
)
def test_names_are_plain(check, good, bad):
    assert check(good) == good
    for text in bad:
        with pytest.raises(RefusedError):
            check(text)


def test_a_host_stands_before_its_port():
    assert address.host_of("[::1]:80") == "::1"
    assert address.host_of("a.b:80") == "a.b"
    assert address.ip_address("fe80::1%eth0") is None


@pytest.mark.parametrize("text", ["http://a..b/x", f"http://{'a' * 64}.test/", "http://-a.test", "http://10.0.0.256/"])
def test_a_url_whose_host_cannot_be_one_is_refused(text):
    with pytest.raises(RefusedError, match="names no host"):
        address.check_url(text)


@pytest.mark.parametrize(
    "text", ["http://agent.test:80/x", "https://10.0.0.1", "http://[::1]:8080/x", "http://localhost"]
)
def test_a_url_with_a_host_is_taken(text):
    assert address.check_url(text) == text
