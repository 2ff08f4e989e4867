"""Commands on jobs that exist: list, show, pause, resume, cancel, download."""

from pathlib import Path
from typing import Annotated

import typer

from supercycle.cli.exit_codes import ExitCode
from supercycle.cli.help import FOLLOW as STEER
from supercycle.cli.options import AsJson, Folder, JobId, Limit, connect, refuse_empty
from supercycle.cli.output import complain, print_json, print_table, say
from supercycle.cli.report import FOLLOW, GO_ON, tell_state, tidy, whole
from supercycle.cli.transfers import transfer_bars
from supercycle.errors import NotReady
from supercycle.jobs import Job

COLUMNS = ("id", "kind", "name", "state", "phase", "done", "created")


def list_jobs(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="range_test, training, comparison, tuning, auto, dataset_import.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only in this state; may be repeated.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="JOB", callback=refuse_empty, help="The children of this job.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    found = connect(context).jobs(kind=kind, state=state or None, tag=tag, parent_id=parent, limit=limit)
    jobs = [job.data for job in found]
    if as_json:
        print_json(jobs)
        return
    print_table(
        COLUMNS,
        [
            [
                job["id"],
                job["kind"],
                job["name"],
                job["state"],
                job["phase"],
                f"{100 * job['progress']['fraction']:.0f} %",
                tidy(job["created_at"]),
            ]
            for job in jobs
        ],
    )


def show(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job: what it runs, how far it is, what came out."""
    job = connect(context).job(job_id)
    if as_json:
        print_json(job.data)
    else:
        whole(job.data)


def pause(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Put a job aside. One that is running saves a checkpoint first, and its worker takes the next job."""
    tell_state(connect(context).job(job_id).pause(), as_json=as_json, then=GO_ON)


def resume(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Let a paused job go on from its checkpoint, with its whole time limit."""
    tell_state(connect(context).job(job_id).resume(), as_json=as_json, then=FOLLOW)


def cancel(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Stop a job for good. One that is running stops within a batch."""
    tell_state(connect(context).job(job_id).cancel(), as_json=as_json)


def delete(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Forget a job that has ended, with its history and files, without asking. Its model stays."""
    job = connect(context).job(job_id)
    job.delete()
    if as_json:
        print_json(job.data)
    else:
        say(f"{job.id} deleted")


def download(context: typer.Context, job_id: JobId, to: Folder = None, as_json: AsJson = False) -> None:
    """Save a job's plots, files and model, each one checked.

    Of a job that goes on, what it has so far. A download that was interrupted goes on where it was.
    """
    job = connect(context).job(job_id)
    try:
        with transfer_bars(as_json=as_json) as progress:
            files = job.download(to or Path(job.id), progress=progress)
    except NotReady as error:
        raise NotReady(f"{error}; {_how_to_go_on(job)}") from error
    print_saved(files, as_json=as_json)
    if not files:
        complain(f"{job.id} is {job.state} and left no files")
        raise typer.Exit(ExitCode.FAILED)
    if not job.has_ended:
        complain(f"{job.id} is {job.state}: more files will come; {_how_to_go_on(job)}")


def _how_to_go_on(job: Job) -> str:
    return f"{GO_ON if job.is_paused else FOLLOW} {job.id}"


def print_saved(files: list[Path], *, as_json: bool) -> None:
    """The files that were written."""
    if as_json:
        print_json([str(path) for path in files])
        return
    for path in files:
        say(str(path))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(name="jobs", rich_help_panel=STEER)(list_jobs)
    for command in (show, pause, resume, cancel, delete, download):
        app.command(rich_help_panel=STEER)(command)
