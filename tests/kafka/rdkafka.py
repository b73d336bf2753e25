"""Data from librdkafka: `rdkafka.py BOOTSTRAP SEED`. Its framing of snappy and LZ4 differs from the Java client's."""

import random
import sys

from confluent_kafka import Producer

bootstrap, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
WORDS = "order paid shipped été count 42 true a item warehouse 3.14 null".split()


def text(words):
    return " ".join(rng.choice(WORDS) for _ in range(words)).encode()


def producer(**config):
    return Producer({"bootstrap.servers": bootstrap, "linger.ms": 40_000, "message.timeout.ms": 50_000,
                     "batch.size": 900_000, "batch.num.messages": 10_000, **config})


def batch(p, topic, records):
    """A flush ends the linger, so everything since the last one becomes one batch."""
    failed = []
    for key, value, headers in records:
        p.produce(topic, value, key, headers=headers, on_delivery=lambda error, _: error and failed.append(error))
    if p.flush(60) or failed:
        sys.exit(f"{topic}: {failed or 'not delivered'}")


def some(count):
    return [(b"key-%d" % rng.randrange(1000), text(rng.randint(2, 9)), None) for _ in range(count)]


for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    topic = f"rdkafka-{codec}"
    p = producer(**{"compression.type": codec, "enable.idempotence": codec != "none"})
    batch(p, topic, some(1))
    batch(p, topic, some(200))
    batch(p, topic, [(None, None, [("a", None), ("", b"x"), ("ü", b""), ("a", b"again")]), (b"", b"", None)])
    if codec != "none":
        unit = text(25)
        batch(p, topic, [(b"block", unit * (70_000 // len(unit)), None) for _ in range(3)] + [(None, rng.randbytes(900), None)])
    for _ in range(20):
        batch(p, topic, some(rng.randint(1, 30)))

p = producer(**{"transactional.id": "rdkafka-txn"})
p.init_transactions(30)
for i in range(8):
    p.begin_transaction()
    batch(p, "rdkafka-txn", some(6))
    (p.abort_transaction if i % 3 == 0 else p.commit_transaction)(30)
