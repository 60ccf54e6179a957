"""Who may ask for what: bearer tokens and their roles; without tokens only this machine, and no page of another site.

A viewer reads. An operator steers. An approver reads and consents, and does not steer: whoever brings a candidate
forward and whoever consents to it are two jobs, and a person who has both has two tokens. A reporter pushes outcomes,
and does not even read: it is an agent, on a machine that answers strangers.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from aiohttp import web

from controller.errors import DeniedError
from controller.settings.access import AccessSettings

from .errors import BadRequestError, ExposedError, ForeignError, UnauthenticatedError

ACTOR_HEADER = "X-Turnout-Actor"
ACTOR_CHARS_MAX = 64
LOCAL = "local"
"""Who asks where nobody has a token."""

SAFE_METHODS = frozenset({"GET", "HEAD"})


class Right(StrEnum):
    """What a role may do."""

    READ = "read"
    STEER = "steer"
    CONSENT = "consent"
    REPORT = "report"


RIGHTS: Mapping[str, frozenset[Right]] = MappingProxyType(
    {
        "viewer": frozenset({Right.READ}),
        "operator": frozenset({Right.READ, Right.STEER}),
        "approver": frozenset({Right.READ, Right.CONSENT}),
        "reporter": frozenset({Right.REPORT}),
    }
)

NEEDS: Mapping[Right, str] = MappingProxyType(
    {
        Right.READ: "viewer, operator or approver",
        Right.STEER: "operator",
        Right.CONSENT: "approver",
        Right.REPORT: "reporter",
    }
)
"""The role that has a right, for people."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: as the journal will say.
        role: of the token; None where no token is asked for.
        may: what this request's credentials are good for. A token in a browser's login dialog is good for less.
    """

    name: str
    role: str | None = None
    may: frozenset[Right] = frozenset(Right)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_listen(host: str, access: AccessSettings | None) -> None:
    """Refuse to listen where others could steer traffic without a token.

    Raises:
        ExposedError: ``host`` can be reached from elsewhere, and no tokens are configured.
    """
    if access is None and not is_loopback(host):
        raise ExposedError(
            f"The API would listen on {host or 'every address'} and ask nobody for a token.",
            remedy="Add a document of kind Access, or listen on 127.0.0.1.",
        )


def admit(request: web.Request, right: Right, access: AccessSettings | None) -> Caller:
    """Say who asks, and let pass who may.

    Raises:
        ForeignError: a browser asks on behalf of another site.
        UnauthenticatedError: a token is needed, and there is none that anybody holds.
        DeniedError: the token's role may not do this.
        BadRequestError: a header cannot be read.
    """
    _check_origin(request)
    if access is None:
        _check_host(request)
        return Caller(_stated_actor(request))
    token, by_itself = _token(request)
    bearer = access.bearer(token)
    if bearer is None:
        if token:
            remedy = "Is it another controller's, or has it been taken out of the settings?"
            raise UnauthenticatedError("This token is nobody's here.", remedy=remedy)
        raise UnauthenticatedError("A token is needed.", remedy="Send it as Authorization: Bearer <token>.")
    if right not in RIGHTS[bearer.role]:
        raise DeniedError(
            f"{bearer.name} is {bearer.role}, and this takes the role {NEEDS[right]}.",
            remedy="Ask somebody who has that role.",
        )
    may = RIGHTS[bearer.role] & {Right.READ} if by_itself else RIGHTS[bearer.role]
    return Caller(bearer.name, bearer.role, may)


def _token(request: web.Request) -> tuple[str, bool]:
    """The token of a bearer; or the password of a browser's login dialog, which only reads.

    A browser sends a password by itself, also where another site makes it ask, so it must not steer. Empty when there
    is none: no token hashes to that. With it: whether a browser has sent it by itself.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip(), False
    if scheme.lower() == "basic" and request.method in SAFE_METHODS:
        try:
            return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2], True
        except (binascii.Error, ValueError):
            return "", True
    return "", False


def _check_origin(request: web.Request) -> None:
    """A page of another site may not make a browser ask on its behalf (OWASP, CSRF: verifying origin)."""
    origin = request.headers.get("Origin")
    same = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower()
    if not same or request.headers.get("Sec-Fetch-Site", "none") == "cross-site":
        raise ForeignError("A page of another site asks through this browser.", remedy="Ask from here, or with curl.")


def _check_host(request: web.Request) -> None:
    """A name that somebody else's DNS brought here is not ours (DNS rebinding)."""
    try:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        host = ""
    if not is_loopback(host):
        raise ForeignError(
            "The request names another host than this machine's loopback.",
            remedy="Use http://127.0.0.1, or configure tokens to be reached under a name.",
        )


def _stated_actor(request: web.Request) -> str:
    actor = request.headers.get(ACTOR_HEADER, LOCAL)
    if not (actor.isprintable() and len(actor.strip()) > 0 and len(actor) <= ACTOR_CHARS_MAX):
        raise BadRequestError(f"{ACTOR_HEADER} must have 1 to {ACTOR_CHARS_MAX} printable characters.")
    return actor.strip()
