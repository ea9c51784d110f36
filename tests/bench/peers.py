"""The same work in DuckDB, polars, pandas and dlt: typed columns of JSON lines or csv to Parquet with zstd. None of them
keeps rejected lines: bad values become nulls, bad lines are dropped or end the run.

peers.py PEER CASE SOURCE TARGET      CASE: wide | narrow | csv | small (SOURCE is a folder: a Parquet file for each file)
"""

import os
import sys

WIDE = {
    "id": "VARCHAR", "publishDate": "VARCHAR", "realEstate_apartmentType": "VARCHAR", "realEstate_balcony": "VARCHAR",
    "realEstate_baseRent": "DECIMAL(12,2)", "realEstate_builtInKitchen": "VARCHAR",
    "realEstate_calculatedTotalRent": "DECIMAL(12,2)", "realEstate_cellar": "VARCHAR",
    "realEstate_condition": "VARCHAR", "realEstate_constructionYear": "INTEGER",
    "realEstate_descriptionNote": "VARCHAR", "realEstate_floor": "INTEGER", "realEstate_heatingCosts": "DECIMAL(12,2)",
    "realEstate_lastModificationDate": "VARCHAR", "realEstate_lift": "VARCHAR",
    "realEstate_livingSpace": "DECIMAL(10,2)", "realEstate_numberOfRooms": "DECIMAL(4,1)",
    "realEstate_serviceCharge": "DECIMAL(12,2)", "realEstate_title": "VARCHAR", "realEstate_address_postcode": "VARCHAR",
}
BOOLEANS = ["realEstate_balcony", "realEstate_builtInKitchen", "realEstate_lift"]
INSTANTS = ["publishDate", "realEstate_lastModificationDate"]
NARROW = {
    "id": "BIGINT", "at": "TIMESTAMPTZ", "name": "VARCHAR", "price": "DECIMAL(12,2)", "open": "BOOLEAN",
    "kind": "VARCHAR", "pieces": "INTEGER",
}


# DuckDB


def duckdb_query(case, source):
    if case == "csv":
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in NARROW.items())
        return f"SELECT * FROM read_csv('{source}', header = true, columns = {{{columns}}}, ignore_errors = true)"
    if case == "wide":
        struct = ", ".join(f'"{name}" {kind}' for name, kind in WIDE.items())
        picked = []
        for name in WIDE:
            column = f'data."{name}"'
            if name == "id":
                column = f"TRY_CAST({column} AS BIGINT)"
            elif name in BOOLEANS:
                column = f"TRY_CAST({column} AS BOOLEAN)"
            elif name in INSTANTS:
                column = f"TRY_CAST({column} AS TIMESTAMPTZ)"
            picked.append(f'{column} AS "{name}"')
        return (
            f"SELECT {', '.join(picked)} FROM read_ndjson('{source}', columns = {{'data': 'STRUCT({struct})'}}, "
            f"ignore_errors = true)"
        )
    columns = (
        "{'id': 'BIGINT', 'at': 'VARCHAR', 'name': 'VARCHAR', 'price': 'DECIMAL(12,2)', 'open': 'BOOLEAN', "
        "'detail': 'STRUCT(kind VARCHAR, pieces INTEGER)'}"
    )
    return (
        # `at` is a word of DuckDB's own.
        f'SELECT id, TRY_CAST("at" AS TIMESTAMPTZ) AS "at", name, price, open, detail.kind AS kind, detail.pieces AS pieces '
        f"FROM read_ndjson('{source}', columns = {columns}, ignore_errors = true)"
    )


