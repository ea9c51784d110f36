"""The same work in DuckDB, polars and pandas: 20 typed columns of nested JSON lines to Parquet with zstd. None of them
keeps rejected lines: bad values become nulls, bad lines are dropped or end the run."""

import sys

COLUMNS = {
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


def with_duckdb(source, target):
    import duckdb

    struct = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
    picked = []
    for name in COLUMNS:
        column = f'data."{name}"'
        if name == "id":
            column = f"TRY_CAST({column} AS BIGINT)"
        elif name in BOOLEANS:
            column = f"TRY_CAST({column} AS BOOLEAN)"
        elif name in INSTANTS:
            column = f"TRY_CAST({column} AS TIMESTAMPTZ)"
        picked.append(f'{column} AS "{name}"')
    duckdb.execute(
        f"COPY (SELECT {', '.join(picked)} FROM read_ndjson('{source}', columns = {{'data': 'STRUCT({struct})'}}, "
        f"ignore_errors = true)) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    )


def with_polars(source, target):
    import polars as pl

    kinds = {"VARCHAR": pl.String, "INTEGER": pl.Int32}
    struct = pl.Struct({name: kinds.get(kind, pl.Float64) for name, kind in COLUMNS.items()})
    frame = pl.scan_ndjson(source, schema={"data": struct}, ignore_errors=True)
    picked = []
    for name, kind in COLUMNS.items():
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
    frame.select(picked).sink_parquet(target, compression="zstd")


def with_pandas(source, target):
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for chunk in pd.read_json(source, lines=True, chunksize=5000, encoding_errors="replace"):
        frame = pd.DataFrame([row if isinstance(row, dict) else {} for row in chunk["data"]]).reindex(columns=list(COLUMNS))
        frame["id"] = pd.to_numeric(frame["id"], errors="coerce").astype("Int64")
        for name in BOOLEANS:
            frame[name] = frame[name].map({"true": True, "false": False}).astype("boolean")
        for name in INSTANTS:
            frame[name] = pd.to_datetime(frame[name], errors="coerce", utc=True, format="ISO8601").astype("datetime64[us, UTC]")
        for name, kind in COLUMNS.items():
            if kind.startswith("DECIMAL"):
                frame[name] = pd.to_numeric(frame[name], errors="coerce").astype("float64")
            elif kind == "INTEGER":
                frame[name] = pd.to_numeric(frame[name], errors="coerce").round().astype("Int32")
            elif kind == "VARCHAR" and name not in BOOLEANS + INSTANTS + ["id"]:
                frame[name] = frame[name].astype("string")
        table = pa.Table.from_pandas(frame, preserve_index=False, schema=writer.schema if writer else None)
        writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


{"duckdb": with_duckdb, "polars": with_polars, "pandas": with_pandas}[sys.argv[1]](sys.argv[2], sys.argv[3])
