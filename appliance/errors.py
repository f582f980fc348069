"""Refusals that are not about HTTP: what a command prints as one line before it ends."""

from __future__ import annotations


class UsageProblem(Exception):
    """Something the person at the command line can put right; the text is one line for them."""

    exit_status = 2


class OperationProblem(UsageProblem):
    """The command was right, but the system could not do it."""

    exit_status = 1
