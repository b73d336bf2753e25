"""What testdata/ claims to contain, and the proof of it."""

import pathlib
import re
import sys

README = """# testdata

Log directories that real brokers wrote, and what real Kafka programs said about them. Nothing in here is edited by
hand; `tests/kafka/generate` made all of it on {today} with seed {seed} and makes it anew.

* `kafka-*/`: one whole log directory each, copied after the broker had stopped (or was killed). Java clients are
  kafka-clients 4.3.1; others are named below. Topics have `segment.index.bytes=4096`, small segments
  (`internal.segment.bytes` from 4.1 on, `segment.bytes` before) and `index.interval.bytes` of 1024 or less.
* `expected/kafka-*/TOPIC-P.uncommitted.jsonl`: every record that a KafkaConsumer received just before the broker was
  stopped, one JSON object a line. Keys, values and header values are base64 or null; those over 512 bytes are
  `{{"size":N,"crc32c":N}}`. `headers` is there when there are any. `TOPIC-P.committed.jsonl` is what read_committed received; **where there is no such file it
  was the same**. `leaderEpoch` is null for magic 0 and 1.
* `expected/kafka-*/offsets.jsonl`: the broker's answers to ListOffsets; `earliest`, `highWatermark`, `lastStable` and
  `maxTimestamp` are `[offset, timestamp, leader epoch]`, `times` has `[asked for, offset, timestamp, leader epoch]`.
  null where the broker does not know the question.
* `expected/dump-log/`: what kafka-dump-log 4.3.1 printed for some of the files, run in this directory. `manifest.tsv`:
  `flags TAB file TAB stdout file TAB stderr file TAB exit status`, with `-` for an empty output.
* `expected/drop-in.tsv`: whole command lines of kafka-dump-log 4.3.1, run in this directory: `category TAB bytes of stdout TAB start of
  their sha256 TAB words ...`. The categories are explained in `tests/kafka_dump_log.rs`.

Git keeps no empty directories, and not that `.checkpoint` files of the metadata log have mode 0400.
"""

ABOUT = {
    "kafka-4.3.1": "Kafka 4.3.1 (KRaft), three lives of the broker, each ended cleanly. `rdkafka-*` by librdkafka 2.16.0 "
                   "(confluent-kafka 2.16.1).",
    "kafka-4.3.1-killed": "Kafka 4.3.1, second life ended by SIGKILL: active indexes are preallocated with zero tails, no clean "
                          "marker. Two preallocated indexes of `__cluster_metadata-0` (20 MiB) were left out.",
    "kafka-4.4.0": "Kafka 4.4.0 (KRaft), two lives, each ended cleanly. This release leaves the indexes of `__cluster_metadata-0` "
                   "preallocated when it stops; those two files (20 MiB) were left out.",
    "kafka-3.9.2": "Kafka 3.9.2 (KRaft); the second life was ended by SIGKILL and recovered from, the third cleanly.",
    "kafka-2.8.2": "Kafka 2.8.2 (ZooKeeper), stopped cleanly. `magic*-{none,gzip,snappy,lz4}` and `magic1-append-time` by "
                   "kafka-python 2.0.6 speaking the protocol of 0.8.2 and 0.10.0.",
}

ALL_CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
OLD_CODECS = ["none", "gzip", "snappy", "lz4"]
BATCH = r"^baseOffset: .*"

