"""Other clients than Kafka's own: `serve_clients.py ADDRESS EXPECTED SEED STEP,...`, in the environment that `setup` made.

librdkafka (confluent-kafka) and kafka-python get every record that is in EXPECTED (testdata/expected/kafka-*): assigned
from the beginning, from any offset, by time, as two members of a group, going on from what they committed, committed
records only; and their producers are refused. Every difference is a line of JSON, {"wrong": "..."}; the others say how
much was compared, {"count": "...", "of": N}.
"""

import base64
import json
import logging
import pathlib
import random
import sys
import threading
import time

import confluent_kafka
import kafka
from confluent_kafka import Consumer, KafkaException, TopicPartition
from kafka.record.util import calc_crc32c

logging.disable()
LIMIT = 30
LONG = 512
# What is in a segment without any time is as late as the file was written: a checkout is not the broker's own directory.
UNTIMED = ("compact-empty", "magic1-compact", "upgrade", "upgrade-compact")
# Where a group of the dead cluster stopped; every log dir has it.
MANUAL = {("grouped", 0): 3, ("grouped", 2): 5}


def tell(**fields):
    print(json.dumps(fields), flush=True)


def brief(data):
    if data is None:
        return None
    if len(data) > LONG:
        return {"size": len(data), "crc32c": calc_crc32c(data)}
    return base64.b64encode(data).decode()


def same(what, want, have, last=None):
    """Each a list of records; says the first that differs."""
    if want == have:
        return
    at = next((i for i, (w, h) in enumerate(zip(want, have)) if w != h), min(len(want), len(have)))
    tell(wrong=f"{what}: {len(have)} of {len(want)} records; record {at} is {str(have[at:at + 1])[:300]}, not {str(want[at:at + 1])[:300]}")


class Expected:
    """What a real consumer got of a directory."""

    def __init__(self, directory):
        self.offsets = [json.loads(line) for line in (directory / "offsets.jsonl").read_text().splitlines()]
        self.partitions = [(line["topic"], line["partition"]) for line in self.offsets]
        self.all, self.committed = {}, {}
        for topic, partition in self.partitions:
            name = directory / f"{topic}-{partition}"
            self.all[topic, partition] = self.read(f"{name}.uncommitted.jsonl")
            file = pathlib.Path(f"{name}.committed.jsonl")
            self.committed[topic, partition] = self.read(file) if file.exists() else self.all[topic, partition]

    def read(self, file):
        records = map(json.loads, pathlib.Path(file).read_text().splitlines())
        return [(r["offset"], r["timestamp"], r["timestampType"], str(r["key"]), str(r["value"]), str(r.get("headers", []))) for r in records]

    def starts(self, rng):
        """A partition and an offset in it, some that have no record."""
        for line in self.offsets:
            first, end = line["earliest"][0], line["highWatermark"][0]
            yield (line["topic"], line["partition"]), rng.randint(first, end)


# ---- librdkafka ----


