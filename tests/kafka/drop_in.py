"""Command lines for the real kafka-dump-log and for seg in its place, and how what they print may differ."""

import concurrent.futures
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import brokers

DECODERS = "org.apache.kafka.tools.api."
FLAGS = ["--print-data-log", "--deep-iteration", "--skip-record-metadata", "--verify-index-only", "--index-sanity-check",
         "--offsets-decoder", "--transaction-log-decoder", "--cluster-metadata-decoder", "--share-group-state-decoder",
         "--max-bytes=0", "--max-bytes=17", "--max-bytes=700", "--max-bytes=2500", "--max-bytes=2147483647",
         "--max-message-size=1000000", "--value-decoder-class", f"--value-decoder-class={DECODERS}StringDecoder",
         f"--value-decoder-class={DECODERS}IntegerDecoder", f"--key-decoder-class={DECODERS}LongDecoder", "--key-decoder-class"]

# How the two may differ: name -> what the real tool says on stderr. tests/kafka_dump_log.rs has the reasons, and what
# seg has to do in each.
STOPS = {
    "usage": ["joptsimple.", "Missing required argument", "Failed to load decoder class", "Invalid size: -"],
    "insane": ["CorruptIndexException"],
    "unreadable": ["NoSuchFileException", "NumberFormatException", "java.util.NoSuchElementException: No value present",
                   "StringIndexOutOfBoundsException", "Invalid max index size"],
    "too-short": ["BufferUnderflowException"],
    "defect": ["Found record size 0 smaller than minimum record overhead", "java.util.NoSuchElementException\n"],
    "no-key": ["message had a missing key"],
}


def category(words, status, stderr, root):
    """How seg is allowed to differ here; fails when the real tool ends in a way that nobody thought of."""
    if "--help" in words:
        return "help"
    if status == 0 and any(word.strip(",") == "" and word for word in words):
        # Nothing but commas: there is nothing to dump.
        return "usage"
    if status == 0:
        return "not-there" if any(not (root / name).is_file() for name in files(words)) else "same"
    found = [name for name, says in STOPS.items() if any(word in stderr for word in says)]
    if not found:
        raise SystemExit(f"kafka-dump-log {' '.join(words)}: status {status}: {stderr[:600]}")
    return found[0]


def files(words):
    """The names behind --files, as the tool sees them."""
    for word, following in zip(words, [*words[1:], None]):
        name, _, value = word.partition("=")
        if name in ("--files", "-files"):
            value = value if "=" in word else following or ""
            return [os.path.normpath(name) if name else name for name in value.rstrip(",").split(",")]
    return []


def run_real(root, commands):
    """stdout, stderr and status of each command of the real tool, run in a copy of root."""
    root = pathlib.Path(root).resolve()
    with tempfile.TemporaryDirectory(prefix="drop-in-", dir=brokers.WORK) as work:
        work = pathlib.Path(work)
        copy, out = work / "copy", work / "out"
        out.mkdir()
        brokers.copy(root, copy)
        (copy / "empty").mkdir(exist_ok=True)
        lines = []
        for words in commands:
            parents = {str(pathlib.PurePath(name).parent) for name in files(words)}
            touched = ",".join(sorted(p for p in parents if p != "." and (root / p).is_dir()))
            lines.append("\t".join([touched, *words]) + "\n")
        (work / "commands").write_text("".join(lines))
        brokers.java("DropIn", root, work / "commands", out, cwd=copy)
        return [((out / f"{n}.out").read_bytes(), (out / f"{n}.err").read_text(), int((out / f"{n}.status").read_text()))
                for n in range(len(commands))]


def decoder(name):
    """The flag that decodes this internal topic."""
    for topic, flag in {"__consumer_offsets": "--offsets-decoder", "__transaction_state": "--transaction-log-decoder",
                        "__share_group_state": "--share-group-state-decoder", "checkpoint": "--cluster-metadata-decoder",
                        "__cluster_metadata": "--cluster-metadata-decoder"}.items():
        if topic in name:
            return flag
    return "--print-data-log"


def dumpable(root):
    """Every file that the tool knows, below a log dir."""
    kinds = {".log", ".checkpoint", ".index", ".timeindex", ".txnindex", ".snapshot"}
    return sorted(str(f.relative_to(root)) for f in root.glob("kafka-*/**/*") if f.is_file() and f.suffix in kinds)


