"""Runs lakehand's transform, its whole path, DuckDB, polars and pandas on one generated file, each in a process of its
own, and prints wall seconds, MB/s of input, CPU seconds, peak resident memory and the ratio to DuckDB."""

import argparse
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def measured(command, log):
    """Wall seconds, CPU seconds and peak resident MiB of a command; its exit code must be 0."""
    started = time.monotonic()
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    if process.returncode != 0:
        sys.exit(f"{command} exited with {process.returncode}: {open(log).read()[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--transform", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    landing = os.path.join(arguments.folder, "landing")
    os.makedirs(landing, exist_ok=True)
    name = f"flats_{arguments.megabytes}.jsonl"
    source = os.path.join(landing, name)
    definition = os.path.join(HERE, "flats.toml")
    if not os.path.isfile(source):
        for other in os.listdir(landing):
            os.remove(os.path.join(landing, other))
        subprocess.run(
            # Clean lines: a broken one ends pandas and polars.
            [arguments.binary, "sample", "--dirt", "0", "--jsonl", source, "--bytes", f"{arguments.megabytes}MB"],
            check=True,
        )
    megabytes = os.path.getsize(source) / 1e6
    with open(source, "rb") as file:  # warm the page cache for everybody
        while file.read(1 << 24):
            pass

    peers = os.path.join(HERE, "peers.py")
    out = os.path.join(arguments.folder, "out")
    work = os.path.join(arguments.folder, "whole")
    settings = os.path.join(work, "lakehand.toml")

    def whole():
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(os.path.join(work, "datasets"))
        shutil.copy(definition, os.path.join(work, "datasets", "flats.toml"))
        with open(settings, "w") as file:
            file.write(f'[landing]\nurl = "file://{landing}"\n[lake]\nurl = "file://{work}/lake"\n')
        return [arguments.binary, "--config", settings, "run", "--drain"]

    runs = [
        ("lakehand, transform", lambda: [arguments.transform, definition, source, os.path.join(out, "lakehand")]),
        ("duckdb", lambda: [sys.executable, peers, "duckdb", source, os.path.join(out, "duckdb.parquet")]),
        ("polars", lambda: [sys.executable, peers, "polars", source, os.path.join(out, "polars.parquet")]),
        ("pandas", lambda: [sys.executable, peers, "pandas", source, os.path.join(out, "pandas.parquet")]),
        ("lakehand, whole path", whole),
    ]
    best = {}
    for round_number in range(arguments.rounds):
        for label, command in runs:
            if label in ("pandas", "lakehand, whole path") and round_number > 0:
                continue
            shutil.rmtree(out, ignore_errors=True)
            os.makedirs(out)
            log = os.path.join(arguments.folder, "log.txt")
            result = measured(command(), log)
            best.setdefault(label, []).append(result)
    duck = sorted(best["duckdb"])[len(best["duckdb"]) // 2][0]
    print(f"{megabytes:.0f} MB of JSON lines, {os.cpu_count()} cores, warm page cache, median of {arguments.rounds} rounds")
    print("(pandas and the whole path: one round; the whole path also loads every row into SQLite)\n")
    print(f"{'':24}{'wall s':>9}{'MB/s':>9}{'CPU s':>9}{'peak MiB':>10}{'x duckdb':>10}")
    for label, _ in runs:
        wall, cpu, rss = sorted(best[label])[len(best[label]) // 2]
        print(f"{label:24}{wall:9.2f}{megabytes / wall:9.0f}{cpu:9.2f}{rss:10.0f}{wall / duck:10.2f}")


main()
