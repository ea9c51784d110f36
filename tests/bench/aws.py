"""Files a second and CPU a file, from S3 events to rows: lakehand with 1 and 2 replicas, beside a plain loop of boto3 and
pandas that does the same without a ledger, on the local cloud (an emulator of AWS, the Redshift stand-in).

The files are there and the queue is full before anything is started; a run ends when all rows are in the warehouse. CPU is
that of the workers alone; emulator and stand-in share the machine, so files a second say what this machine does, no more.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid

import boto3
import inputs

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = """
[landing]
url = "s3://landing-{suffix}"
[lake]
url = "s3://lake-{suffix}"
[queue]
url = "sqs://arrivals-{suffix}"
dead_letters_url = "sqs://arrivals-{suffix}-dead"
[ledger]
url = "dynamodb://ledger-{suffix}"
[warehouse]
url = "redshift://local/w{suffix}"
[aws]
region = "eu-central-1"
[redshift]
iam_role = "arn:aws:iam::000000000000:role/copy"
requests_per_second = 100
"""


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


class Cloud:
    """One set of buckets, queues, table and database of its own."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.suffix = uuid.uuid4().hex[:10]
        self.folder = os.path.join(arguments.folder, self.suffix)
        os.makedirs(os.path.join(self.folder, "datasets"))
        shutil.copy(os.path.join(HERE, "narrow.toml"), os.path.join(self.folder, "datasets"))
        with open(os.path.join(self.folder, "lakehand.toml"), "w") as settings:
            settings.write(SETTINGS.format(suffix=self.suffix))
        self.environment = {
            **os.environ,
            "LAKEHAND__AWS__ENDPOINT_URL": arguments.endpoint,
            "LAKEHAND__AWS__REDSHIFT_DATA_ENDPOINT_URL": arguments.redshift,
        }
        made = [arguments.binary, "provision", "--create-buckets"]
        subprocess.run(made, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        self.s3 = boto3.client("s3", endpoint_url=arguments.endpoint)
        self.sqs = boto3.client("sqs", endpoint_url=arguments.endpoint)

    def land(self, folder, files):
        def put(name):
            self.s3.upload_file(os.path.join(folder, name), f"landing-{self.suffix}", name)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(put, sorted(os.listdir(folder))[:files]))

    def workers(self, replicas, files):
        started = time.monotonic()
        workers = []
        for number in range(replicas):
            port = 19_460 + number
            log = open(os.path.join(self.folder, f"worker{number}.log"), "w")
            environment = {**self.environment, "LAKEHAND__HTTP__LISTEN": f"127.0.0.1:{port}"}
            command = [self.arguments.binary, "run"]
            workers.append((subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log), port))
        while True:
            time.sleep(0.1)
            loaded = 0
            for process, port in workers:
                if process.poll() is not None:
                    sys.exit(open(os.path.join(self.folder, "worker0.log")).read()[-3000:])
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
                        loaded += json.load(answer)["loaded"]
                except OSError:
                    pass
            if loaded >= files:
                break
            if time.monotonic() - started > 600:
                sys.exit(f"only {loaded} of {files} files are loaded after 600 s")
        wall = time.monotonic() - started
        cpu = sum(cpu_of(process.pid) for process, _ in workers)
        peak = max(peak_of(process.pid) for process, _ in workers)
        for process, _ in workers:
            process.terminate()
        for process, _ in workers:
            process.wait()
        return wall, cpu, peak

    def loop(self, files):
        command = [sys.executable, os.path.join(HERE, "aws_loop.py"), self.suffix, str(files)]
        environment = {**self.environment, "ENDPOINT": self.arguments.endpoint, "REDSHIFT": self.arguments.redshift}
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit("the loop failed")
        return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--redshift", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--files", type=int, default=2000)
    arguments = parser.parse_args()
    source = os.path.join(arguments.folder, f"small_{arguments.files}")
    inputs.small(source, arguments.files, 4096)
    print(f"{arguments.files} files of 4 KB from S3 events to rows, {os.cpu_count()} cores")
    print(f"{'':28}{'wall s':>9}{'files/s':>9}{'CPU ms a file':>15}{'peak MiB':>10}")
    for label, replicas in (("lakehand, 1 replica", 1), ("lakehand, 2 replicas", 2), ("boto3 + pandas, no ledger", 0)):
        cloud = Cloud(arguments)
        cloud.land(source, arguments.files)
        wall, cpu, peak = cloud.workers(replicas, arguments.files) if replicas else cloud.loop(arguments.files)
        each = cpu * 1000 / arguments.files
        print(f"{label:28}{wall:9.2f}{arguments.files / wall:9.0f}{each:15.2f}{peak:10.0f}")
        sys.stdout.flush()


main()
