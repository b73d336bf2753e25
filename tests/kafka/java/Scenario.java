import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Makes a broker write data: `Scenario BOOTSTRAP RELEASE SEED NAME...` runs the named scenarios in order.
 *
 * Batches are exact: with an endless linger a batch is what was sent between two flushes.
 */
public final class Scenario {
    static String bootstrap;
    static String release;
    static long seed;
    static Admin admin;
    static Random random;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        release = args[1];
        seed = Long.parseLong(args[2]);
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        for (int i = 3; i < args.length; i++) {
            // Each scenario has its own stream, so that adding one does not change the others.
            random = new Random(seed * 31 + args[i].hashCode() + i);
            long start = System.nanoTime();
            run(args[i]);
            System.err.printf("%s %-14s %5d ms%n", release, args[i], (System.nanoTime() - start) / 1_000_000);
        }
        // Not exit(): a producer that is still in a transaction must not get the chance to abort it.
        Runtime.getRuntime().halt(0);
    }

    static void run(String name) throws Exception {
        switch (name) {
            case "codecs" -> codecs();
            case "shapes" -> shapes();
            case "lookup" -> lookup(5000);
            case "lookup-small" -> lookup(1200);
            case "times" -> times();
            case "append-time" -> appendTime();
            case "recompress" -> recompress();
            case "raw" -> raw();
            case "txn" -> txn();
            case "txn-open" -> txnOpen();
            case "epochs" -> epochs();
            case "trimmed" -> trimmed();
            case "retained" -> retained();
            case "compact-write" -> compactWrite();
            case "compact-on" -> compactOn();
            case "compact-again" -> compactAgain();
            case "preallocated" -> preallocated();
            case "doomed" -> doomed();
            case "groups" -> groups();
            case "groups-new" -> groupsNew();
            case "groups-share" -> groupsShare();
            case "metadata" -> metadata();
            case "rdkafka-topics" -> rdkafkaTopics();
            case "old-topics" -> oldTopics();
            case "down" -> downConverted();
            case "upgrade" -> upgrade();
            case "old-compact" -> oldCompact();
            case "old-compact-on" -> oldCompactOn();
            case "repair" -> repair();
            case "repair-compact" -> alter("accounts", "cleanup.policy", "compact");
            default -> throw new IllegalArgumentException(name);
        }
    }

    // ---- scenarios ----

    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    /** Each codec: lone records, hundreds in a batch, and one batch of several compression blocks. */
    static void codecs() throws Exception {
        for (String codec : CODECS) {
            String topic = "codec-" + codec;
            create(topic, 1);
            try (var producer = producer("compression.type", codec)) {
                for (int i = 0; i < 3; i++) {
                    batch(producer, records(topic, 1));
                }
                batch(producer, records(topic, 200 + random.nextInt(30)));
                if (!codec.equals("none")) {
                    batch(producer, blocks(topic));
                }
                for (int i = 0; i < 12; i++) {
                    batch(producer, records(topic, 1 + random.nextInt(40)));
                }
            }
        }
    }

    /**
     * Over 200 KiB that shrink to a few: xerial blocks hold 32 KiB, LZ4 blocks 64 KiB. The last record does not shrink,
     * so that the last LZ4 block is a stored one.
     */
    static List<ProducerRecord<byte[], byte[]>> blocks(String topic) {
        var out = new ArrayList<ProducerRecord<byte[], byte[]>>();
        for (int i = 0; i < 3; i++) {
            byte[] unit = text(120 + random.nextInt(60));
            byte[] value = new byte[60_000 + random.nextInt(12_000)];
            for (int at = 0; at < value.length; at++) {
                value[at] = unit[at % unit.length];
            }
            out.add(new ProducerRecord<>(topic, bytes("block-" + i), value));
        }
        // Up to the next multiple of both block sizes, less the framing of the records.
        int used = out.stream().mapToInt(r -> r.value().length).sum();
        out.add(new ProducerRecord<>(topic, null, new byte[(1 << 18) - used - 90]));
        byte[] noise = new byte[900];
        random.nextBytes(noise);
        out.add(new ProducerRecord<>(topic, null, noise));
        return out;
    }

    /** What a key, a value and a header can look like. */
    static void shapes() throws Exception {
        create("shapes", 2);
        byte[] all = new byte[256];
        for (int i = 0; i < 256; i++) {
            all[i] = (byte) i;
        }
        byte[] noise = new byte[40];
        random.nextBytes(noise);
        byte[][] values = {
            null, {}, {0}, bytes("plain"), bytes("{\"id\":7,\"name\":\"Zoë\",\"tags\":[\"a\",null,1.5e3],\"deep\":{\"x\":{}}}"),
            bytes("say \"hi\", it's a\\b"), bytes("two\nlines\r\nand\ttab"), bytes("bell\u0007 esc\u001b[31m nul\u0000 del\u007f"),
            bytes("žluťoučký kůň 漢字 🚀 e\u0301 \u202eright"), {(byte) 0xc3, 0x28}, {(byte) 0xff, (byte) 0xfe, 0x41},
            {(byte) 0xed, (byte) 0xa0, (byte) 0x80}, all, noise, bytes("null"), bytes(" "), bytes("42"), text(300),
        };
        byte[][] keys = {null, {}, bytes("k"), bytes("clé"), {(byte) 0x80, 0}, bytes("a,b;c|d"), bytes("\"quoted\"\n")};
        List<List<Header>> headers = List.of(
            List.of(), List.of(header("h", bytes("x"))), List.of(header("none", null)), List.of(header("", bytes("empty key"))),
            List.of(header("dup", bytes("1")), header("dup", bytes("2")), header("dup", null)),
            List.of(header("größe", bytes("ñ")), header("漢字", new byte[0])), List.of(header("bin", all)),
            List.of(header("a,b", bytes("c]")), header("quote\"", bytes("\n"))));
        for (int partition = 0; partition < 2; partition++) {
            try (var producer = producer("compression.type", partition == 0 ? "none" : "lz4")) {
                // Every combination of key and value, headers in turn, batches of many sizes.
                var pending = new ArrayList<ProducerRecord<byte[], byte[]>>();
                int n = 0;
                for (byte[] key : keys) {
                    for (byte[] value : values) {
                        pending.add(new ProducerRecord<>("shapes", partition, null, key, value, headers.get(n++ % headers.size())));
                        if (random.nextInt(6) == 0) {
                            batch(producer, pending);
                            pending.clear();
                        }
                    }
                }
                batch(producer, pending);
            }
        }
    }

    /** Many small records over many segments; time goes up, with some records late. */
    static void lookup(int count) throws Exception {
        create("lookup", 1, "index.interval.bytes", "512");
        long time = System.currentTimeMillis() - 3_600_000;
        try (var producer = producer()) {
            for (int done = 0; done < count; ) {
                var pending = new ArrayList<ProducerRecord<byte[], byte[]>>();
                for (int n = Math.min(count - done, 1 + random.nextInt(30)); n > 0; n--, done++) {
                    time += random.nextInt(600);
                    long late = random.nextInt(20) == 0 ? random.nextInt(20_000) : 0;
                    pending.add(new ProducerRecord<>("lookup", 0, time - late, bytes("k" + done % 97), text(4 + random.nextInt(8))));
                }
                batch(producer, pending);
            }
        }
    }

    /** CreateTime in any order: within a batch, between batches, long ago, far ahead. */
    static void times() throws Exception {
        // Older brokers have one setting for both directions.
        String limit = release.equals("2.8.2") ? "message.timestamp.difference.max.ms" : "message.timestamp.after.max.ms";
        create("times", 1, "segment", "4096", limit, "" + Long.MAX_VALUE, "segment.ms", "" + Long.MAX_VALUE);
        long now = System.currentTimeMillis();
        for (String codec : List.of("none", "zstd")) {
            try (var producer = producer("compression.type", codec)) {
                for (int i = 0; i < 40; i++) {
                    var pending = new ArrayList<ProducerRecord<byte[], byte[]>>();
                    for (int n = random.nextInt(9); n >= 0; n--) {
                        long time = now + random.nextInt(2_000_000) - 1_000_000;
                        pending.add(new ProducerRecord<>("times", 0, time, bytes("k" + i), text(20)));
                    }
                    batch(producer, pending);
                }
                for (long time : new long[] {0, 1, now + 315_360_000_000L, 4_102_444_800_000L, 946_684_800_000L, now}) {
                    batch(producer, List.of(new ProducerRecord<>("times", 0, time, null, text(20))));
                }
            }
        }
    }

    /** The broker's clock instead of the producer's: the deltas in the batch stay the producer's. */
    static void appendTime() throws Exception {
        create("append-time", 1, "message.timestamp.type", "LogAppendTime", "segment", "8192");
        for (String codec : CODECS) {
            try (var producer = producer("compression.type", codec)) {
                long now = System.currentTimeMillis();
                for (int i = 0; i < 6; i++) {
                    var pending = new ArrayList<ProducerRecord<byte[], byte[]>>();
                    for (int n = random.nextInt(16); n >= 0; n--) {
                        pending.add(new ProducerRecord<>("append-time", 0, now - random.nextInt(100_000), bytes("k" + n), text(30)));
                    }
                    batch(producer, pending);
                }
            }
        }
    }

    /** The topic's codec differs from the producer's, so the broker rebuilds every batch. */
    static void recompress() throws Exception {
        create("recompress", 1, "compression.type", "zstd", "segment", "4096");
        create("recompress-append-time", 1, "compression.type", "lz4", "message.timestamp.type", "LogAppendTime", "segment", "4096");
        for (String topic : List.of("recompress", "recompress-append-time")) {
            try (var producer = producer("compression.type", "gzip")) {
                for (int i = 0; i < 20; i++) {
                    batch(producer, records(topic, 1 + random.nextInt(30)));
                }
            }
        }
    }

    /** Batches no Java producer sends. */
    static void raw() throws Exception {
        create("raw", 1, "segment", "4096");
        try (var raw = new Raw(bootstrap)) {
            // A producer id of its own for each codec: a broker drops what repeats the sequences of one producer.
            long producerId = 9000 + random.nextInt(5);
            for (String codec : List.of("none", "gzip", "lz4")) {
                raw.withoutTimestamps("raw", codec, 4, random);
                raw.mixedTimestamps("raw", codec, random);
                raw.sequenceWrap("raw", codec, producerId, random);
                producerId += 10;
            }
            for (int i = 0; i < 30; i++) {
                raw.withoutTimestamps("raw", "none", 1 + random.nextInt(4), random);
            }
        }
    }

    /** Two or three producers interleaved; commits and aborts; one transaction over a segment roll. */
    static void txn() throws Exception {
        create("txn", 1, "segment", "8192");
        create("txn-offsets", 1);
        var a = transactional("txn-a", "none");
        var b = transactional("txn-b", "gzip");
        var plain = producer();
        for (int round = 0; round < 10; round++) {
            a.beginTransaction();
            b.beginTransaction();
            for (int i = 0; i < 4; i++) {
                // The fourth round writes more than a segment in one transaction.
                batch(a, records("txn", round == 3 ? 40 : 1 + random.nextInt(5)));
                batch(b, records("txn", 1 + random.nextInt(5)));
                if (random.nextInt(3) == 0) {
                    batch(plain, records("txn", 2));
                }
            }
            if (round % 5 == 4) {
                batch(a, records("txn-offsets", 2));
                a.sendOffsetsToTransaction(Map.of(new TopicPartition("txn", 0), new OffsetAndMetadata(round, "in a transaction")),
                    new ConsumerGroupMetadata("txn-group"));
            }
            boolean aFirst = random.nextBoolean();
            finish(aFirst ? a : b, round % 3 == 0 || round == 4);
            batch(plain, records("txn", 1));
            finish(aFirst ? b : a, round % 3 != 1);
        }
        // A transaction without any data in it.
        a.beginTransaction();
        a.abortTransaction();
        a.close();
        b.close();
        plain.close();
    }

    /** What read_committed must stop at: a transaction nobody finished, with finished ones behind it. */
    static void txnOpen() throws Exception {
        create("txn-open", 1, "segment", "4096");
        var before = transactional("open-before", "none");
        var open = transactional("open-open", "lz4");
        for (int i = 0; i < 6; i++) {
            before.beginTransaction();
            batch(before, records("txn-open", 8));
            finish(before, i % 2 == 0);
        }
        open.beginTransaction();
        batch(open, records("txn-open", 5));
        for (int i = 0; i < 6; i++) {
            before.beginTransaction();
            batch(before, records("txn-open", 6));
            batch(open, records("txn-open", 2));
            finish(before, i % 2 == 1);
        }
        before.close();
        // `open` is never closed: main halts.
    }

    /** Run once in every life of the broker. */
    static void epochs() throws Exception {
        create("epochs", 1, "segment", "4096");
        for (int p = 0; p < 2; p++) {
            try (var producer = producer("compression.type", p == 0 ? "none" : "snappy")) {
                for (int i = 0; i < 9; i++) {
                    batch(producer, records("epochs", 1 + random.nextInt(12)));
                }
            }
        }
    }

    static void trimmed() throws Exception {
        create("trimmed", 1, "segment", "4096");
        try (var producer = producer("compression.type", "gzip")) {
            for (int i = 0; i < 60; i++) {
                batch(producer, records("trimmed", 10));
            }
        }
        // 257 is inside a batch and inside a segment.
        admin.deleteRecords(Map.of(new TopicPartition("trimmed", 0), RecordsToDelete.beforeOffset(257))).all().get();
    }

    static void retained() throws Exception {
        create("retained", 1, "segment", "4096", "retention.bytes", "12000");
        try (var producer = producer("compression.type", "snappy")) {
            for (int i = 0; i < 70; i++) {
                batch(producer, records("retained", 8));
            }
        }
    }

    static final List<String> COMPACT = List.of("compact-empty", "compact-producers", "compact-tombstones", "compact-drop",
        "compact-codecs", "compact-txn");

    /** Everything is written first and compaction turned on later: one pass sees all of it, whatever the timing. */
    static void compactWrite() throws Exception {
        for (String topic : COMPACT) {
            create(topic, 1, "segment", "4096", "index.interval.bytes", "256", "delete.retention.ms",
                topic.equals("compact-drop") ? "100" : "86400000", "min.cleanable.dirty.ratio", "0.01");
        }
        // The same few keys in every segment, no producer ids: whole segments lose everything.
        try (var producer = producer("enable.idempotence", "false")) {
            for (int i = 0; i < 70; i++) {
                batch(producer, keyed("compact-empty", i, 5, 5));
            }
        }
        // Producers that were overtaken keep their last batch, empty.
        for (int p = 0; p < 8; p++) {
            try (var producer = producer()) {
                for (int i = 0; i < 8; i++) {
                    batch(producer, keyed("compact-producers", p * 8 + i, 4, 12));
                }
            }
        }
        for (String topic : List.of("compact-tombstones", "compact-drop")) {
            try (var producer = producer("compression.type", topic.endsWith("drop") ? "none" : "zstd")) {
                for (int i = 0; i < 90; i++) {
                    batch(producer, keyed(topic, i, 6, 60));
                    if (i % 4 == 3) {
                        batch(producer, List.of(new ProducerRecord<>(topic, bytes("gone-" + i), text(10))));
                        batch(producer, List.of(
                            new ProducerRecord<>(topic, bytes("gone-" + i), null),
                            new ProducerRecord<>(topic, bytes("key-" + random.nextInt(60)), null)));
                    }
                }
            }
        }
        for (int i = 0; i < 20; i++) {
            try (var producer = producer("compression.type", CODECS.get(i % 5), "enable.idempotence", i % 2 == 0 ? "true" : "false")) {
                for (int n = 0; n < 4; n++) {
                    batch(producer, keyed("compact-codecs", i * 4 + n, 12, 100));
                }
            }
        }
        var a = transactional("compact-a", "none");
        var b = transactional("compact-b", "none");
        for (int i = 0; i < 24; i++) {
            a.beginTransaction();
            b.beginTransaction();
            batch(a, keyed("compact-txn", i, 4, 30));
            batch(b, keyed("compact-txn", i, 4, 30));
            batch(a, List.of(new ProducerRecord<>("compact-txn", bytes("key-" + i), null)));
            finish(a, i % 3 != 0);
            finish(b, i % 4 == 0);
        }
        a.close();
        b.close();
    }

    static void compactOn() throws Exception {
        for (String topic : COMPACT) {
            alter(topic, "cleanup.policy", "compact");
        }
    }

    /** A second dirty part: horizons pass, gaps meet gaps. Not for compact-empty: another pass would merge its empty segments. */
    static void compactAgain() throws Exception {
        for (String topic : COMPACT) {
            if (!topic.equals("compact-empty")) {
                try (var producer = producer("enable.idempotence", "false")) {
                    for (int i = 0; i < 30; i++) {
                        batch(producer, keyed(topic, 1000 + i, 5, 40));
                    }
                }
            }
        }
    }

    static void preallocated() throws Exception {
        create("preallocated", 1, "preallocate", "true");
        create("preallocated-empty", 1, "preallocate", "true", "segment", "4096");
        try (var producer = producer()) {
            for (int i = 0; i < 40; i++) {
                batch(producer, records("preallocated", 1 + random.nextInt(20)));
            }
        }
    }

    /** A topic that is deleted: its directories stay for a minute under another name. */
    static void doomed() throws Exception {
        create("doomed", 2);
        try (var producer = producer()) {
            for (int i = 0; i < 6; i++) {
                batch(producer, records("doomed", 5));
            }
        }
        admin.deleteTopics(List.of("doomed")).all().get();
    }

    static void groups() throws Exception {
        create("grouped", 3);
        try (var producer = producer()) {
            batch(producer, records("grouped", 60));
        }
        join("group-classic", "group.protocol", "classic");
        join("group-gone", "group.protocol", "classic");
        var offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
        for (int p = 0; p < 3; p++) {
            offsets.put(new TopicPartition("grouped", p), new OffsetAndMetadata(3 + p, "set by hand, \"quoted\" ü"));
        }
        admin.alterConsumerGroupOffsets("group-manual", offsets).all().get();
        // Tombstones: one partition's offset, then a whole group.
        admin.deleteConsumerGroupOffsets("group-manual", Set.of(new TopicPartition("grouped", 1))).all().get();
        admin.deleteConsumerGroups(List.of("group-gone")).all().get();
    }

    static void groupsNew() throws Exception {
        join("group-new", "group.protocol", "consumer");
        join("group-new-gone", "group.protocol", "consumer");
        admin.deleteConsumerGroups(List.of("group-new-gone")).all().get();
    }

    static void groupsShare() throws Exception {
        var group = new ConfigResource(ConfigResource.Type.GROUP, "group-share");
        admin.incrementalAlterConfigs(Map.of(group,
            List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", "group-share");
        try (var consumer = new KafkaShareConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("grouped"));
            int got = 0;
            for (long end = System.currentTimeMillis() + 20_000; got < 50 && System.currentTimeMillis() < end; ) {
                got += consumer.poll(Duration.ofMillis(200)).count();
                consumer.commitSync();
            }
            if (got == 0) {
                throw new IllegalStateException("the share group received nothing");
            }
        }
    }

    /** Records of other kinds for __cluster_metadata. */
    static void metadata() throws Exception {
        create("meta-kept", 2, "max.message.bytes", "2000000");
        create("meta-gone", 1);
        admin.createPartitions(Map.of("meta-kept", NewPartitions.increaseTo(4))).all().get();
        alter("meta-kept", "max.message.bytes", "1500000");
        admin.deleteTopics(List.of("meta-gone")).all().get();
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(Map.of("client-id", "someone")),
            List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6))))).all().get();
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.BROKER, "1"),
            List.of(new AlterConfigOp(new ConfigEntry("log.cleaner.threads", "2"), AlterConfigOp.OpType.SET)))).all().get();
    }

    /** Only created here; `rdkafka.py` writes to them. */
    static void rdkafkaTopics() throws Exception {
        for (String codec : CODECS) {
            create("rdkafka-" + codec, 1);
        }
        create("rdkafka-txn", 1, "segment", "4096");
    }

    // ---- magic 0 and 1: brokers up to 3.x in the ZooKeeper days ----

    static final String MAGIC_0 = "0.9.0";
    static final String MAGIC_1 = "0.10.2";

    /** Only created here; `old.py` writes to them with clients of that time. */
    static void oldTopics() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4")) {
            create("magic0-" + codec, 1, "message.format.version", MAGIC_0, "segment", "12288");
            create("magic1-" + codec, 1, "message.format.version", MAGIC_1, "segment", "12288");
        }
        create("magic1-append-time", 1, "message.format.version", MAGIC_1, "message.timestamp.type", "LogAppendTime", "segment", "12288");
    }

    /** A modern producer's batches, converted by the broker when it appends them. */
    static void downConverted() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4")) {
            for (String magic : List.of(MAGIC_0, MAGIC_1)) {
                String topic = (magic.equals(MAGIC_0) ? "down0-" : "down1-") + codec;
                create(topic, 1, "message.format.version", magic, "segment", codec.equals("none") ? "4096" : "16384");
                try (var producer = producer("compression.type", codec, "enable.idempotence", "false")) {
                    batch(producer, List.of(new ProducerRecord<>(topic, null, new byte[0]), new ProducerRecord<>(topic, new byte[0], null)));
                    if (!codec.equals("none")) {
                        batch(producer, blocks(topic).subList(0, 3));
                    }
                    for (int i = 0; i < 15; i++) {
                        batch(producer, records(topic, 1 + random.nextInt(20)));
                    }
                }
            }
        }
    }

    /** 0, then 1, then 2, then 1 again, in one partition, each uncompressed and compressed. */
    static void upgrade() throws Exception {
        create("upgrade", 1, "message.format.version", MAGIC_0, "segment", "4096");
        for (String version : List.of(MAGIC_0, MAGIC_1, "2.8", MAGIC_1, "2.8")) {
            alter("upgrade", "message.format.version", version);
            Thread.sleep(1000);
            for (String codec : List.of("none", "gzip", "lz4")) {
                try (var producer = producer("compression.type", codec, "enable.idempotence", "false")) {
                    for (int i = 0; i < 6; i++) {
                        batch(producer, records("upgrade", 1 + random.nextInt(15)));
                    }
                }
            }
        }
    }

    static final List<String> OLD_COMPACT = List.of("magic0-compact", "magic1-compact", "upgrade-compact");

    static void oldCompact() throws Exception {
        for (String topic : OLD_COMPACT) {
            create(topic, 1, "message.format.version", topic.startsWith("magic1") ? MAGIC_1 : MAGIC_0, "segment", "4096",
                "min.cleanable.dirty.ratio", "0.01", "index.interval.bytes", "256");
            for (int i = 0; i < 24; i++) {
                if (i == 12 && topic.startsWith("upgrade")) {
                    alter(topic, "message.format.version", "2.8");
                    Thread.sleep(1000);
                }
                try (var producer = producer("compression.type", CODECS.get(i % 4), "enable.idempotence", "false")) {
                    for (int n = 0; n < 4; n++) {
                        batch(producer, keyed(topic, i * 4 + n, 16, 120));
                    }
                    batch(producer, List.of(new ProducerRecord<>(topic, bytes("key-" + i), null)));
                }
            }
        }
    }

    static void oldCompactOn() throws Exception {
        for (String topic : OLD_COMPACT) {
            alter(topic, "cleanup.policy", "compact");
        }
    }

    /** What is going to be damaged. Run once in every life of the broker: some hundred batches in each of several segments. */
    static void repair() throws Exception {
        create("orders", 1, "segment", "65536");
        create("payments", 1, "segment", "32768");
        create("accounts", 1, "segment", "32768", "min.cleanable.dirty.ratio", "0.01");
        var producers = new ArrayList<KafkaProducer<byte[], byte[]>>();
        for (String codec : CODECS) {
            producers.add(producer("compression.type", codec));
        }
        for (int i = 0; i < 260; i++) {
            for (String topic : List.of("orders", "accounts")) {
                batch(producers.get(random.nextInt(producers.size())), longer(topic, 1 + random.nextInt(5)));
            }
        }
        var several = List.of(transactional("repair-a", "none"), transactional("repair-b", "lz4"));
        for (int round = 0; round < 30; round++) {
            for (var producer : several) {
                producer.beginTransaction();
            }
            for (int i = 0; i < 2; i++) {
                for (var producer : several) {
                    batch(producer, longer("payments", 1 + random.nextInt(3)));
                }
                batch(producers.get(random.nextInt(producers.size())), longer("payments", 1 + random.nextInt(2)));
            }
            finish(several.get(round % 2), random.nextInt(3) > 0);
            batch(several.get(1 - round % 2), longer("payments", 1));
            finish(several.get(1 - round % 2), random.nextInt(3) > 0);
        }
        several.forEach(KafkaProducer::close);
        producers.forEach(KafkaProducer::close);
    }

    // ---- helpers ----

    /** Small segments and indexes; "segment" stands for whatever the release calls a segment size below 1 MiB. */
    static void create(String topic, int partitions, String... pairs) throws Exception {
        String segment = release.startsWith("4.") ? "internal.segment.bytes" : "segment.bytes";
        var config = new HashMap<>(Map.of(segment, "16384", "segment.index.bytes", "4096", "index.interval.bytes", "1024",
            "retention.ms", "-1"));
        for (int i = 0; i < pairs.length; i += 2) {
            config.put(pairs[i].equals("segment") ? segment : pairs[i], pairs[i + 1]);
        }
        if (!admin.listTopics().names().get().contains(topic)) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(config))).all().get();
        }
    }

    static void alter(String topic, String name, String value) throws Exception {
        Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET));
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic), ops)).all().get();
    }

    static KafkaProducer<byte[], byte[]> producer(String... pairs) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("linger.ms", "100000");
        config.put("delivery.timeout.ms", "200000");
        config.put("batch.size", "800000");
        config.put("partitioner.ignore.keys", "false");
        for (int i = 0; i < pairs.length; i += 2) {
            config.put(pairs[i], pairs[i + 1]);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaProducer<byte[], byte[]> transactional(String id, String codec) {
        var producer = producer("transactional.id", id, "transaction.timeout.ms", "900000", "compression.type", codec);
        producer.initTransactions();
        return producer;
    }

    static void finish(KafkaProducer<byte[], byte[]> producer, boolean commit) {
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    static void batch(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        var sent = new ArrayList<Future<RecordMetadata>>();
        for (var record : records) {
            sent.add(producer.send(record));
        }
        producer.flush();
        for (var future : sent) {
            future.get();
        }
    }

    static List<ProducerRecord<byte[], byte[]>> records(String topic, int count) {
        var out = new ArrayList<ProducerRecord<byte[], byte[]>>();
        for (int i = 0; i < count; i++) {
            out.add(new ProducerRecord<>(topic, bytes("key-" + random.nextInt(1000)), text(8 + random.nextInt(24))));
        }
        return out;
    }

    static List<ProducerRecord<byte[], byte[]>> longer(String topic, int count) {
        var out = new ArrayList<ProducerRecord<byte[], byte[]>>();
        for (int i = 0; i < count; i++) {
            out.add(new ProducerRecord<>(topic, bytes("key-" + random.nextInt(1000)), text(60 + random.nextInt(200))));
        }
        return out;
    }

    /** `count` records whose keys come from a set of `keys`. */
    static List<ProducerRecord<byte[], byte[]>> keyed(String topic, int round, int count, int keys) {
        var out = new ArrayList<ProducerRecord<byte[], byte[]>>();
        for (int i = 0; i < count; i++) {
            int key = count == keys ? i : random.nextInt(keys);
            out.add(new ProducerRecord<>(topic, bytes("key-" + key), bytes("round " + round + " " + new String(text(12), StandardCharsets.UTF_8))));
        }
        return out;
    }

    static void join(String group, String... pairs) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        for (int i = 0; i < pairs.length; i += 2) {
            config.put(pairs[i], pairs[i + 1]);
        }
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("grouped"));
            int got = 0;
            for (long end = System.currentTimeMillis() + 20_000; got < 60 && System.currentTimeMillis() < end; ) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                got += records.count();
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
            }
            if (got < 60) {
                throw new IllegalStateException(group + " received " + got);
            }
        }
    }

    static final String[] WORDS = {"order", "paid", "shipped", "été", "count", "42", "true", "a", "item", "warehouse", "3.14", "null"};

    static byte[] text(int size) {
        var out = new StringBuilder();
        while (out.length() < size) {
            out.append(WORDS[random.nextInt(WORDS.length)]).append(' ');
        }
        return bytes(out.toString());
    }

    static Header header(String key, byte[] value) {
        return new RecordHeader(key, value);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
