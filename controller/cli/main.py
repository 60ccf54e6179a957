"""`turnout`: its verbs by name. A verb's own file is imported when the verb is called, not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import click

VERBS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "run": ("run", "Run the controller: gateways, API and dashboard."),
        "validate": ("validate", "Check settings without running them."),
        "status": ("status", "Show the agents, or one of them."),
        "watch": ("watch", "Show live what happens."),
        "set-weight": ("split", "Set the candidate's share by hand."),
        "candidate": ("split", "Declare a candidate that is guided by hand."),
        "propose": ("review", "Propose a candidate for a rollout."),
        "pause": ("steer", "Hold a rollout where it is."),
        "resume": ("steer", "Let a paused rollout go on."),
        "skip": ("steer", "Leave a step before its time."),
        "promote": ("steer", "Make the candidate stable without the remaining steps."),
        "rollback": ("steer", "Send everything back to stable, now."),
        "approve": ("review", "Consent to a proposal, or to leaving a step."),
        "reject": ("review", "Refuse a proposal."),
        "history": ("history", "Read the journal; prove that nothing was altered."),
        "drain": ("drain", "Wait until a track has nothing in flight."),
        "gateways": ("status", "Show the gateways."),
        "simulate": ("simulate", "See what the settings would have caught, and how fast."),
        "token": ("token", "Make a token for the API."),
        "demo": ("demo", "See it work on a real gateway, here and now."),
        "version": ("version", "Show which Turnout this is."),
    }
)
"""Verb: the file in this folder that holds it, and what it does."""


class Verbs(click.Group):
    """A group whose commands are known by name, and imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every verb, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of a verb; None if there is none."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"controller.cli.{VERBS[cmd_name][0]}")
        return cast("click.Command", getattr(module, cmd_name.replace("-", "_")))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The verbs and what they do, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, summary) for verb, (_, summary) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Put a new version of an AI agent in front of live traffic, watch it, and take it back before it hurts.

    Exit codes: 0 done; 1 refused, and the reason is on standard error; 2 wrong usage; 3 the controller cannot be
    reached; 4 done, but not confirmed by every gateway in time.
    """
