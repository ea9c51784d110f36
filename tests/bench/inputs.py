"""Makes the benchmark's inputs, once: the same seed gives the same bytes."""

import gzip
import os
import random
import subprocess

WORDS = ["red", "grün", "blue", "señal", "north", "south", "kite", "stone", "river", "wolke", "lamp", "paper"]


def wide(binary, path, megabytes):
    """Nested lines of 131 keys, by lakehand's own sample. Clean: a broken line ends pandas and polars."""
    if not os.path.isfile(path):
        command = [binary, "sample", "--dirt", "0", "--jsonl", path, "--bytes", f"{megabytes}MB"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def compressed(path, source, kind):
    if os.path.isfile(path):
        return
    with open(source, "rb") as lines:
        if kind == "gz":
            with gzip.open(path, "wb", compresslevel=6) as out:
                copy(lines, out)
        else:
            import zstandard

            with open(path, "wb") as out, zstandard.ZstdCompressor(level=3).stream_writer(out) as packed:
                copy(lines, packed)


def copy(source, target):
    while chunk := source.read(1 << 22):
        target.write(chunk)


def rows(seed):
    dice = random.Random(seed)
    number = 0
    while True:
        number += 1
        yield (
            number,
            f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02}Z",
            f"{dice.choice(WORDS)} {dice.choice(WORDS)} {dice.randrange(100000)}",
            f"{dice.randrange(1, 10_000_000) / 100:.2f}",
            dice.choice(("true", "false")),
            dice.choice(WORDS),
            dice.randrange(-1000, 1_000_000),
        )


def line(row):
    number, at, name, price, is_open, kind, pieces = row
    return (
        f'{{"id":{number},"at":"{at}","name":"{name}","price":{price},"open":{is_open},'
        f'"detail":{{"kind":"{kind}","pieces":{pieces}}}}}\n'
    )


def narrow(path, megabytes, kind):
    if os.path.isfile(path):
        return
    with open(path, "w", encoding="utf-8", newline="") as out:
        written = 0
        if kind == "csv":
            out.write("id,at,name,price,open,kind,pieces\n")
        for row in rows(7):
            text = line(row) if kind == "jsonl" else ",".join(str(value) for value in row) + "\n"
            written += len(text.encode())
            out.write(text)
            if written >= megabytes * 1_000_000:
                return


def small(folder, files, size):
    if os.path.isdir(folder) and len(os.listdir(folder)) == files:
        return
    os.makedirs(folder, exist_ok=True)
    made = rows(11)
    for number in range(files):
        text = ""
        while len(text.encode()) < size:
            text += line(next(made))
        with open(os.path.join(folder, f"f{number:05}.jsonl"), "w", encoding="utf-8") as out:
            out.write(text)