def with_duckdb(case, source, target):
    import duckdb

    duckdb.execute(f"COPY ({duckdb_query(case, source)}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


# polars


def polars_frame(case, source):
    import polars as pl

    if case == "wide":
        kinds = {"VARCHAR": pl.String, "INTEGER": pl.Int32}
        struct = pl.Struct({name: kinds.get(kind, pl.Float64) for name, kind in WIDE.items()})
        frame = pl.scan_ndjson(source, schema={"data": struct}, ignore_errors=True)
        picked = []
        for name, kind in WIDE.items():
            column = pl.col("data").struct.field(name)
            if name == "id":
                column = column.cast(pl.Int64, strict=False)
            elif name in BOOLEANS:
                column = column == "true"
            elif name in INSTANTS:
                column = column.str.to_datetime(time_zone="UTC", strict=False)
            elif kind.startswith("DECIMAL"):
                precision, scale = kind[8:-1].split(",")
                column = column.cast(pl.Decimal(int(precision), int(scale)), strict=False)
            picked.append(column.alias(name))
        return frame.select(picked)
    plain = {"id": pl.Int64, "at": pl.String, "name": pl.String, "price": pl.Float64, "open": pl.Boolean}
    if case == "csv":
        schema = {**plain, "kind": pl.String, "pieces": pl.Int32}
        frame = pl.scan_csv(source, schema=schema, ignore_errors=True)
    else:
        detail = pl.Struct({"kind": pl.String, "pieces": pl.Int32})
        frame = pl.scan_ndjson(source, schema={**plain, "detail": detail}, ignore_errors=True).unnest("detail")
    return frame.with_columns(
        pl.col("at").str.to_datetime(time_zone="UTC", strict=False), pl.col("price").cast(pl.Decimal(12, 2), strict=False)
    )


def with_polars(case, source, target):
    polars_frame(case, source).sink_parquet(target, compression="zstd")


# pandas


def pandas_chunks(case, source):
    import pandas as pd

    if case == "csv":
        yield from pd.read_csv(source, chunksize=100_000)
    elif case == "wide":
        for chunk in pd.read_json(source, lines=True, chunksize=5000, encoding_errors="replace"):
            rows = [row if isinstance(row, dict) else {} for row in chunk["data"]]
            yield pd.DataFrame(rows).reindex(columns=list(WIDE))
    else:
        for chunk in pd.read_json(source, lines=True, chunksize=100_000):
            detail = pd.DataFrame(chunk.pop("detail").tolist(), index=chunk.index)
            yield chunk.join(detail)


def pandas_typed(case, frame):
    import pandas as pd

    instants, booleans, columns = (INSTANTS, BOOLEANS, WIDE) if case == "wide" else (["at"], ["open"], NARROW)
    frame["id"] = pd.to_numeric(frame["id"], errors="coerce").astype("Int64")
    for name in booleans:
        if case == "wide":
            frame[name] = frame[name].map({"true": True, "false": False})
        frame[name] = frame[name].astype("boolean")
    for name in instants:
        read = pd.to_datetime(frame[name], errors="coerce", utc=True, format="ISO8601")
        frame[name] = read.astype("datetime64[us, UTC]")
    for name, kind in columns.items():
        if kind.startswith("DECIMAL"):
            frame[name] = pd.to_numeric(frame[name], errors="coerce").astype("float64")
        elif kind == "INTEGER":
            frame[name] = pd.to_numeric(frame[name], errors="coerce").round().astype("Int32")
        elif kind == "VARCHAR" and name not in booleans + instants + ["id"]:
            frame[name] = frame[name].astype("string")
    return frame


def with_pandas(case, source, target):
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for frame in pandas_chunks(case, source):
        frame = pandas_typed(case, frame)
        table = pa.Table.from_pandas(frame, preserve_index=False, schema=writer.schema if writer else None)
        writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


# dlt


def with_dlt(case, source, target):
    import csv
    import json

    import dlt
    from dlt.destinations import filesystem

    names = list(WIDE if case == "wide" else NARROW)
    files = [os.path.join(source, name) for name in sorted(os.listdir(source))] if case == "small" else [source]

    def read():
        for file in files:
            with open(file, encoding="utf-8", errors="replace", newline="") as lines:
                if case == "csv":
                    yield from csv.DictReader(lines)
                    continue
                for text in lines:
                    row = json.loads(text)
                    if case == "wide":
                        row = row["data"]
                        yield {name: row.get(name) for name in names}
                    else:
                        row.update(row.pop("detail"))
                        yield row

    kinds = {"BIGINT": "bigint", "INTEGER": "bigint", "VARCHAR": "text", "TIMESTAMPTZ": "timestamp", "BOOLEAN": "bool"}
    columns = {}
    for name, kind in (WIDE if case == "wide" else NARROW).items():
        if kind.startswith("DECIMAL"):
            precision, scale = kind[8:-1].split(",")
            columns[name] = {"data_type": "decimal", "precision": int(precision), "scale": int(scale)}
        else:
            columns[name] = {"data_type": kinds[kind]}
    where = os.path.abspath(target) + ".dlt"
    pipeline = dlt.pipeline("bench", destination=filesystem(bucket_url=f"file://{where}"), pipelines_dir=where + ".state", dataset_name="bench")
    pipeline.run(dlt.resource(read, name="rows", columns=columns), loader_file_format="parquet")


def main():
    peer, case, source, target = sys.argv[1:5]
    work = {"duckdb": with_duckdb, "polars": with_polars, "pandas": with_pandas, "dlt": with_dlt}[peer]
    if case == "small" and peer != "dlt":
        os.makedirs(target, exist_ok=True)
        for name in sorted(os.listdir(source)):
            work("narrow", os.path.join(source, name), os.path.join(target, name + ".parquet"))
    else:
        work(case, source, target)


main()