# (directories, files, what they show, pattern, least number of matches).
CLAIMS = [
    *[("kafka-4.3.1", f"codec-{c}-0/*.log", f"Java client, {c}: lone records, hundreds in a batch"
       + ("" if c == "none" else ", one batch of several blocks"), rf"compresscodec: {c} ", 15) for c in ALL_CODECS],
    *[("kafka-4.3.1", f"codec-{c}-0/*.log", "values of 60 KB and more", r"valueSize: [67]\d{4} ", 3) for c in ALL_CODECS[1:]],
    *[("kafka-4.3.1", f"rdkafka-{c}-0/*.log", f"librdkafka, {c}", rf"compresscodec: {c} ", 10) for c in ALL_CODECS],
    ("kafka-4.3.1", "rdkafka-txn-0/*.log", "librdkafka, transactions", r"endTxnMarker: ABORT", 2),
    ("kafka-*", "shapes-*/*.log", "null keys", r"keySize: -1 ", 10),
    ("kafka-*", "shapes-*/*.log", "null and empty values, binary, control characters, JSON, unicode", r"valueSize: (-1|0) ", 10),
    ("kafka-*", "shapes-*/*.log", "headers: null value, empty key, duplicates, non-ASCII", r"headerKeys: \[dup,dup,dup\]", 5),
    ("kafka-4.3.1", "lookup-0/*.log", "5000 small records over 9 or more segments", r"^\| offset: ", 5000),
    ("kafka-4.3.1", "lookup-0/*.index", "offset index entries", r"^offset: ", 100),
    ("kafka-4.3.1", "lookup-0/*.timeindex", "time index entries", r"^timestamp: ", 100),
    ("kafka-3.9.2", "lookup-0/*.log", "the same, smaller", r"^\| offset: ", 1200),
    ("kafka-4.3.1", "times-0/*.log", "CreateTime in any order, far past and far future", r"CreateTime: (0|4102444800000) ", 2),
    ("kafka-4.3.1 kafka-4.4.0 kafka-3.9.2 kafka-2.8.2", "append-time-0/*.log", "LogAppendTime, every codec", BATCH + r"LogAppendTime: .*zstd", 4),
    ("kafka-4.3.1", "recompress-0/*.log", "gzip producer, topic with zstd", BATCH + r"compresscodec: zstd", 10),
    ("kafka-4.3.1", "recompress-append-time-0/*.log", "gzip producer, topic with lz4 and LogAppendTime", r"LogAppendTime: .*compresscodec: lz4", 10),
    ("kafka-4.3.1 kafka-3.9.2", "raw-0/*.log", "batches without any timestamp", BATCH + r"CreateTime: -1 ", 20),
    ("kafka-4.3.1 kafka-3.9.2", "raw-0/*.log", "sequences beyond 2147483647", r"baseSequence: 214748364\d lastSequence: \d ", 3),
    ("kafka-*", "txn-0/*.log", "committed transactions, two producers interleaved", r"endTxnMarker: COMMIT", 6),
    ("kafka-*", "txn-0/*.log", "aborted transactions", r"endTxnMarker: ABORT", 6),
    ("kafka-*", "txn-0/*.txnindex", "transaction index", r"^version: 0 producerId", 6),
    ("kafka-*", "txn-open-0/*.snapshot", "a transaction still open", r"currentTxnFirstOffset: OptionalLong\[", 1),
    ("kafka-4.3.1", "epochs-0/*.log", "leader epochs 0, 2, 4", r"partitionLeaderEpoch: [24] ", 6),
    ("kafka-4.3.1-killed kafka-3.9.2 kafka-4.4.0", "epochs-0/*.log", "more than one leader epoch", r"partitionLeaderEpoch: 2 ", 6),
    ("kafka-*", "epochs-0/*.snapshot", "idempotent producers", r"^producerId: \d", 4),
    ("kafka-4.3.1 kafka-3.9.2", "compact-empty-0/*.log", "sealed segments of 0 bytes that the cleaner left", "(empty file)", 2),
    ("kafka-4.3.1 kafka-3.9.2", "compact-producers-0/*.log", "empty batches kept for their producers", BATCH + "count: 0 ", 3),
    ("kafka-4.3.1 kafka-3.9.2", "compact-tombstones-0/*.log", "tombstones with a delete horizon", r"deleteHorizonMs: OptionalLong\[\d+\]", 5),
    ("kafka-4.3.1 kafka-3.9.2", "compact-drop-0/*.log", "compacted, tombstones removed early", BATCH + r"count: [1-9]", 5),
    ("kafka-4.3.1 kafka-3.9.2", "compact-codecs-0/*.log", "compacted batches of every codec", BATCH + "compresscodec: (gzip|snappy|lz4|zstd)", 8),
    ("kafka-4.3.1 kafka-3.9.2", "compact-txn-0/*.log", "compacted transactions, markers with a delete horizon", r"isControl: true deleteHorizonMs: OptionalLong\[\d", 2),
    ("kafka-4.3.1 kafka-3.9.2", "compact-*/*.log", "gaps between records (stderr)", r"^ +\d+ is followed by \d+", 20),
    ("kafka-4.3.1 kafka-4.3.1-killed kafka-3.9.2", "trimmed-0/*.log", "log start 257 by DeleteRecords, inside a batch", r"^Log starting offset: [1-9]", 2),
    ("kafka-4.3.1 kafka-4.3.1-killed", "retained-0/*.log", "log start moved by retention.bytes", r"^Log starting offset: [1-9]", 2),
    ("kafka-4.3.1-killed", "preallocated-0/*.log", "preallocated log with a zero tail", r"Found record size 0 smaller than minimum", 1),
    ("kafka-4.3.1-killed", "preallocated-empty-0/*.log", "preallocated log without a record", r"Found record size 0 smaller than minimum", 1),
    ("kafka-4.3.1-killed", "retained-0/*.deleted", "segments that wait for their deletion", "(file)", 3),
    ("kafka-4.3.1-killed", "doomed-*-delete/*.log", "partitions of a deleted topic", "(file)", 2),
    ("kafka-*", "__consumer_offsets-*/*.log", "group offsets, with tombstones", r"valueSize: -1 ", 2),
    ("kafka-*", "__transaction_state-*/*.log", "transaction states", r"^\| offset: ", 10),
    ("kafka-4.3.1", "__share_group_state-*/*.log", "share group states", r"^\| offset: ", 2),
    ("kafka-4.3.1 kafka-4.4.0 kafka-3.9.2", "__cluster_metadata-0/*.log", "KRaft metadata", r"LeaderChange", 1),
    ("kafka-4.3.1", "__cluster_metadata-0/*.checkpoint", "metadata snapshots", r"SnapshotFooter", 1),
    ("kafka-4.3.1 kafka-3.9.2", "bootstrap.checkpoint", "what the formatter wrote", r"^\| offset: ", 1),
    *[("kafka-2.8.2", f"magic{m}-{c}-0/*.log", f"native magic {m}, {c}", rf"magic: {m} compresscodec: {c} ", 10)
      for m in (0, 1) for c in OLD_CODECS],
    *[("kafka-2.8.2", f"down{m}-{c}-0/*.log", f"modern producer, converted to magic {m}, {c}", rf"magic: {m} compresscodec: {c} ", 10)
      for m in (0, 1) for c in OLD_CODECS],
    ("kafka-2.8.2", "magic1-append-time-0/*.log", "magic 1 with LogAppendTime", r"LogAppendTime: \d+ .*magic: 1", 20),
    *[("kafka-2.8.2", f"*{m}-{c}-0/*.log", "wrappers with several messages", rf"magic: {m} compresscodec: {c} .*\n\| .*\n\| ", 8)
      for m in (0, 1) for c in OLD_CODECS[1:]],
    *[("kafka-2.8.2", "upgrade-0/*.log", "magic 0, 1, 2, 1, 2 in one partition", rf"magic: {m} ", 10) for m in (0, 1, 2)],
    *[("kafka-2.8.2", f"magic{m}-compact-0/*.log", "compacted wrappers", rf"magic: {m} compresscodec: (gzip|snappy|lz4)", 3) for m in (0, 1)],
    ("kafka-2.8.2", "magic1-compact-0/*.log", "gaps inside compacted wrappers (stderr)", r"^ +\d+ is followed by \d+", 10),
    ("kafka-2.8.2", "upgrade-compact-0/*.log", "compacted, magic 0 and 2", r"magic: (0|2) ", 5),
    ("kafka-*", "*/*.log", "every batch passes its checksum", r"isvalid: true", 30),
]

