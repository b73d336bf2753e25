"""What is given to `seg write`, and what a consumer has to get of it: a model that knows nothing of files and batches."""

import base64
import binascii
import dataclasses
import json
import struct

ANY = object()
LONG = 512
CREATE, APPEND, NONE = "CreateTime", "LogAppendTime", "NoTimestampType"


@dataclasses.dataclass
class Record:
    offset: int
    # A number, or (first, last) when all that is known is when it was made.
    timestamp: object
    kind: str
    key: object
    value: object
    headers: list
    epoch: object = ANY
    # Whose transaction it belongs to, None for none; and what the record says when it ends one.
    transaction: object = None
    control: str = None

    def is_as(self, got):
        """Whether it is the record that a consumer got."""
        times = self.timestamp if isinstance(self.timestamp, tuple) else (self.timestamp, self.timestamp)
        return (got["offset"] == self.offset and times[0] <= got["timestamp"] <= times[1] and got["timestampType"] == self.kind
                and got["key"] == self.key and got["value"] == self.value and got.get("headers", []) == self.headers
                and (self.epoch is ANY or got["leaderEpoch"] == self.epoch))


class Partition:
    """All records of a partition, in the order of their offsets."""

    def __init__(self, name, kind=CREATE, is_compacted=False):
        self.name, self.kind, self.is_compacted = name, kind, is_compacted
        self.records = []
        self.end = 0
        self.epoch = 0

    def add(self, record):
        assert record.offset >= self.end, (self.name, record.offset, self.end)
        self.records.append(record)
        self.end = record.offset + 1

    def visible(self):
        return [r for r in self.records if not r.control]

    def committed(self):
        """What read_committed gives out, and the offset where it stops."""
        is_open, aborted = {}, []
        for r in self.records:
            if r.control in ("COMMIT", "ABORT"):
                first = is_open.pop(r.transaction, None)
                if first is not None and r.control == "ABORT":
                    aborted.append((r.transaction, first, r.offset))
            elif r.transaction is not None and not r.control:
                is_open.setdefault(r.transaction, r.offset)
        stable = min(is_open.values(), default=self.end)
        hidden = {}
        for who, first, last in aborted:
            hidden.setdefault(who, []).append((first, last))
        return [r for r in self.visible() if r.offset < stable
                and not any(first <= r.offset <= last for first, last in hidden.get(r.transaction, ()))], stable

    def at(self, time):
        """(offset, timestamp) of the first record that is not older; ANY where it depends on when exactly a record was made."""
        for r in self.records:
            first, last = r.timestamp if isinstance(r.timestamp, tuple) else (r.timestamp, r.timestamp)
            if first < time <= last:
                return ANY
            if first >= time:
                return r.offset, (ANY if first < last else first)
        return -1, -1

    # ---- what is given to seg ----

    def take(self, rows, args, begin, end):
        """The records that `seg write` makes of rows with these arguments, between two times."""
        given = options(args)
        magic = int(given.get("--magic", 2))
        kind = given.get("--message-timestamp-type", CREATE) if magic else NONE
        # That of the row, or the latest of the partition.
        epoch = int(given.get("--leader-epoch", self.epoch))
        for row in rows:
            offset = row.get("offset") if "--keep-offsets" in given else None
            timestamp = row.get("timestamp") if "--keep-timestamps" in given else None
            own_epoch = row.get("partitionLeaderEpoch")
            self.add(Record(
                offset=self.end if offset is None else offset,
                timestamp=-1 if magic == 0 else (begin, end) if timestamp is None else timestamp,
                kind=kind, key=seen(row.get("key")), value=seen(row.get("value")),
                headers=[[h["key"] if isinstance(h["key"], str) else h["key"].decode(), seen(h["value"])] for h in row.get("headers") or []],
                # Magic 0 and 1 have none, and of what comes from there nobody knows.
                epoch=None if magic < 2 else epoch if own_epoch is None else ANY if own_epoch < 0 else own_epoch,
                transaction=row["producerId"] if row.get("isTransactional") else None,
                control=(row.get("control") or {}).get("type")))

    # ---- what a real producer said ----

    def take_appended(self, how, text, begin, end):
        if how in ("COMMIT", "ABORT"):
            self.add(Record(self.end, (begin, end), CREATE, None, None, [], ANY, "a broker's", how))
            return
        got = json.loads(text)
        self.add(Record(got["offset"], got["timestamp"], self.kind, got["key"], got["value"], got.get("headers", []), ANY,
                        None if how == "-" else "a broker's"))

    # ---- what a consumer got ----

    def differences(self, got, is_committed):
        want = self.committed()[0] if is_committed else self.visible()
        if self.is_compacted:
            yield from self.compacted_differences(want, got)
            return
        for i, (w, g) in enumerate(zip(want, got)):
            if not w.is_as(g):
                yield f"{self.name}: number {i} is {short(g)} instead of {short(dataclasses.asdict(w))}"
                return
        if len(want) != len(got):
            extra = short(got[len(want)]) if len(got) > len(want) else short(dataclasses.asdict(want[len(got)]))
            yield f"{self.name}: {len(got)} records instead of {len(want)}; the first of them is {extra}"

    def compacted_differences(self, want, got):
        by_offset = {w.offset: w for w in want}
        for g in got:
            if g["offset"] not in by_offset or not by_offset[g["offset"]].is_as(g):
                yield f"{self.name}: {short(g)} was not written"
                return
        latest = {w.key: w.offset for w in want}
        if missing := set(latest.values()) - {g["offset"] for g in got}:
            yield f"{self.name}: the latest of {len(missing)} keys are missing, as {min(missing)}"


