"""Derived files: which there are, what is in them, and which complaints of kafka-dump-log about them are false."""

import re
import struct

KINDS = (".index", ".timeindex", ".txnindex", ".snapshot")
EPOCHS = "leader-epoch-checkpoint"


def is_derived(file):
    return file.suffix in KINDS or file.name == EPOCHS


def partitions(log_dir):
    """The partitions that a broker would serve."""
    return sorted(d for d in log_dir.iterdir() if d.is_dir() and not d.name.endswith("-delete"))


def segments(partition):
    return sorted(partition.glob("*.log"))


def snapshot(file):
    """Entries by producer id: their order in the file is that of a hash map."""
    data = file.read_bytes()
    return {entry[0]: entry[1:] for entry in struct.iter_unpack(">qhiqiqiq", data[10:])}


def checkpoint(file):
    """Offsets by the name of the partition's directory."""
    lines = [line.split() for line in file.read_text().splitlines()[2:]] if file.exists() else []
    return {f"{topic}-{partition}": int(offset) for topic, partition, offset in lines}


def epochs(file):
    return [tuple(map(int, line.split())) for line in file.read_text().splitlines()[2:]] if file.exists() else []


def epochs_from(log_start, epochs):
    """Of the epochs that began at or before the start of the log, the last is the one that holds there."""
    before = [(epoch, log_start) for epoch, start in epochs if start <= log_start]
    return before[-1:] + [(epoch, start) for epoch, start in epochs if start > log_start]


# ---- what kafka-dump-log says ----

BATCH = re.compile(r"^(?:baseOffset: .*|offset: \d+ )position: \d+ \w+: (?P<time>-?\d+) ")
RECORD = re.compile(r"^\| offset: \d+ \w+: (-?\d+) ")
COMPLAINT = re.compile(r"^Index timestamp: (?P<time>-?\d+), log timestamp: (?P<found>-?\d+)$")
HEADING = "Found timestamp mismatch in :"


def false_alarms(complaints, log_dump):
    """(reasons, what is left) of the complaints about one .timeindex; `log_dump` is the deep dump of its segment.

    The tool compares an entry with the greatest time of the records in the batch that the entry names. A broker takes the
    entry from the batch's header, which a batch keeps that is retained for its producer without any record.
    """
    batches = []
    for line in log_dump.splitlines():
        if batch := BATCH.match(line):
            batches.append((batch, []))
        elif (record := RECORD.match(line)) and batches:
            batches[-1][1].append(int(record[1]))
    reasons, left = [], []
    for complaint in complaints.splitlines():
        match = COMPLAINT.match(complaint.strip())
        if match and (reason := reason_for_time(int(match["time"]), int(match["found"]), batches)):
            reasons.append(reason)
        elif complaint.strip() and not complaint.startswith(HEADING):
            left.append(complaint)
    return reasons, left


def reason_for_time(indexed, found, batches):
    for batch, times in batches:
        if int(batch["time"]) == indexed:
            return "a retained batch without records has no record with its time" if not times and found == -1 else None
    return None