def syntax(log, index):
    """The ways to write a command line, right and wrong; a short log and an index."""
    missing = log.replace("00000.log", "99999.log")
    directory = os.path.dirname(log)
    lines = f"""
        --files={log} --max-bytes 600|-files {log} --max-bytes=600|-files={log} -max-bytes=600|--file {log}|--print --files {log}
        --files {log} --files {log}|--files {log} extra --max-bytes=600|--files {log} --max-bytes=600 -- --print-data-log
        --files {log} --max-bytes=600 --print-data-log=true|--files {log} --max-bytes=600 -print-data-log|--files {log} --print-data-log --print-data-log
        --files {log} --max-bytes=600 --max-bytes 700|--files {log} --max-bytes=x|--files {log} --max-bytes -1|--files {log} --max-bytes
        --files|--files= {log}|--files=|--files ,|--files {log},,{index}|--files {log},,,|--files {log},{index}|--files ,{log}
        --files {log}, {log}|--print-data-log|--nonsense --files {log}|-x --files {log}|--files {log} --max-bytes +600
        --files {log} --max-bytes 2147483648|--files {log} --value-decoder-class|--files {log} --value-decoder-class --max-bytes 600
        --value-decoder-class --files {log}|--value-decoder-class {log} --files {log}|--files {log} --key-decoder-class=
        --files {log} --value-decoder-class kafka.NoDecoder|--value-decoder-class {DECODERS}StringDecoder --files {log}
        --files .//{log.replace("/", "//")}|--files nope.log|--files {missing}|--files {missing.replace(".log", ".index")}
        --files {missing.replace(".log", ".snapshot")}|--files {missing.replace(".log", ".txnindex")}|--files {directory}|--files {directory}/
        --files {directory}/partition.metadata,{log}|--files {directory}/leader-epoch-checkpoint|--files nope|--files kafka-4.3.1/meta.properties
        --files {log} --max-bytes 600 -|- --files {log} --max-bytes 600|--files {log} --help|--help|--version|--version --files {log}
        --files {log} --offsets-decoder --transaction-log-decoder --cluster-metadata-decoder --share-group-state-decoder
        --max-message-size 5000000 --files {index}|--files {index},{log} --verify-index-only|--files {index},{log} --index-sanity-check
        --files {index} --verify-index-only --index-sanity-check|--files {log} --skip-record-metadata|--files nope.index|--files x.checkpoint
    """
    return [command.split() for line in lines.strip().splitlines() for command in line.strip().split("|")]


def kept(root):
    """The commands whose answers are kept for tests that have no Java: ways of writing, every flag, every kind of file."""
    def some(pattern, number=1):
        found = [f for f in sorted(root.glob(pattern)) if f.stat().st_size > 0 or f.suffix in (".index", ".txnindex")]
        return [str(f.relative_to(root)) for f in sorted(found, key=lambda f: (f.stat().st_size, f))[:number]]

    commands = syntax(some("kafka-4.3.1/txn-0/*0.log")[0], some("kafka-4.3.1/txn-0/*0.index")[0])
    topics = [f for d in sorted(root.glob("kafka-*/__*")) for f in some(f"{d.relative_to(root)}/*.log")]
    topics += [f for d in sorted(root.glob("kafka-*")) for f in some(f"{d.name}/bootstrap.checkpoint") + some(f"{d.name}/__*/*.checkpoint")]
    commands += [[decoder(f), "--files", f] for f in topics]
    commands += [[decoder(f), "--skip-record-metadata", "--files", f] for f in topics[::3]]
    logs = [f for name in ["txn-0", "magic0-none-0", "magic1-lz4-0", "magic1-append-time-0", "upgrade-0", "shapes-0", "compact-empty-0",
                           "compact-txn-0", "raw-0", "times-0", "trimmed-0"] for f in some(f"kafka-*/{name}/*.log", 2)]
    for log in logs:
        commands += [["--files", log], ["--print-data-log", "--files", log], ["--deep-iteration", "--files", log],
                     ["--skip-record-metadata", "--print-data-log", "--files", log]]
    for flag in FLAGS:
        commands += [["--files", some(f"kafka-4.3.1/{place}")[0], flag] for place in
                     ["txn-0/*.log", "txn-0/*.index", "txn-0/*.timeindex", "txn-0/*.txnindex", "txn-0/*.snapshot",
                      "__consumer_offsets-0/*.log", "__cluster_metadata-0/*.checkpoint"]]
    indexes = [f for name in ["preallocated-0", "preallocated-empty-0", "epochs-0", "lookup-0", "magic1-gzip-0", "compact-empty-0",
                              "compact-txn-0", "txn-0"] for f in some(f"kafka-*/{name}/*index", 9)]
    for flag in ["", "--verify-index-only", "--index-sanity-check"]:
        commands += [[*flag.split(), "--files", f] for f in indexes]
    unique = []
    for words in commands:
        if words not in unique:
            unique.append(words)
    return unique


def at_random(root, number, seed):
    """Any flags over any files."""
    chance = random.Random(seed)
    found = dumpable(root)
    commands = []
    for _ in range(number):
        words = chance.sample(FLAGS, chance.choice([0, 1, 1, 2, 2, 3, 4]))
        # Of two values for one option the tool says no; that is among the ways of writing.
        named = {word.split("=")[0]: word for word in words}
        names = ",".join(chance.choice(found) for _ in range(chance.choice([1, 1, 1, 2, 3])))
        words = [*named.values(), *chance.choice([["--files", names], ["--files=" + names], ["-files", names]])]
        if chance.random() < 0.5 and len(words) > 1 and "=" in words[-1]:
            words.insert(0, words.pop())
        commands.append(words)
    return commands


