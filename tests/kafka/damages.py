"""Every way in which a partition or its log dir is damaged, and what each of them destroys for good.

Nothing here is shared with seg: a batch is read in thirty lines, and what is lost is known because it was done here.
"""

import dataclasses
import itertools
import os
import pathlib
import shutil
import struct

BLOCK = 512
HEADER = 61
# Where the fields of a batch are, and what each of their bits is worth.
BASE_OFFSET, LENGTH, EPOCH, MAGIC, CRC, ATTRIBUTES, LAST_DELTA, COUNT = 0, 8, 12, 16, 17, 21, 23, 57
ABORT, COMMIT = 0, 1


@dataclasses.dataclass(frozen=True)
class Batch:
    """Where a batch is, and what its header says."""
    log: pathlib.Path
    position: int
    size: int
    first: int
    last: int
    producer: int
    is_transactional: bool
    is_control: bool
    marker: int

    @property
    def end(self):
        return self.position + self.size

    @property
    def offsets(self):
        return self.first, self.last


def batches(log):
    """The batches of a healthy log with magic 2."""
    data, out, at = log.read_bytes(), [], 0
    while at < len(data):
        first, length = struct.unpack_from(">qi", data, at)
        attributes, delta = struct.unpack_from(">hi", data, at + ATTRIBUTES)
        producer, = struct.unpack_from(">q", data, at + 43)
        control = bool(attributes & 32)
        # length, attributes, timestamp, offset, key length: one byte each in a marker; the version is before the type.
        marker = struct.unpack_from(">h", data, at + HEADER + 7)[0] if control else -1
        out.append(Batch(log, at, 12 + length, first, first + delta, producer, bool(attributes & 16), control, marker))
        at += 12 + length
    assert at == len(data), log
    return out


