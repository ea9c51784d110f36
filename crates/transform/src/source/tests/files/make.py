"""Makes the files beside it, by other code than ours: pyarrow 26 and fastavro 1.13 (with cramjam and backports.zstd)."""

import datetime as dt
import decimal
import uuid

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

UTC = dt.timezone.utc
day = dt.date(2026, 11, 21)
at = dt.datetime(2026, 11, 21, 8, 30, 0, 123456)


def parquet():
    rows = pa.table(
        {
            "b": pa.array([True, None, False], pa.bool_()),
            "i8": pa.array([-128, None, 127], pa.int8()),
            "u16": pa.array([0, None, 65535], pa.uint16()),
            "i32": pa.array([-(2**31), None, 2**31 - 1], pa.int32()),
            "i64": pa.array([-(2**63), None, 2**63 - 1], pa.int64()),
            "u64": pa.array([0, None, 2**64 - 1], pa.uint64()),
            "f16": pa.array([1.5, None, float("-inf")], pa.float16()),
            "f32": pa.array([0.1, None, float("nan")], pa.float32()),
            "f64": pa.array([0.1, None, float("inf")], pa.float64()),
            "dec": pa.array([decimal.Decimal("-1.05"), None, decimal.Decimal("99999999.99")], pa.decimal128(10, 2)),
            "big": pa.array([decimal.Decimal("1e-10"), None, decimal.Decimal("-12345678901234567890.5")], pa.decimal128(38, 10)),
            "s": pa.array(["größer \"x\"\n", None, ""], pa.string()),
            "dict": pa.array(["a", None, "a"], pa.dictionary(pa.int32(), pa.string())),
            "bin": pa.array([b"\x00\xff", None, b"text"], pa.binary()),
            "fix": pa.array([b"\x01\x02", None, b"\xfe\xff"], pa.binary(2)),
            "d": pa.array([day, None, dt.date(1, 1, 1)], pa.date32()),
            "ms": pa.array([at.replace(microsecond=123000), None, dt.datetime(1969, 12, 31)], pa.timestamp("ms")),
            "us": pa.array([at, None, dt.datetime(1969, 12, 31)], pa.timestamp("us", "UTC")),
            "ns": pa.array([1, None, 1_000], pa.timestamp("ns")),
            "t": pa.array([dt.time(8, 30, 0, 5), None, dt.time(0)], pa.time64("us")),
            "list": pa.array([[1, None, 3], None, []], pa.list_(pa.int64())),
            "rec": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": None}], pa.struct([("x", pa.int64()), ("y", pa.string())])),
            "recs": pa.array([[{"x": 1}, {"x": 2}], None, [None]], pa.list_(pa.struct([("x", pa.int64())]))),
            "map": pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())),
        }
    )
    for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        version = "2.0" if codec in ("zstd", "gzip") else "1.0"
        pq.write_table(rows, f"types_{codec}.parquet", compression=codec, data_page_version=version, row_group_size=2)
    pq.write_table(rows.select(["us"]), "int96.parquet", use_deprecated_int96_timestamps=True)
    pq.write_table(rows.schema.empty_table(), "empty.parquet")


SCHEMA = {
    "type": "record",
    "name": "R",
    "namespace": "n",
    "fields": [
        {"name": "b", "type": ["null", "boolean"]},
        {"name": "i", "type": ["null", "int"]},
        {"name": "l", "type": ["null", "long"]},
        {"name": "f", "type": ["null", "float"]},
        {"name": "x", "type": ["null", "double"]},
        {"name": "s", "type": ["null", "string"]},
        {"name": "bin", "type": ["null", "bytes"]},
        {"name": "dec", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}]},
        {"name": "fixed", "type": ["null", {"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4}]},
        {"name": "u", "type": ["null", {"type": "string", "logicalType": "uuid"}]},
        {"name": "e", "type": ["null", {"type": "enum", "name": "E", "symbols": ["RED", "GREEN"]}]},
        {"name": "d", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "ms", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "us", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "local", "type": ["null", {"type": "long", "logicalType": "local-timestamp-micros"}]},
        {"name": "t", "type": ["null", {"type": "long", "logicalType": "time-micros"}]},
        {"name": "list", "type": ["null", {"type": "array", "items": ["null", "long"]}]},
        {"name": "map", "type": ["null", {"type": "map", "values": "long"}]},
        {"name": "next", "type": ["null", "R"]},
        {"name": "either", "type": ["null", "long", "string"]},
    ],
}
NOTHING = {field["name"]: None for field in SCHEMA["fields"]}


def avro():
    rows = [
        {
            **NOTHING,
            "b": True,
            "i": -(2**31),
            "l": 2**63 - 1,
            "f": 0.5,
            "x": 0.1,
            "s": 'größer "x"\n',
            "bin": b"\x00\xff",
            "dec": decimal.Decimal("-1.05"),
            "fixed": decimal.Decimal("12345.6789"),
            "u": uuid.UUID("11111111-2222-3333-4444-555555555555"),
            "e": "GREEN",
            "d": day,
            "ms": at.replace(microsecond=123000, tzinfo=UTC),
            "us": at.replace(tzinfo=UTC),
            "local": at,
            "t": dt.time(8, 30, 0, 5),
            "list": [1, None, 3],
            "map": {"k": 1, "l": 2},
            "next": {**NOTHING, "i": 7},
            "either": "text",
        },
        NOTHING,
        {**NOTHING, "x": float("nan"), "either": 5, "list": [], "map": {}},
    ]
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]:
        with open(f"types_{codec}.avro", "wb") as file:
            fastavro.writer(file, SCHEMA, rows, codec=codec, sync_interval=10, sync_marker=b"lakehand-example")
    with open("empty.avro", "wb") as file:
        fastavro.writer(file, SCHEMA, [], sync_marker=b"lakehand-example")


parquet()
avro()
