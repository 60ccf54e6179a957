"""``kind: Access``: who may use the API. Tokens are kept as hashes; a file never holds a token.

A token is 256 random bits, so one round of SHA-256 is enough: there is nothing to guess that salt or a slow hash
would protect (they are for passwords; NIST SP 800-63B section 5.1.1.2).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from controller.settings.address import Name
from controller.settings.problem import RefusedError
from controller.settings.shape import Header, Shape

TOKEN_PREFIX = "turnout_"  # noqa: S105 - a marker for secret scanners, not a secret

_SHA256 = re.compile(r"[0-9a-f]{64}")


def new_token() -> tuple[str, str]:
    """A new token, and its hash for the file. The token is shown once and kept nowhere."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """What stands in the file for a token: SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _check_hash(text: str) -> str:
    if not _SHA256.fullmatch(text):  # the value is not repeated: it may be the token itself
        remedy = "Paste the hash that `turnout token` prints, never the token."
        raise RefusedError(None, "is not a SHA-256 in 64 lower-case hexadecimal digits", remedy)
    return text


class TokenSpec(Shape):
    """One bearer of a token."""

    name: Name
    """Who holds the token; it stands in the journal as who did what. Unique."""
    role: Literal["viewer", "operator", "approver", "reporter"]
    """`viewer` reads. `operator` reads and steers. `approver` reads and consents to candidates, and does not steer: two
    jobs, two tokens. `reporter` pushes outcomes and does nothing else, not even read: agents run on machines that
    answer strangers."""
    sha256: Annotated[str, AfterValidator(_check_hash)]
    """The token's SHA-256 in hexadecimal, as `turnout token` prints it. Never the token itself."""


class AccessSpec(Shape):
    """The tokens."""

    tokens: Annotated[tuple[TokenSpec, ...], Field(min_length=1, max_length=256)]
    """All tokens that the API takes. At most 256, because each request is compared with every one."""


class AccessSettings(Header):
    """Who may use the API. Without this document it listens on loopback only, and asks for no token."""

    kind: Literal["Access"]
    """What the document is. There is at most one."""
    spec: AccessSpec
    """The tokens."""

    def bearer(self, token: str) -> TokenSpec | None:
        """Who holds this token, or None. Takes the same time for any token, so that it cannot be found bit by bit."""
        digest = hash_token(token)
        found = [spec for spec in self.spec.tokens if hmac.compare_digest(spec.sha256, digest)]
        return found[0] if found else None
