"""Names, hosts and endpoints: what they may look like, checked before a gateway refuses them. Nothing is looked up."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from controller.settings.problem import LIMITS_KEY, RefusedError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_BUILD = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,127}")
_TOKEN = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]{1,128}")
_COOKIE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST_CHARS_MAX = 253
_PATH_CHARS_MAX = 1024
_URL_CHARS_MAX = 2048


def check_name(text: str) -> str:
    """An RFC 1123 label, because names become parts of resource names, metric labels and URLs."""
    if not _LABEL.fullmatch(text):
        raise RefusedError(text, "is not a name", "Use 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends.")
    return text


def check_build(text: str) -> str:
    """A version string; it becomes a metric label and a part of URLs."""
    if not _BUILD.fullmatch(text):
        raise RefusedError(
            text, "is not a version", "Use up to 128 letters, digits and . _ + -, beginning with a letter or digit."
        )
    return text


def check_header(text: str) -> str:
    """A header's name (RFC 9110 token)."""
    if not _TOKEN.fullmatch(text):
        raise RefusedError(text, "is not a header name", "Use letters, digits and -, such as x-session-id.")
    return text


def check_cookie(text: str) -> str:
    """A cookie's name. Fewer characters than RFC 6265 has, because gateways make patterns and formats of it."""
    if not _COOKIE.fullmatch(text):
        raise RefusedError(text, "is not a cookie name", "Use up to 64 letters, digits, - and _, such as turnout.")
    return text


def check_header_value(text: str) -> str:
    """A header's exact value: visible ASCII and inner spaces."""
    if not (0 < len(text) <= 256 and text.isascii() and text.isprintable() and text == text.strip()):
        raise RefusedError(text, "is not a header value", "Use up to 256 visible ASCII characters.")
    return text


def parse_endpoint(text: str) -> str:
    """``host:port``, the host in lower case, an IPv6 address compressed in brackets. Raises :class:`RefusedError`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise RefusedError(
            text, "is not an endpoint", "Write host:port, such as 10.0.0.11:3000, agent.internal:3000 or [::1]:3000."
        )
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise RefusedError(text, "has no valid port", "Use a port from 1 to 65535.")
    if host.startswith("[") and host.endswith("]"):
        if (address := ip_address(host[1:-1])) is None or address.version != 6:
            raise RefusedError(text, "has no IPv6 address in its brackets", "Write it as [2001:db8::1]:3000.")
        return f"[{address.compressed}]:{int(port)}"
    if ":" in host:
        raise RefusedError(text, "is not an endpoint", "Put an IPv6 address in brackets: [2001:db8::1]:3000.")
    if ip_address(host) is None and not _is_domain(host.lower()):
        raise RefusedError(text, "has no valid host", "Use an IP address, or a domain name without a scheme or path.")
    return f"{host.lower()}:{int(port)}"


def parse_listener(text: str) -> str:
    """An endpoint whose host is an IP address: gateways bind addresses, not names. Raises :class:`RefusedError`."""
    endpoint = parse_endpoint(text)
    if ip_address(host_of(endpoint)) is None:
        raise RefusedError(text, "names a host", "Listen on an IP address, such as 0.0.0.0:10000 for all of them.")
    return endpoint


def parse_host(text: str) -> str:
    """What a request's host is matched with: ``agents.example.com``, ``*.example.com`` or ``*``, in lower case."""
    host = text.lower()
    name = host.removeprefix("*.")
    if host == "*" or ip_address(host) is not None or (_is_domain(name) and ip_address(name) is None):
        return host
    remedy = "Write it without scheme, port or path: agents.example.com, *.example.com, or * for any."
    raise RefusedError(text, "is not a host", remedy)


def check_path_prefix(text: str) -> str:
    """A path that is matched at a path separator; in one spelling only, so that two routes can be compared."""
    if text == "/":
        return text
    if not (text.startswith("/") and text.isascii() and text.isprintable() and len(text) <= _PATH_CHARS_MAX):
        raise RefusedError(text, "is not a path", f"Begin with /, and use at most {_PATH_CHARS_MAX} ASCII characters.")
    if text.endswith("/"):
        raise RefusedError(
            text, "ends with /", f"Write {text.rstrip('/') or '/'}, which takes everything below it as well."
        )
    if re.search(r"[?#\s\\]|//|/\.\.?(/|$)", text):
        raise RefusedError(text, "is not a plain path", "Leave out ?, #, spaces, // and dots as path parts.")
    return text


def check_url(text: str) -> str:
    """An http or https URL without credentials, because URLs end up in logs."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not text.isascii():
        raise RefusedError(text, "is not a URL", "Write http://host:port/path, or https.")
    if not (_is_domain(parts.hostname) or ip_address(parts.hostname)):
        raise RefusedError(text, "names no host", "Write http://host:port/path, with a domain name or an IP address.")
    if len(text) > _URL_CHARS_MAX or not text.isprintable() or " " in text:
        raise RefusedError(text, "is not a URL", f"Use at most {_URL_CHARS_MAX} printable characters and no spaces.")
    if "@" in parts.netloc:
        raise RefusedError(None, "holds credentials", "Take them out: URLs are written to logs.")
    if parts.fragment:
        raise RefusedError(text, "has a fragment", "Leave out # and what follows.")
    return text


def host_of(endpoint: str) -> str:
    """The host of an endpoint, without brackets."""
    return endpoint.rpartition(":")[0].strip("[]")


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, if the host is one. A scoped IPv6 address (``fe80::1%eth0``) is not: gateways do not take it."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_domain(host: str) -> bool:
    labels = host.split(".")
    plausible = len(host) <= _HOST_CHARS_MAX and not labels[-1].isdigit()  # 10.0.0.256 is a typing error, not a name
    return plausible and all(_LABEL.fullmatch(label) for label in labels)


def _limits(words: str) -> Any:  # noqa: ANN401 - what Field returns
    return Field(json_schema_extra={LIMITS_KEY: words})


Name = Annotated[str, AfterValidator(check_name), _limits("a name of 1 to 63 `a-z`, `0-9`, `-` (RFC 1123)")]
Build = Annotated[str, AfterValidator(check_build), _limits("1 to 128 letters, digits, `.`, `_`, `+`, `-`")]
Endpoint = Annotated[str, AfterValidator(parse_endpoint), _limits("`host:port`")]
Listener = Annotated[str, AfterValidator(parse_listener), _limits("`ip:port`")]
Host = Annotated[str, AfterValidator(parse_host), _limits("a domain name, `*.` and one, or `*`")]
PathPrefix = Annotated[str, AfterValidator(check_path_prefix), _limits("a path, without `/` at its end")]
HeaderName = Annotated[str, AfterValidator(check_header), _limits("a token (RFC 9110) of up to 128 characters")]
CookieName = Annotated[str, AfterValidator(check_cookie), _limits("1 to 64 letters, digits, `-`, `_`")]
HeaderValue = Annotated[str, AfterValidator(check_header_value), _limits("1 to 256 visible ASCII characters")]
Url = Annotated[str, AfterValidator(check_url), _limits("an http or https URL")]
