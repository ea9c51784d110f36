"""The plain loop: receive ten, read each file with pandas, write its Parquet, COPY the ten, delete the ten. No ledger: a
crash between COPY and delete doubles rows, and a bad file stops it."""

import io
import json
import os
import sys
import time
import urllib.parse

import boto3
import pandas as pd

suffix, files = sys.argv[1], int(sys.argv[2])
s3 = boto3.client("s3", endpoint_url=os.environ["ENDPOINT"])
sqs = boto3.client("sqs", endpoint_url=os.environ["ENDPOINT"])
redshift = boto3.client("redshift-data", endpoint_url=os.environ["REDSHIFT"])
lake = f"lake-{suffix}"
queue = sqs.get_queue_url(QueueName=f"arrivals-{suffix}")["QueueUrl"]


def run(sql):
    statement = redshift.execute_statement(WorkgroupName="local", Database=f"loop{suffix}", Sql=sql)["Id"]
    while True:
        told = redshift.describe_statement(Id=statement)
        if told["Status"] in ("FINISHED", "FAILED", "ABORTED"):
            if told["Status"] != "FINISHED":
                sys.exit(told.get("Error"))
            return
        time.sleep(0.02)


run(
    "CREATE TABLE rows (id BIGINT, at TIMESTAMP, name VARCHAR(100), price DOUBLE PRECISION, open BOOLEAN, "
    "kind VARCHAR(20), pieces INTEGER)"
)
done = 0
while done < files:
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
    entries = []
    for message in messages:
        for record in json.loads(message["Body"]).get("Records", []):
            key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
            body = s3.get_object(Bucket=record["s3"]["bucket"]["name"], Key=key)["Body"].read()
            frame = pd.read_json(io.BytesIO(body), lines=True)
            detail = pd.DataFrame(frame.pop("detail").tolist(), index=frame.index)
            frame = frame.join(detail)
            frame["at"] = pd.to_datetime(frame["at"], utc=True).dt.tz_localize(None).astype("datetime64[us]")
            frame["price"] = frame["price"].astype("float64")
            frame["open"] = frame["open"].astype("boolean")
            frame["pieces"] = frame["pieces"].astype("int32")
            out = io.BytesIO()
            frame.to_parquet(out, compression="zstd", index=False)
            s3.put_object(Bucket=lake, Key=f"loop/{key}.parquet", Body=out.getvalue())
            entries.append(
                {
                    "url": f"s3://{lake}/loop/{key}.parquet",
                    "mandatory": True,
                    "meta": {"content_length": len(out.getvalue())},
                }
            )
    if not entries:
        continue
    manifest = f"loop/manifest-{done}.json"
    s3.put_object(Bucket=lake, Key=manifest, Body=json.dumps({"entries": entries}).encode())
    run(f"COPY rows FROM 's3://{lake}/{manifest}' IAM_ROLE default FORMAT PARQUET MANIFEST")
    sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)],
    )
    done += len(entries)