class Confluent:
    name = "librdkafka"
    TYPES = {confluent_kafka.TIMESTAMP_NOT_AVAILABLE: "NoTimestampType", confluent_kafka.TIMESTAMP_CREATE_TIME: "CreateTime",
             confluent_kafka.TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}

    def __init__(self, address, **config):
        self.errors = []
        self.consumer = Consumer({
            "bootstrap.servers": address, "group.id": "other-clients", "enable.auto.commit": False, "auto.offset.reset": "error",
            "enable.partition.eof": True, "check.crcs": True, "fetch.wait.max.ms": 50, "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 200, "isolation.level": "read_uncommitted", "topic.metadata.refresh.interval.ms": -1,
            "error_cb": lambda error: self.errors.append(str(error)), "logger": logging.getLogger("none"),
            **{name.replace("_", "."): value for name, value in config.items()}})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.consumer.close()
        for error in self.errors:
            tell(wrong=f"{self.name}: {error}")

    def record(self, message):
        kind, time_of = message.timestamp()
        headers = [[key, brief(value)] for key, value in message.headers() or []]
        # It does not tell a record without a time from one whose time is unknown.
        return (message.offset(), -1 if kind == 0 else time_of, self.TYPES[kind], str(brief(message.key())), str(brief(message.value())),
                str(headers))

    def poll(self, on_end=lambda key: None):
        for message in self.consumer.consume(1000, 0.05):
            key = message.topic(), message.partition()
            if message.error() and message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                on_end(key)
            elif message.error():
                raise KafkaException(message.error())
            else:
                yield key, self.record(message)

    def read(self, starts):
        """Everything from the offsets given to the ends."""
        self.consumer.assign([TopicPartition(*key, offset) for key, offset in starts.items()])
        out, open_ones = {key: [] for key in starts}, set(starts)
        deadline = time.monotonic() + LIMIT
        while open_ones:
            for key, record in self.poll(open_ones.discard):
                out[key].append(record)
            if time.monotonic() > deadline:
                tell(wrong=f"{self.name}: stuck in {sorted(open_ones)}")
                break
        self.consumer.unassign()
        return out

    def by_time(self, times):
        asked = [TopicPartition(*key, time_of) for key, time_of in times.items()]
        return {(p.topic, p.partition): p.offset for p in self.consumer.offsets_for_times(asked, timeout=LIMIT)}

    def ends(self, key):
        return self.consumer.get_watermark_offsets(TopicPartition(*key), timeout=LIMIT)

    def committed(self, keys):
        return {(p.topic, p.partition): p.offset for p in self.consumer.committed([TopicPartition(*key) for key in keys], timeout=LIMIT) if p.offset >= 0}

    def subscribe(self, topic):
        self.consumer.subscribe([topic])

    def assigned(self):
        return {(p.topic, p.partition) for p in self.consumer.assignment()}

    def commit(self, offsets):
        self.consumer.commit(offsets=[TopicPartition(*key, offset) for key, offset in offsets.items()], asynchronous=False)


# ---- kafka-python ----


class Python:
    name = "kafka-python"
    TYPES = {None: "NoTimestampType", -1: "NoTimestampType", 0: "CreateTime", 1: "LogAppendTime"}

    def __init__(self, address, group_id="other-clients-2", **config):
        self.consumer = kafka.KafkaConsumer(bootstrap_servers=address, group_id=group_id, enable_auto_commit=False, fetch_max_wait_ms=50,
                                            auto_offset_reset="earliest", check_crcs=True, session_timeout_ms=10_000, heartbeat_interval_ms=200,
                                            consumer_timeout_ms=LIMIT * 1000, max_poll_records=5000, **config)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.consumer.close(autocommit=False)

    def record(self, r):
        return (r.offset, -1 if r.timestamp is None else r.timestamp, self.TYPES[r.timestamp_type], str(brief(r.key)), str(brief(r.value)),
                str([[key, brief(value)] for key, value in r.headers]))

    def poll(self):
        for partition, records in self.consumer.poll(50).items():
            for record in records:
                yield (partition.topic, partition.partition), self.record(record)

    def read(self, starts):
        partitions = {key: kafka.TopicPartition(*key) for key in starts}
        self.consumer.assign(list(partitions.values()))
        for key, offset in starts.items():
            self.consumer.seek_to_beginning(partitions[key]) if offset == confluent_kafka.OFFSET_BEGINNING else self.consumer.seek(partitions[key], offset)
        ends = self.consumer.end_offsets(list(partitions.values()))
        out, open_ones = {key: [] for key in starts}, set(starts)
        deadline = time.monotonic() + LIMIT
        while open_ones:
            for key, record in self.poll():
                out[key].append(record)
            open_ones = {key for key in open_ones if self.consumer.position(partitions[key]) < ends[partitions[key]]}
            if time.monotonic() > deadline:
                tell(wrong=f"{self.name}: stuck in {sorted(open_ones)}")
                break
        return out

    def by_time(self, times):
        answers = self.consumer.offsets_for_times({kafka.TopicPartition(*key): time_of for key, time_of in times.items()})
        return {(p.topic, p.partition): answer.offset if answer else -1 for p, answer in answers.items()}

    def ends(self, key):
        partition = kafka.TopicPartition(*key)
        return self.consumer.beginning_offsets([partition])[partition], self.consumer.end_offsets([partition])[partition]

    def committed(self, keys):
        found = {key: self.consumer.committed(kafka.TopicPartition(*key)) for key in keys}
        return {key: offset for key, offset in found.items() if offset is not None}

    def subscribe(self, topic):
        self.consumer.subscribe([topic])

    def assigned(self):
        return {(p.topic, p.partition) for p in self.consumer.assignment()}

    def commit(self, offsets):
        self.consumer.commit({kafka.TopicPartition(*key): kafka.OffsetAndMetadata(offset, "") for key, offset in offsets.items()})