# Kept under expected/dump-log: directory -> pattern -> how many, of the largest or (below 0) of the smallest that are not empty.
DUMPED = {
    "kafka-4.3.1": {
        "shapes-0/*.log": 1, "txn-0/*.log": 1, "times-0/*.log": 1, "raw-0/*.log": 1, "compact-producers-0/*.log": 2,
        "compact-tombstones-0/*.log": 1, "compact-txn-0/*.log": 1, "compact-empty-0/*0.log": 1, "recompress-append-time-0/*.log": 1,
        "lookup-0/*.index": 1, "lookup-0/*.timeindex": 1, "txn-0/*.txnindex": 2, "txn-0/*.snapshot": 1, "txn-open-0/*.snapshot": 1,
        "compact-producers-0/*.timeindex": 1, "times-0/*.timeindex": 1,
        "__consumer_offsets-*/*.log": 2, "__share_group_state-*/*.log": 2,
        "__cluster_metadata-0/*.checkpoint": 1, "bootstrap.checkpoint": 1,
    },
    "kafka-4.3.1-killed": {"__transaction_state-*/*.log": -1, "preallocated-0/*.log": 1, "preallocated-0/*.index": 1, "preallocated-0/*.timeindex": 1},
    "kafka-4.4.0": {"__cluster_metadata-0/*.log": 1, "__cluster_metadata-0/*.checkpoint": 1},
    "kafka-3.9.2": {"__consumer_offsets-*/*.log": 1, "compact-txn-0/*.txnindex": 1},
    "kafka-2.8.2": {
        "magic0-none-0/*.log": 1, "down0-gzip-0/*[1-9].log": -1, "magic1-compact-0/*.log": 1, "upgrade-0/*.log": 1, "magic1-snappy-0/*.log": -1,
        "magic1-lz4-0/*.timeindex": 1, "__consumer_offsets-*/*.log": 1,
    },
}


def prove(out, names, dumps, directory):
    """Every claim against what kafka-dump-log said; returns the proofs and what could not be proved."""
    texts = {}
    for _, file, stdout, stderr, status in dumps:
        texts[file] = pathlib.Path(directory, stdout).read_text() + pathlib.Path(directory, stderr).read_text()
        if (status != 0 and "preallocated" not in file) or "isvalid: false" in texts[file]:
            print(f"kafka-dump-log on {file}: status {status}\n{texts[file][-400:]}", file=sys.stderr)
    proofs, broken = [], []
    for directories, where, what, pattern, least in CLAIMS:
        for name in names:
            if not any(pathlib.PurePath(name).match(d) for d in directories.split()):
                continue
            files = sorted(out.joinpath(name).glob(where))
            if not files and directories == "kafka-*":
                continue
            if pattern == "(file)":
                found = len(files)
            elif pattern == "(empty file)":
                found = sum(f.stat().st_size == 0 for f in files)
            else:
                found = sum(len(re.findall(pattern, texts[str(f.relative_to(out))], re.M)) for f in files)
            proofs.append((name, where, what, pattern, found))
            if found < least:
                broken.append(f"{name}/{where}: {what}: {found} < {least} of {pattern}")
    return proofs, broken
