"""Runs lakehand's transform and its peers on generated inputs, each in a process of its own, in one run, and prints
tables: wall seconds, MB/s of uncompressed input, CPU seconds, peak anonymous memory, and the ratio to DuckDB.

The peak is of anonymous memory (RssAnon, looked at every 20 ms): a mapped input is not held against anybody.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time

import inputs

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ["duckdb", "polars", "pandas", "dlt"]


def anonymous(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0


def measured(command, log):
    """Wall seconds, CPU seconds and peak anonymous MiB of a command; its exit code must be 0."""
    started = time.monotonic()
    peak = [0]
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        over = threading.Event()

        def watch():
            while not over.wait(0.02):
                peak[0] = max(peak[0], anonymous(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        over.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} exited with {process.returncode}: {open(log).read()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, peak[0]


def warm(path):
    paths = [os.path.join(path, name) for name in os.listdir(path)] if os.path.isdir(path) else [path]
    for one in paths:
        with open(one, "rb") as file:
            while file.read(1 << 24):
                pass


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.out = os.path.join(arguments.folder, "out")
        self.log = os.path.join(arguments.folder, "log.txt")
        self.cases = 0

    def run(self, title, case, definition, source, megabytes, peers, rounds, files=None, heavy=None):
        """`heavy`: the same input, smaller, for pandas and dlt, as (source, megabytes)."""
        warm(source)
        tool = [self.arguments.transform, os.path.join(HERE, definition), source]
        runs = [("lakehand", tool, megabytes, rounds)]
        for peer in peers:
            given, size = heavy if heavy and peer in ("pandas", "dlt") else (source, megabytes)
            command = [sys.executable, os.path.join(HERE, "peers.py"), peer, case, given]
            runs.append((peer, command, size, 1 if peer in ("pandas", "dlt") else rounds))
        results = {}
        for number in range(rounds):
            for label, command, _, most in runs:
                if number < most:
                    # Everybody writes where nothing was, and nothing is removed before the last run: while files that
                    # were just deleted are remembered, ext4 takes several times as long to make new ones.
                    folder = os.path.join(self.out, f"{case}-{self.cases}-{number}")
                    os.makedirs(folder, exist_ok=True)
                    command = [*command, os.path.join(folder, label)]
                    results.setdefault(label, []).append(measured(command, self.log))
        self.cases += 1
        median = {label: sorted(found)[len(found) // 2] for label, found in results.items()}
        first = median["duckdb"][0] / megabytes if "duckdb" in median else None
        print(f"\n{title}")
        unit = "files/s" if files else "MB/s"
        print(f"{'':12}{'wall s':>9}{unit:>10}{'CPU s':>9}{'peak MiB':>10}{'x duckdb':>10}")
        for label, _, size, _ in runs:
            wall, cpu, peak = median[label]
            speed = files / wall if files else size / wall
            ratio = f"{wall / size / first:10.2f}" if first else ""
            note = "" if size == megabytes else f"   ({size:.0f} MB of it)"
            print(f"{label:12}{wall:9.2f}{speed:10.0f}{cpu:9.2f}{peak:10.0f}{ratio}{note}")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--transform", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    folder = arguments.folder
    place = lambda name: os.path.join(folder, name)
    bench = Bench(arguments)
    print(f"{os.cpu_count()} cores, warm page cache, median of {arguments.rounds} rounds (pandas and dlt: one)")

    size = arguments.megabytes
    small = max(1, size // 20)
    wide, less = place(f"wide_{size}.jsonl"), place(f"wide_{small}.jsonl")
    wanted = lambda name: not arguments.only or name in arguments.only.split(",")
    if any(wanted(name) for name in ("wide", "gz", "zst")):
        inputs.wide(arguments.binary, wide, size)
        inputs.wide(arguments.binary, less, small)
    real = os.path.getsize(wide) / 1e6 if os.path.isfile(wide) else size
    if wanted("wide"):
        title = f"wide nested JSON lines, 20 of 131 keys, {real:.0f} MB"
        bench.run(title, "wide", "flats.toml", wide, real, PEERS, arguments.rounds, heavy=(less, os.path.getsize(less) / 1e6))
    for kind in ("gz", "zst"):
        if wanted(kind):
            packed = f"{wide}.{kind}"
            inputs.compressed(packed, wide, kind)
            ratio = os.path.getsize(packed) / 1e6
            title = f"the same as .{kind}, {ratio:.0f} MB packed"
            bench.run(title, "wide", "flats.toml", packed, real, ["duckdb", "polars"], arguments.rounds)
    for kind, definition in (("narrow", "narrow.toml"), ("csv", "csv.toml")):
        if wanted(kind):
            ending = "jsonl" if kind == "narrow" else "csv"
            source, less = place(f"narrow_{size // 2}.{ending}"), place(f"narrow_{small}.{ending}")
            inputs.narrow(source, size // 2, ending)
            inputs.narrow(less, small, ending)
            real = os.path.getsize(source) / 1e6
            title = f"{'narrow JSON lines' if kind == 'narrow' else 'csv'}, 7 columns, {real:.0f} MB"
            bench.run(title, kind, definition, source, real, PEERS, arguments.rounds, heavy=(less, os.path.getsize(less) / 1e6))
    if wanted("small"):
        files = 10_000
        source, less = place("small"), place("small_500")
        inputs.small(source, files, 4096)
        inputs.small(less, 500, 4096)
        total = sum(os.path.getsize(os.path.join(source, name)) for name in os.listdir(source)) / 1e6
        title = f"{files} files of 4 KB, a Parquet file for each ({total:.0f} MB; dlt: one data set)"
        bench.run(title, "small", "narrow.toml", source, total, PEERS, 1, files=files)
    shutil.rmtree(bench.out, ignore_errors=True)


main()