# ---- what both do ----


def everything(client, expected, wanted, what):
    """`kafka-python` has no read_committed."""
    got = client.read({key: confluent_kafka.OFFSET_BEGINNING for key in wanted})
    for key, records in wanted.items():
        same(f"{client.name} {what} {key[0]}-{key[1]}", records, got[key])
    tell(count=f"{client.name}: records, {what}", of=sum(map(len, got.values())))


def from_anywhere(client, expected, rng):
    starts = dict(expected.starts(rng))
    got = client.read(starts)
    for key, offset in starts.items():
        same(f"{client.name} {key[0]}-{key[1]} from {offset}", [r for r in expected.all[key] if r[0] >= offset], got[key])
    tell(count=f"{client.name}: partitions from some offset", of=len(starts))


def by_time(client, expected):
    """librdkafka answers with the end where no record is as late."""
    asked = 0
    known = {(line["topic"], line["partition"]): [t for t in line["times"] if t[1] is not None] for line in expected.offsets
             if line["topic"] not in UNTIMED}
    for i in range(max(map(len, known.values()))):
        some = {key: times[i] for key, times in known.items() if i < len(times)}
        answers = client.by_time({key: answer[0] for key, answer in some.items()})
        for key, answer in some.items():
            if answers[key] not in (answer[1], confluent_kafka.OFFSET_END if answer[1] < 0 else answer[1]):
                tell(wrong=f"{client.name} {key} at {answer[0]}: {answers[key]}, not {answer[1]}")
        asked += len(some)
    for line in expected.offsets:
        have, want = tuple(client.ends((line["topic"], line["partition"]))), (line["earliest"][0], line["highWatermark"][0])
        if have != want:
            tell(wrong=f"{client.name} {line['topic']}-{line['partition']} is {have}, not {want}")
    tell(count=f"{client.name}: times", of=asked)


class Member(threading.Thread):
    """One member of a group, in a thread of its own: some clients wait for the others while they join."""

    def __init__(self, client, topic):
        super().__init__(daemon=True)
        self.client, self.topic, self.got, self.assigned, self.at_end, self.error = client, topic, [], set(), None, None
        self.is_over = threading.Event()
        self.start()

    def run(self):
        try:
            with self.client() as client:
                client.subscribe(self.topic)
                while not self.is_over.is_set():
                    self.got += client.poll()
                    self.assigned = client.assigned()
                if self.at_end:
                    client.commit(self.at_end)
        except Exception as error:
            self.error = repr(error)

    def end(self, commit=None):
        self.at_end = commit
        self.is_over.set()
        self.join(LIMIT)
        if self.is_alive() or self.error:
            tell(wrong=f"{self.topic}: a member of the group did not end well: {self.error}")


def settle(members, name, what, keys, shares):
    """Until each partition has one owner, and each member so many."""
    deadline = time.monotonic() + LIMIT
    while sorted(len(m.assigned) for m in members) != shares or set().union(*(m.assigned for m in members)) != keys:
        time.sleep(0.05)
        if time.monotonic() > deadline or any(m.error for m in members):
            return tell(wrong=f"{name}: {what}: {[sorted(m.assigned) for m in members]} of {sorted(keys)} {[m.error for m in members]}")


