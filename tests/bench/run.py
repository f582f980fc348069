"""Measure server CPU per operation: ours beside Samba's smbd, same machine, same client, same run.

    make bench BENCH="--only READ --rounds 5 --markdown"
    TMPDIR=/dev/shm make bench                                on another file system

CPU is what the kernel accounted to all threads of the server's processes; wall-clock rates swing on shared machines,
this does not. Rounds of the servers alternate, so that a disturbance hits all of them. Figures are microseconds:
median and minimum of the rounds. The ratio is ours to the better smbd, by the medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import operations  # noqa: E402 - beside this file
import servers  # noqa: E402
from raw import BenchError, RawClient  # noqa: E402

Figures = dict[str, list[float]]


def main() -> int:
    """Run what the options say and print the table."""
    parser = argparse.ArgumentParser(description="Server CPU per operation, beside smbd.")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="operations whose name contains it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", default="smbd,tuned,ours", help="which: smbd, tuned, ours, postgresql")
    parser.add_argument("--pin", action="store_true", help="the client on one CPU, the servers on another")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the operations per round")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/performance.md")
    options = parser.parse_args()
    if options.pin and not pin():
        return 1
    chosen = [
        o
        for o in operations.operations()
        if not options.only or any(t.casefold() in o.name.casefold() for t in options.only)
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as place, ExitStack() as stack:
        os.chmod(place, 0o711)
        running = start(stack, Path(place), options.servers.split(","))
        if not running:
            return 1
        table, lines = {}, []
        for operation in chosen:
            figures, latencies = measure(operation, running, options.rounds, options.scale)
            measured = [(operation, figures)]
            if operation.latency:
                measured.append((replace(operation, name=f"{operation.name}: latency"), latencies))
            for line, values in measured:
                lines.append(line)
                table[line.name] = values
                print(plain_line(line, values), flush=True)
        if options.markdown:
            print(markdown(lines, table, options.rounds))
    return 0 if all(figures for figures in table.values()) else 1


def pin() -> bool:
    """Put this process and the servers on CPUs of their own: who shares one with whom is chance otherwise."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        print("--pin needs two CPUs", file=sys.stderr)
        return False
    os.sched_setaffinity(0, {usable[0]})
    servers.cpus.add(usable[1])
    return True


def start(stack: ExitStack, place: Path, names: list[str]) -> list[servers.Server]:
    """Start the servers that can be started here, and say which cannot."""
    makers = {
        "smbd": lambda: servers.smbd(place / "smbd", tuned=False),
        "tuned": lambda: servers.smbd(place / "tuned", tuned=True),
        "ours": lambda: servers.ours(place / "ours"),
        "postgresql": lambda: servers.on_postgresql(place / "postgresql"),
    }
    running = []
    for name in names:
        (place / name).mkdir(mode=0o711)
        try:
            server = stack.enter_context(makers[name]())
        except servers.ServerError as error:
            print(f"NOT MEASURED: {name}: {error}", file=sys.stderr)
            continue
        operations.prepare(server.folder)
        running.append(server)
    return running


def measure(
    operation: operations.Operation, running: list[servers.Server], rounds: int, scale: float
) -> tuple[Figures, Figures]:
    """Return the microseconds per unit of every round, by server: on its CPUs, and as the client waited."""
    figures: Figures = {}
    latencies: Figures = {}
    clients = {}
    for server in running:
        batch = batch_of(operation, server, scale)
        if not batch:
            continue
        if operation.prepare is not None:
            operation.prepare(server.folder)
        client = RawClient(("127.0.0.1", server.port), operation.mode)
        try:
            client.connect(server.user, servers.PASSWORD, operation.share)
            operation.run(client, max(1, batch // 5) if operation.unit != "entry" else operations.ENTRIES)
        except (BenchError, OSError) as error:
            print(f"{server.name}: {operation.name}: {error}", file=sys.stderr)
            client.close()
            continue
        clients[server.name] = (server, client)
    for _ in range(rounds):
        for name, (server, client) in clients.items():
            batch = batch_of(operation, server, scale)
            before, began = server.cpu(), time.perf_counter()
            operation.run(client, batch)
            took = (time.perf_counter() - began) / batch * 1e6
            figures.setdefault(name, []).append(servers.cpu_between(before, server.cpu()) / batch)
            latencies.setdefault(name, []).append(took)
    for _, client in clients.values():
        client.close()
    return figures, latencies


def batch_of(operation: operations.Operation, server: servers.Server, scale: float) -> int:
    """Return how many units of `operation` one round on `server` takes; 0 leaves the server out."""
    batch = operation.batch if server.name == "holdfast" or operation.few is None else operation.few
    if scale != 1.0 and batch:
        unit = operations.ENTRIES if operation.unit == "entry" else 1
        batch = max(unit, int(batch * scale) // unit * unit)
    return batch


def summary(values: list[float]) -> str:
    """Return median and minimum."""
    return f"{statistics.median(values):.1f} / {min(values):.1f}"


def ratio(figures: Figures) -> str:
    """Return ours to the better smbd, by median and by minimum; "" without both."""
    own, others = (
        figures.get("holdfast"),
        [values for name, values in figures.items() if name in ("smbd", "smbd tuned")],
    )
    if not own or not others:
        return ""
    median = statistics.median(own) / min(statistics.median(values) for values in others)
    minimum = min(own) / min(min(values) for values in others)
    return " / ".join(f"{value:.2f}" if value >= 0.1 else f"{value:.4f}" for value in (median, minimum))


def plain_line(operation: operations.Operation, figures: Figures) -> str:
    """Return one line for people."""
    parts = [f"{name} {summary(values)}" for name, values in figures.items()]
    return (
        f"{operation.name} (us/{operation.unit}): "
        + "; ".join(parts)
        + (f"; ratio {ratio(figures)}" if ratio(figures) else "")
    )


def markdown(chosen: list[operations.Operation], table: dict[str, Figures], rounds: int) -> str:
    """Return the table for the documentation."""
    names = list(dict.fromkeys(name for figures in table.values() for name in figures))
    about = (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, in {tempfile.gettempdir()}; "
    )
    about += f"microseconds of server CPU, median / minimum of {rounds} rounds."
    lines = [
        about,
        "",
        "| operation | per | " + " | ".join(names) + " | ours / best smbd |",
        "|---|---|" + "---|" * (len(names) + 1),
    ]
    for operation in chosen:
        figures = table[operation.name]
        cells = [summary(figures[name]) if name in figures else "-" for name in names]
        lines.append(f"| {operation.name} | {operation.unit} | " + " | ".join(cells) + f" | {ratio(figures) or '-'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
