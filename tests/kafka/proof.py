"""What the scripts that prove something share: what did not hold, a broker's log, the judgement of kafka-dump-log."""

import collections
import hashlib
import pathlib
import re

import derived
import dump_log

CLEAN = ".kafka_cleanshutdown"
# Each says that a file was not what the broker had expected.
BAD = re.compile(r"Found invalid messages|[Cc]orrupt|Deleting segment|Could not find offset index|[Tt]runcat"
                 r"|orphaned|Error|Exception| WARN | ERROR ")
RECOVERED = re.compile("Recovering unflushed segment")


class Proof:
    """What did not hold, and numbers worth telling."""

    def __init__(self):
        self.wrong = []
        self.counts = collections.Counter()

    def hold(self, condition, what):
        if not condition:
            self.wrong.append(what)


def hashes(root, *suffixes):
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in sorted(root.rglob("*")) if f.is_file() and f.suffix in suffixes}


def states(root):
    return {str(f): (f.stat().st_mtime_ns, f.stat().st_ino, f.stat().st_size) for f in root.rglob("*") if f.is_file()}


FLAGS = {".index": ["--index-sanity-check", "--verify-index-only"], ".timeindex": ["--index-sanity-check", "--verify-index-only"],
         ".txnindex": [""], ".snapshot": [""], ".log": ["--deep-iteration"]}


def dumps(root, out, proof):
    """What the tool said about every file; about all but the logs it is judged here."""
    files = [str(f.relative_to(root)) for f in sorted(root.rglob("*")) if f.suffix in FLAGS]
    done = dump_log.run(root, [(flags, file) for file in files for flags in FLAGS[pathlib.Path(file).suffix]], out)
    texts = {(flags, file): ((out / stdout).read_text(), (out / stderr).read_text(), status) for flags, file, stdout, stderr, status in done}
    alarms = collections.Counter()
    for (flags, file), (stdout, stderr, status) in texts.items():
        kind = pathlib.Path(file).suffix
        if kind == ".log":
            continue
        proof.counts[f"dumps of {kind}"] += 1
        if status == 1 and "Found record size 0 smaller" in stderr and has_zero_tail(root / file):
            alarms["it does not know that a preallocated log ends in zeros"] += 1
            continue
        if status != 0:
            proof.hold(False, f"kafka-dump-log {flags} {file}: status {status}: {stderr[:300]}")
        elif flags == "--index-sanity-check":
            proof.hold("passed sanity check." in stdout or "is empty." in stdout, f"kafka-dump-log {flags} {file}: {stdout}{stderr}")
        elif kind == ".timeindex":
            reasons, stderr = derived.false_alarms(stderr, texts["--deep-iteration", file.removesuffix(kind) + ".log"][0])
            alarms.update(reasons)
            proof.hold(not stderr, f"kafka-dump-log {flags} {file}: {stderr}")
        else:
            proof.hold(not stderr, f"kafka-dump-log {flags} {file}: {stderr}")
    for reason, count in sorted(alarms.items()):
        proof.counts[f"false alarms of kafka-dump-log: {reason}"] += count
    return texts


class Life:
    """What a broker logs between start and stop."""

    def __init__(self, broker):
        self.broker = broker
        self.log = broker.home / "broker.log"
        self.before = self.log.stat().st_size if self.log.exists() else 0

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, error, *_):
        if error is None:
            self.broker.stop()

    def lines(self):
        return self.log.read_bytes()[self.before:].decode(errors="replace").splitlines()


def has_zero_tail(file):
    """A preallocated log: a broker cuts the zeros off after a crash."""
    data = file.with_suffix(".log").read_bytes()
    return len(data) > 0 and not any(data[-20:])
