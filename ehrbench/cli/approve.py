"""``ehrbench approve``: record that an endpoint may see credentialed text."""

from __future__ import annotations

from typing import Annotated

import typer


def approve(
    endpoint: Annotated[str | None, typer.Argument(help="Address of the model, judge or embedding: https://host[:port].")] = None,
    tasks: Annotated[str, typer.Option(help="Task, group or glob that the approval covers.")] = "",
    by: Annotated[str, typer.Option(help="Name of the person who approves.")] = "",
    agreement: Annotated[str, typer.Option(help="Agreement or ruling that allows it.")] = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="Take an approval back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Record (or list, or revoke) the approval of a remote endpoint for credentialed tasks."""
    from ehrbench.errors import UsageError
    from ehrbench.runs.approvals import load_approvals, record_approval, revoke_approval
    from ehrbench.terminal.output import print_json

    if endpoint is None:
        approvals = load_approvals()
        if as_json:
            print_json([a._asdict() for a in approvals])
        for approval in [] if as_json else approvals:
            typer.echo(f"{approval.endpoint}  {approval.tasks}  {approval.approved_by}  {approval.date}  {approval.agreement}")
        if not approvals and not as_json:
            typer.echo("No endpoint is approved.")
        return
    if not tasks:
        raise UsageError("name the tasks the approval is for: --tasks with a task, a group, or a glob")
    if revoke:
        if not revoke_approval(endpoint, tasks):
            raise UsageError(f"there is no approval of {endpoint} for '{tasks}'; `ehrbench approve` lists what there is")
        typer.echo(f"Revoked: {endpoint} for {tasks}.")
        return
    approval = record_approval(endpoint, tasks, by, agreement)
    if as_json:
        print_json(approval._asdict())
    else:
        typer.echo(f"Approved: {approval.endpoint} may see the text of '{tasks}' ({approval.approved_by}, {approval.date}).")