def short(thing):
    text = str(thing)
    return text if len(text) <= 300 else text[:300] + ".."


def options(args):
    """Options by name; flags have None."""
    out, args = {}, list(map(str, args))
    for i, word in enumerate(args):
        if word.startswith("--"):
            out[word] = args[i + 1] if i + 1 < len(args) and not args[i + 1].startswith("--") else None
    return out


# ---- keys and values ----


def _table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        yield n


TABLE = list(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def plain(coded):
    """The bytes that a row stands for."""
    if coded is None or isinstance(coded, bytes):
        return coded
    if isinstance(coded, str):
        return coded.encode()
    return base64.b64decode(coded["base64"]) if "base64" in coded else bytes.fromhex(coded["hex"])


def seen(coded):
    """As `Consume` writes it down."""
    data = plain(coded)
    if data is None:
        return None
    if len(data) > LONG:
        return {"size": len(data), "crc32c": crc32c(data)}
    return base64.b64encode(data).decode()


def murmur2(data):
    """The hash of a key by which Kafka's Java producer chooses a partition."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for k, in struct.iter_unpack("<I", data[:whole]):
        k = k * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key, count):
    return (murmur2(plain(key)) & 0x7FFFFFFF) % count


# ---- rows ----


def line(row, chance):
    """A row as JSON; bytes in any of the codings that are allowed."""
    row = {**row}
    for name in ("key", "value"):
        if name in row:
            row[name] = coded(row[name], chance)
    if "headers" in row:
        row["headers"] = [{"key": h["key"], "value": coded(h["value"], chance)} for h in row["headers"]]
    return json.dumps(row, ensure_ascii=chance.random() < 0.5)


def coded(data, chance):
    if data is None or not isinstance(data, bytes):
        return data
    choice = chance.randrange(6)
    if choice > 1:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return {"hex": binascii.hexlify(data).decode()} if choice == 0 else {"base64": base64.b64encode(data).decode()}


WORDS = ["order", "paid", "shipped", "été", "count", "42", "true", "item", "漢字", "3.14", "null", "\"quoted\"", "a\nb", "\u0000"]


def words(chance, most=12):
    return " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, most))).encode()


def some_bytes(chance):
    return chance.choice([lambda: None, lambda: b"", lambda: words(chance), lambda: words(chance, 60), lambda: words(chance),
                          lambda: chance.randbytes(chance.randrange(1, 400)), lambda: b"\xff\xfe", lambda: b"null"])()


def random_rows(chance, count, start, keyed=False, has_headers=True, offset=None, gaps=None):
    """Records of every shape. `start` is the time of the first; some are late. `gaps` are the greatest distances of offsets."""
    out, time = [], start
    for i in range(count):
        time += chance.choice([0, 0, 1, 7, 300])
        key = f"key-{chance.randrange(60)}".encode() if keyed or chance.random() < 0.4 else some_bytes(chance)
        row = {"key": key, "value": some_bytes(chance), "timestamp": time - (chance.randrange(5000) if chance.random() < 0.05 else 0)}
        if has_headers and chance.random() < 0.3:
            row["headers"] = [{"key": chance.choice(["h", "", "größe", "h"]), "value": some_bytes(chance)} for _ in range(chance.randrange(1, 4))]
        if gaps:
            offset += 1 + (chance.randrange(chance.choice(gaps)) if chance.random() < 0.3 else 0)
            row["offset"] = offset
        out.append(row)
    return out


class Producers:
    """Producers that write to one partition at the same time: idempotent ones, and transactions that end in both ways."""

    def __init__(self, chance, first_id, count):
        self.chance = chance
        self.all = [{"producerId": first_id + i, "producerEpoch": chance.randrange(3), "sequence": 0, "isTransactional": i % 3 != 2,
                     "isOpen": False} for i in range(count)]
        # One that comes to the end of the sequences.
        self.all[-1]["sequence"] = 2147483640

    def rows(self, count, start, close_all=False):
        chance, out = self.chance, []
        for _ in range(count):
            p = chance.choice(self.all)
            if p["isOpen"] and chance.random() < 0.25:
                out.append(self.end(p, start + len(out)))
                continue
            for _ in range(chance.randrange(1, 6)):
                out.append({"key": b"k%d" % chance.randrange(9), "value": words(chance), "timestamp": start + len(out),
                            **{name: p[name] for name in ("producerId", "producerEpoch", "sequence", "isTransactional")}})
                p["sequence"] = p["sequence"] + 1 & 0x7FFFFFFF
            p["isOpen"] = p["isTransactional"]
            if chance.random() < 0.3:
                out += random_rows(chance, 2, start + len(out))
        if close_all:
            out += [self.end(p, start + len(out)) for p in self.all if p["isOpen"]]
        return out

    def end(self, p, time):
        commits = self.chance.random() < 0.5
        # Half of the brokers begin a new epoch with every transaction.
        if self.chance.random() < 0.5:
            p["producerEpoch"] += 1
            p["sequence"] = 0
        p["isOpen"] = False
        row = {"timestamp": time, "producerId": p["producerId"], "producerEpoch": p["producerEpoch"], "isTransactional": True,
               "control": {"type": "COMMIT" if commits else "ABORT", "coordinatorEpoch": 3}}
        if self.chance.random() < 0.5:
            row |= {"key": b"\x00\x00\x00" + bytes([commits]), "value": b"\x00\x00\x00\x00\x00\x03", "sequence": -1}
        return row