def members(client, name, expected, topic):
    """One member, then another one; each partition has one owner. One leaves; the other commits; a third goes on there."""
    keys = {key for key in expected.partitions if key[0] == topic}
    half = {key: len(expected.all[key]) // 2 for key in keys}
    begin = time.monotonic()
    one = Member(client, topic)
    settle([one], name, "one member", keys, [3])
    two = Member(client, topic)
    settle([one, two], name, "two members", keys, [1, 2])
    two.end()
    settle([one], name, "one member again", keys, [3])
    one.end({key: expected.all[key][half[key]][0] for key in keys if expected.all[key]})
    got = one.got + two.got
    for key in keys:
        # Nothing was committed: a new owner begins at the beginning.
        same(f"{name} {key[0]}-{key[1]} in a group", expected.all[key], sorted({str(r): r for k, r in got if k == key}.values()))
    three = Member(client, topic)
    want = sum(len(expected.all[key]) - half[key] for key in keys)
    deadline = time.monotonic() + LIMIT
    while len(three.got) < want and time.monotonic() < deadline and not three.error:
        time.sleep(0.05)
    three.end()
    for key in sorted(keys):
        same(f"{name} {key[0]}-{key[1]} after what was committed", expected.all[key][half[key]:], [r for k, r in three.got if k == key])
    tell(count=f"{name}: records in groups", of=len(got) + len(three.got))
    tell(count=f"{name}: seconds for a group, a rebalance and a new member", of=round(time.monotonic() - begin))


def dead_groups(client, expected):
    """A group goes on where it stopped in the cluster that is dead."""
    have = client.committed([key for key in expected.partitions if key[0] == "grouped"])
    if ("grouped", 0) in expected.all and have != MANUAL:
        tell(wrong=f"{client.name}: group-manual is at {have}, not {MANUAL}")


def refused(address):
    for config, wanted in (({"enable.idempotence": True}, "CLUSTER_AUTHORIZATION_FAILED"), ({}, "TOPIC_AUTHORIZATION_FAILED")):
        errors = []
        producer = confluent_kafka.Producer({"bootstrap.servers": address, "message.timeout.ms": 10_000, "logger": logging.getLogger("none"),
                                             "error_cb": errors.append, **config})
        said = []
        try:
            producer.produce("grouped", b"x", on_delivery=lambda error, _: said.append(error.name() if error else "delivered"))
            producer.flush(12)
        except (KafkaException, SystemError) as error:
            # It is raised in the midst of something when there is nothing to be done any more.
            errors += [cause.args[0] for cause in (error, error.__cause__) if isinstance(cause, KafkaException)]
        said += [error.name() for error in errors]
        if wanted not in said:
            tell(wrong=f"librdkafka's producer, {config}: {said}, not {wanted}")
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "transactional.id": "any", "logger": logging.getLogger("none")})
    try:
        producer.init_transactions(12)
        tell(wrong="librdkafka's transactional producer was not refused")
    except KafkaException as error:
        if error.args[0].name() != "TRANSACTIONAL_ID_AUTHORIZATION_FAILED":
            tell(wrong=f"librdkafka's transactional producer: {error}")
    producer = kafka.KafkaProducer(bootstrap_servers=address, request_timeout_ms=5000, max_block_ms=10_000)
    try:
        producer.send("grouped", b"x").get(12)
        tell(wrong="kafka-python's producer was not refused")
    except kafka.errors.TopicAuthorizationFailedError:
        pass
    except Exception as error:
        tell(wrong=f"kafka-python's producer: {error!r}")
    producer.close(1)
    tell(count="producers refused", of=4)


def main():
    address, expected, rng = sys.argv[1], Expected(pathlib.Path(sys.argv[2])), random.Random(int(sys.argv[3]))
    steps = sys.argv[4].split(",")
    grouped = "grouped" if ("grouped", 0) in expected.all else None
    if "confluent" in steps:
        with Confluent(address) as client:
            everything(client, expected, expected.all, "from the beginning")
            from_anywhere(client, expected, rng)
            by_time(client, expected)
        with Confluent(address, isolation_level="read_committed") as client:
            everything(client, expected, expected.committed, "committed")
        if grouped:
            with Confluent(address, group_id="group-manual") as client:
                dead_groups(client, expected)
    if "kafka-python" in steps:
        with Python(address) as client:
            everything(client, expected, expected.all, "from the beginning")
            from_anywhere(client, expected, rng)
            by_time(client, expected)
        if grouped:
            with Python(address, group_id="group-manual") as client:
                dead_groups(client, expected)
    if "groups" in steps and grouped:
        members(lambda: Confluent(address, group_id="rescue-librdkafka", auto_offset_reset="earliest"), Confluent.name, expected, grouped)
        members(lambda: Python(address, group_id="rescue-kafka-python"), Python.name, expected, grouped)
    if "refused" in steps:
        refused(address)


if __name__ == "__main__":
    main()