class Target:
    """A copy that is damaged: a log dir, and the partition in it."""

    def __init__(self, log_dir, partition, chance):
        self.log_dir, self.partition, self.chance = log_dir, log_dir / partition, chance
        self.logs = sorted(self.partition.glob("*.log"))
        self.batches = [batches(log) for log in self.logs]

    def file(self, kind, segment=1):
        return self.logs[segment].with_suffix(kind)

    def victim(self, segment=1, least=HEADER + 8, where=lambda batch: True):
        """A batch of records in the middle of a segment: what a broker does depends on where it is."""
        several = [b for b in self.batches[segment][3:-3] if not b.is_control and b.size >= least and where(b)]
        third = len(several) // 3
        return self.chance.choice(several[third:-third] if third else several)

    def noise(self, count):
        return self.chance.randbytes(count)

    def flip(self, batch, at, bit):
        data = bytearray(batch.log.read_bytes())
        data[batch.position + at] ^= 1 << bit
        rewrite(batch.log, data)

    def field_bit(self, field, size, bit, **which):
        """Flips a bit of a big-endian field: 0 is worth 1."""
        self.flip(self.victim(**which), field + size - 1 - bit // 8, bit % 8)

    def splice(self, log, start, end, what):
        data = log.read_bytes()
        rewrite(log, data[:start] + what + data[end:])

    def touched(self, segment, change):
        """Applies `change` to the bytes of a segment; the batches that are no longer what they were, as offsets.

        None where so little of a batch changed that somebody might know what it was.
        """
        log = self.logs[segment]
        before = log.read_bytes()
        after = bytearray(before)
        change(after)
        lost = []
        for batch in self.batches[segment]:
            old, new = before[batch.position:batch.end], after[batch.position:batch.end]
            if old == new:
                continue
            covered = sum((a ^ b).bit_count() for a, b in zip(old[ATTRIBUTES:], new[ATTRIBUTES:]))
            if covered < 16:
                return None
            lost.append(batch.offsets)
        rewrite(log, after)
        return lost

    def some_block(self, segment=1, apart=0):
        blocks = self.logs[segment].stat().st_size // BLOCK
        return self.chance.randrange(blocks // 3 + apart, 2 * blocks // 3) * BLOCK

    def until_touched(self, segment, make):
        return next(lost for lost in (self.touched(segment, make()) for _ in range(200)) if lost is not None)


def rewrite(file, data):
    """What went wrong below the file system leaves the times as they were."""
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(data)
    os.utime(file, ns=times)


@dataclasses.dataclass(frozen=True)
class Damage:
    """`act(target)` does it, and returns the ranges of offsets that nobody can bring back."""
    name: str
    text: str
    act: callable
    # Which topics it makes sense for.
    topics: tuple = ("orders",)
    # A broker may not start with it: it needs a log dir of its own.
    is_alone: bool = False
    # It is outside the partition.
    is_log_dir: bool = False
    # What is lost is not in the files any more: no plan can name it.
    is_gone: bool = False
    # The transaction index still knows what it hid, until a broker recovers the log.
    is_indexed: bool = False
    # In these topics it may be that nothing proves which of several readings is right, and all is left as it is.
    may_be_left: tuple = ()

    @property
    def is_apart(self):
        return self.is_alone or self.is_log_dir


CATALOGUE = []
BOTH = ("orders", "payments")
ALL = (*BOTH, "accounts")


def damage(text, **facts):
    def register(act):
        CATALOGUE.append(Damage(act.__name__.replace("_", "-"), text, act, **facts))
        return act
    return register


def bits(name, text, field, size, bit, where=lambda batch: True, **facts):
    def act(t):
        t.field_bit(field, size, bit, where=where)
        return []
    CATALOGUE.append(Damage(name, text, act, **facts))


# ---- one bit ----


@damage("one bit in the records of a batch", topics=ALL)
def payload_bit(t):
    batch = t.victim()
    t.flip(batch, t.chance.randrange(HEADER, batch.size), t.chance.randrange(8))
    return []


@damage("one bit in each of three segments, early")
def payload_bit_thrice(t):
    for several in t.batches[:3]:
        batch = several[5]
        t.flip(batch, t.chance.randrange(HEADER, batch.size), t.chance.randrange(8))
    return []


@damage("one bit in the last batch of a sealed segment")
def payload_bit_last(t):
    batch = t.batches[1][-1]
    t.flip(batch, t.chance.randrange(HEADER, batch.size), t.chance.randrange(8))
    return []


bits("crc-bit", "one bit of a checksum", CRC, 4, 13)
bits("length-bit-4", "length off by 16", LENGTH, 4, 4, topics=BOTH)
bits("length-bit-20", "length off by 2^20", LENGTH, 4, 20)
bits("length-bit-31", "length below zero", LENGTH, 4, 31)
bits("magic-bit-0", "magic 3", MAGIC, 1, 0)
bits("magic-bit-1", "magic 0", MAGIC, 1, 1)
bits("offset-bit-0", "base offset off by 1", BASE_OFFSET, 8, 0)
bits("offset-up", "base offset 256 too high", BASE_OFFSET, 8, 8, lambda batch: not batch.first & 256, topics=BOTH)
bits("offset-down", "base offset 256 too low", BASE_OFFSET, 8, 8, lambda batch: batch.first & 256, topics=BOTH)
bits("offset-bit-40", "base offset off by 2^40", BASE_OFFSET, 8, 40, is_alone=True)
bits("offset-bit-63", "base offset below zero", BASE_OFFSET, 8, 63, is_alone=True)
bits("epoch-bit-2", "leader epoch off by 4", EPOCH, 4, 2)
bits("epoch-bit-30", "leader epoch off by 2^30", EPOCH, 4, 30)
bits("attributes-bit-0", "another codec in the attributes", ATTRIBUTES, 2, 0)
bits("attributes-bit-4", "transactional or not in the attributes", ATTRIBUTES, 2, 4, topics=BOTH)
bits("last-delta-bit", "last offset delta off by 8", LAST_DELTA, 4, 3)
bits("count-bit", "count of records off by 2", COUNT, 4, 1)


@damage("two bits in the records of a batch", topics=ALL)
def payload_bits(t):
    batch = t.victim(least=HEADER + 60)
    t.flip(batch, HEADER + 10, 3)
    t.flip(batch, HEADER + 50, 5)
    return [batch.offsets]


# ---- blocks, headers, bytes ----


@damage("a sector of zeros", topics=ALL)
def sector_zeroed(t):
    def make():
        at = t.some_block()

        def change(data):
            data[at:at + BLOCK] = bytes(BLOCK)
        return change
    return t.until_touched(1, make)


@damage("a sector with what stood elsewhere")
def sector_stale(t):
    def make():
        at = t.some_block(apart=0)

        def change(data):
            data[at:at + BLOCK] = data[at - 20 * BLOCK:at - 19 * BLOCK]
        return change
    return t.until_touched(1, make)


@damage("two sectors swapped")
def sectors_swapped(t):
    def make():
        a = b = t.some_block()
        while a == b:
            b = t.some_block()

        def change(data):
            data[a:a + BLOCK], data[b:b + BLOCK] = data[b:b + BLOCK], data[a:a + BLOCK]
        return change
    while True:
        lost = t.until_touched(1, make)
        if len(lost) > 1:
            return lost


@damage("a sector of noise over the first batches of a segment")
def sector_noise_first(t):
    def make():
        noise = t.noise(BLOCK)

        def change(data):
            data[:BLOCK] = noise
        return change
    return t.until_touched(1, make)


@damage("a header of noise", topics=ALL)
def header_noise(t):
    batch = t.victim()
    t.splice(batch.log, batch.position, batch.position + HEADER, t.noise(HEADER))
    return [batch.offsets]


@damage("a batch cut out", topics=BOTH, is_gone=True)
def batch_cut_out(t):
    batch = t.victim()
    t.splice(batch.log, batch.position, batch.end, b"")
    return [batch.offsets]


def aborts_again(several, marker):
    """Whether the producer's next transaction is aborted too. Where an index says of a transaction that it is aborted
    and no marker ends it, a consumer leaves out what its producer writes up to its next abort marker, or the end of
    what one fetch brings: only here that does not depend on how the fetches fall."""
    behind = several[several.index(marker) + 1:]
    return next((b.marker for b in behind if b.is_control and b.producer == marker.producer), None) == ABORT


@damage("an abort marker cut out", topics=("payments",), is_gone=True, is_indexed=True)
def marker_cut_out(t):
    several = t.batches[1]
    aborts = [b for b in several if b.marker == ABORT]
    batch = next(b for b in aborts[len(aborts) // 3:] + aborts if aborts_again(several, b))
    t.splice(batch.log, batch.position, batch.end, b"")
    return [batch.offsets]


@damage("an abort marker of noise", topics=("payments",))
def marker_noise(t):
    several = t.batches[1]
    batch = next(b for b in several[len(several) // 3:] if b.marker == ABORT)
    t.splice(batch.log, batch.position, batch.end, t.noise(batch.size))
    return [batch.offsets]


@damage("100 bytes inserted between two batches")
def bytes_between(t):
    batch = t.victim()
    t.splice(batch.log, batch.position, batch.position, t.noise(100))
    return []


@damage("7 bytes inserted into a batch")
def bytes_inside(t):
    batch = t.victim()
    at = batch.position + HEADER + 5
    t.splice(batch.log, at, at, t.noise(7))
    return [batch.offsets]


@damage("7 bytes missing in a batch")
def bytes_missing(t):
    batch = t.victim(least=HEADER + 40)
    at = batch.position + HEADER + 5
    t.splice(batch.log, at, at + 7, b"")
    return [batch.offsets]


# ---- whole batches and ends ----


def bytes_of(batch):
    return batch.log.read_bytes()[batch.position:batch.end]


@damage("a batch that stands twice", topics=ALL)
def batch_twice(t):
    batch = t.victim()
    t.splice(batch.log, batch.end, batch.end, bytes_of(batch))
    return []


@damage("a batch that stands again 20 batches later")
def batch_again(t):
    batch = t.victim()
    at = t.batches[1][t.batches[1].index(batch) + 20].position
    t.splice(batch.log, at, at, bytes_of(batch))
    return []


@damage("two batches swapped", topics=ALL, may_be_left=("accounts",))
def batches_swapped(t):
    batch = t.victim()
    other = t.batches[1][t.batches[1].index(batch) + 1]
    t.splice(batch.log, batch.position, other.end, bytes_of(other) + bytes_of(batch))
    return []


@damage("the last batch torn", topics=BOTH, is_gone=True)
def torn_last(t):
    batch = t.batches[-1][-1]
    t.splice(batch.log, batch.end - batch.size // 3, batch.end, b"")
    return [batch.offsets]


@damage("a sealed segment cut in its middle", is_gone=True)
def torn_sealed(t):
    batch = t.victim()
    t.splice(batch.log, batch.position + batch.size // 2, batch.log.stat().st_size, b"")
    return [(batch.first, t.batches[1][-1].last)]


@damage("zeros behind the last batch")
def zeros_last(t):
    end = t.logs[-1].stat().st_size
    t.splice(t.logs[-1], end, end, bytes(4096))
    return []


@damage("zeros behind a sealed segment")
def zeros_sealed(t):
    end = t.logs[1].stat().st_size
    t.splice(t.logs[1], end, end, bytes(4096))
    return []


@damage("a bit, a sector and a torn tail in three segments", topics=ALL)
def one_day(t):
    t.flip(t.victim(0), HEADER + 5, 2)
    lost = sector_zeroed(t)
    batch = t.batches[-1][-1]
    t.splice(batch.log, batch.end - batch.size // 3, batch.end, b"")
    # The torn batch is cut off without anybody having been promised it.
    return lost + [batch.offsets]


@damage("a sealed `.log` missing", is_gone=True)
def log_missing(t):
    t.logs[1].unlink()
    return [(t.batches[1][0].first, t.batches[1][-1].last)]


# ---- derived files ----


def missing(kind, topics=("orders",)):
    def act(t):
        t.file(f".{kind}").unlink()
        return []
    CATALOGUE.append(Damage(f"{kind}-missing", f"a `.{kind}` missing", act, topics))


def of_noise(kind, topics=("orders",), **facts):
    def act(t):
        file = t.file(f".{kind}")
        rewrite(file, t.noise(file.stat().st_size))
        return []
    CATALOGUE.append(Damage(f"{kind}-noise", f"a `.{kind}` of noise", act, topics, **facts))


for each in ("index", "timeindex", "snapshot"):
    missing(each, BOTH if each == "snapshot" else ("orders",))
    of_noise(each, BOTH if each == "snapshot" else ("orders",))
missing("txnindex", ("payments",))
of_noise("txnindex", ("payments",), is_alone=True)


@damage("every derived file missing", topics=ALL)
def derived_missing(t):
    for file in t.partition.iterdir():
        if file.suffix in (".index", ".timeindex", ".txnindex", ".snapshot") or file.name == "leader-epoch-checkpoint":
            file.unlink()
    return []


@damage("an `.index` missing, and one bit in the same segment")
def index_missing_bit(t):
    t.file(".index").unlink()
    return payload_bit(t)


@damage("`leader-epoch-checkpoint` missing")
def epochs_missing(t):
    (t.partition / "leader-epoch-checkpoint").unlink()
    return []


@damage("`leader-epoch-checkpoint` of noise", is_alone=True)
def epochs_noise(t):
    rewrite(t.partition / "leader-epoch-checkpoint", t.noise(40))
    return []


# ---- interrupted replacements, strays ----


def doubled(t, suffix, rename=""):
    for kind in (".log", ".index", ".timeindex"):
        file = t.file(kind)
        shutil.copy2(file, f"{file}{suffix}")
        if rename:
            file.rename(f"{file}{rename}")
    return []


@damage("a replacement that was not finished: `.cleaned`")
def replace_cleaned(t):
    return doubled(t, ".cleaned")


@damage("a replacement that was complete: `.swap`")
def replace_swap(t):
    return doubled(t, ".swap")


@damage("a replacement that had begun: `.swap` and `.deleted`")
def replace_swap_deleted(t):
    return doubled(t, ".swap", ".deleted")


@damage("a `.log` whose name is no offset", is_alone=True)
def stray_log(t):
    (t.partition / "notes.log").write_text("what I did on Friday\n")
    return []


@damage("a directory in the log dir that is no partition", is_log_dir=True)
def stray_directory(t):
    # lost+found would be another one: it belongs to the file system, and who repairs leaves it.
    (t.log_dir / "notes").mkdir()
    (t.log_dir / "notes" / "friday.txt").write_text("what I did on Friday\n")
    return []


# ---- checkpoints of the log dir ----


def checkpoint_noise(name):
    def act(t):
        rewrite(t.log_dir / name, t.noise(60))
        return []
    CATALOGUE.append(Damage(f"{name.removesuffix('-checkpoint')}-noise", f"`{name}` of noise", act, is_log_dir=True))


for each in ("recovery-point", "log-start", "replication", "cleaner"):
    checkpoint_noise(f"{each}-offset-checkpoint")


@damage("`log-start-offset-checkpoint` behind the end of the log", is_log_dir=True)
def log_start_beyond(t):
    topic, number = t.partition.name.rsplit("-", 1)
    rewrite(t.log_dir / "log-start-offset-checkpoint", f"0\n1\n{topic} {number} 999999999\n".encode())
    return []


# ---- what a consumer gets ----


def is_in(ranges, offset):
    return any(first <= offset <= last for first, last in ranges)


def committed(several, lost):
    """(ranges of offsets that read_committed does not get, offset at which it ends) when some offsets are lost.

    A transaction is what a producer wrote since its last marker. One whose marker is lost goes on until the next marker
    of its producer; one without any more holds back all that follows.
    """
    begun, aborted, hidden = {}, [], []
    for batch in several:
        if is_in(lost, batch.first):
            continue
        if batch.is_control:
            written = begun.pop(batch.producer, [])
            if batch.marker == ABORT:
                aborted += written
        elif batch.is_transactional:
            begun.setdefault(batch.producer, []).append(batch.offsets)
    hidden += aborted
    return hidden, min((offsets[0] for offsets in itertools.chain(*begun.values())), default=None)
