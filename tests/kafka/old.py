"""Messages of magic 0 and 1 as clients of their time wrote them: `old.py BOOTSTRAP SEED`."""

import random
import sys
import time

from kafka import KafkaProducer

bootstrap, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)


def write(topic, api_version, codec, timestamps):
    p = KafkaProducer(bootstrap_servers=bootstrap, api_version=api_version, compression_type=codec, linger_ms=10_000,
                      batch_size=500_000)
    now = int(time.time() * 1000)

    def batch(records):
        sent = [p.send(topic, value, key, partition=0, timestamp_ms=now + rng.randrange(-5000, 5000) if timestamps else None)
                for key, value in records]
        p.flush(30)
        for future in sent:
            future.get(30)

    batch([(None, b"alone")])
    batch([(b"", b""), (b"tombstone", None), (b"\xff\x00", b"\x80\x81")])
    batch([(b"key-%d" % i, b"value " * rng.randint(1, 6)) for i in range(60)])
    if codec:
        # More than one block of the codec.
        batch([(b"block", b"0123456789abcdef" * 2500) for _ in range(4)])
    for _ in range(10):
        batch([(b"key-%d" % rng.randrange(99), b"value " * rng.randint(1, 6)) for _ in range(rng.randint(1, 25))])
    p.close()


for codec in (None, "gzip", "snappy", "lz4"):
    write(f"magic0-{codec or 'none'}", (0, 8, 2), codec, False)
    write(f"magic1-{codec or 'none'}", (0, 10, 0), codec, True)
    write("magic1-append-time", (0, 10, 0), codec, True)
