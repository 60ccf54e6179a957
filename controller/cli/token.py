"""`turnout token`: a new token, shown once, and what stands in the settings for it."""

from __future__ import annotations

import click

from controller.cli.console import show
from controller.cli.options import Quantity, with_output
from controller.settings.access import new_token
from controller.settings.address import check_name


def _read_name(text: object) -> str:
    return check_name(str(text))


@click.command()
@click.option("--name", required=True, type=Quantity("name", _read_name), help="Who holds it; stands in the journal.")
@click.option(
    "--role",
    required=True,
    type=click.Choice(["viewer", "operator", "approver", "reporter"]),
    help="viewer reads; operator also steers; approver reads and consents; reporter pushes outcomes only.",
)
@with_output
def token(name: str, role: str, output: str) -> None:
    """Make a token for the API.

    The token is written once, to standard output, and kept nowhere. The settings hold its SHA-256 only.
    """
    secret, sha256 = new_token()
    document = {
        "apiVersion": "turnout.dev/v1alpha1",
        "kind": "Access",
        "metadata": {"name": "access"},
        "spec": {"tokens": [{"name": name, "role": role, "sha256": sha256}]},
    }
    if show({"name": name, "role": role, "token": secret, "sha256": sha256, "settings": document}, output):
        return
    click.echo(f"""\
# {name}'s token. It is shown this once; keep it where secrets are kept:
{secret}

# The settings know it by its hash. If there is a document of kind Access already, add the last line to it.
apiVersion: turnout.dev/v1alpha1
kind: Access
metadata: {{name: access}}
spec:
  tokens:
    - {{name: {name}, role: {role}, sha256: "{sha256}"}}""")