def keep(root, file):
    """Writes what the real tool answers: category, length and sha256 of stdout, words."""
    root = pathlib.Path(root).resolve()
    commands = kept(root) + at_random(root, 150, 1)
    lines = []
    for words, (stdout, stderr, status) in zip(commands, run_real(root, commands)):
        what = category(words, status, stderr, root)
        lines.append("\t".join([what, str(len(stdout)), hashlib.sha256(stdout).hexdigest()[:32], *words]) + "\n")
    pathlib.Path(file).write_text("".join(lines))


def damage(root, copies, seed):
    """Partitions of testdata with one file damaged each, below root; and dumps of that file with every kind of flag."""
    chance = random.Random(seed)
    partitions = sorted({f.parent for f in brokers.ROOT.glob("testdata/kafka-*/*/*.log") if f.stat().st_size})
    commands = []
    for number in range(copies):
        source = chance.choice(partitions)
        directory = root / f"kafka-x/{source.name.removesuffix('-0')}.{number}-0"
        shutil.copytree(source, directory)
        kinds = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"}
        file = chance.choice(sorted(f for f in directory.iterdir() if f.suffix in kinds and f.stat().st_size))
        file.chmod(0o644)
        data = bytearray(file.read_bytes())
        at = chance.randrange(len(data))
        how = chance.choice(["flip", "flip", "cut", "zero", "grow"])
        if how == "flip":
            data[at] ^= 1 << chance.randrange(8)
        elif how == "cut":
            del data[at:]
        elif how == "zero":
            data[at:at + 8] = bytes(len(data[at:at + 8]))
        else:
            data += bytes(chance.randrange(1, 40))
        file.write_bytes(data)
        log = [["--print-data-log"], [], ["--deep-iteration", "--max-bytes=1500"]]
        flags = log if file.suffix == ".log" else [[], ["--verify-index-only"], ["--index-sanity-check"]]
        commands += [[*some, "--files", str(file.relative_to(root))] for some in flags]
    return commands


# Bits of the exit status that have to be set, and such that may be.
STATUS = {"same": (0, 0), "usage": (64, 0), "help": (0, 0), "insane": (1, 3), "unreadable": (2, 3), "too-short": (2, 3),
          "defect": (0, 3), "no-key": (0, 3), "not-there": (2, 3), "damaged": (0, 3), "damaged-stops": (0, 3)}


def difference(what, real, ours):
    """What is wrong with seg's answer; None when it is what it has to be."""
    stdout, stderr, status = ours
    real_stdout = real[0]
    if what.startswith("damaged"):
        stdout, real_stdout = without_broken_blocks(stdout), without_broken_blocks(real_stdout)
    must, may = STATUS[what]
    if status & must != must or status & ~(must | may):
        return f"status {status}: {stderr[:600]}"
    if what == "help":
        return None if b"--print-data-log" in stdout else "no help"
    if what == "usage":
        return None if stdout == b"" and stderr.startswith("error: ") or stderr else "no reason"
    if what == "damaged" and status & 1:
        # Behind a length that is damaged the real tool gives up; seg goes on with the next batch.
        before = real_stdout.splitlines(keepends=True)
        if before[-1].startswith(b"Found ") and stdout.startswith(b"".join(before[:-1])):
            return None
    if what in ("same", "not-there", "damaged"):
        if stdout != real_stdout:
            return f"stdout:\n{first_difference(real_stdout, stdout)}"
        noise = [line for line in stderr.splitlines() if not line.startswith(("Ignoring unknown file", "seg: passing over"))]
        return f"stderr: {noise[:5]}" if what == "same" and noise else None
    if not stdout.startswith(real_stdout):
        return f"stdout:\n{first_difference(real_stdout, stdout)}"
    return None


def without_broken_blocks(stdout):
    """Without the records of batches of lz4 whose checksum is wrong. A match at distance 0, which the format forbids, is
    bytes of any kind to the real tool's decoder; seg's ends there, and gives out nothing of that block."""
    kept, is_broken = [], False
    for line in stdout.splitlines(keepends=True):
        if not line.startswith(b"| "):
            is_broken = b"compresscodec: lz4 " in line and b"isvalid: false" in line
        if not (is_broken and line.startswith(b"| ")):
            kept.append(line)
    return b"".join(kept)


def first_difference(real, ours):
    for a, b in zip([*real.split(b"\n"), None], [*ours.split(b"\n"), None]):
        if a != b:
            return f"  kafka {a}\n  seg   {b}"
    return "  (one goes on)"


def compare(root, commands, seg, is_damaged=False):
    """How many were compared by category, and what differs."""
    root = pathlib.Path(root).resolve()
    environment = {**os.environ, "NO_COLOR": "1"}

    def ours(words):
        done = subprocess.run([seg, "kafka-dump-log", *words], cwd=root, capture_output=True, env=environment)
        return done.stdout, done.stderr.decode(), done.returncode

    counts, wrong = {}, []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for words, real, answer in zip(commands, run_real(root, commands), pool.map(ours, commands)):
            if is_damaged:
                what = "damaged-stops" if real[2] else "damaged"
            else:
                what = category(words, real[2], real[1], root)
            counts[what] = counts.get(what, 0) + 1
            found = difference(what, real, answer)
            if found:
                wrong.append(f"kafka-dump-log {' '.join(words)} ({what}): {found}")
    return counts, wrong
