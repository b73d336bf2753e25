import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Keeps a broker busy until its input ends: `Live BOOTSTRAP SEED`. Appends, rolls, transactions, compaction, retention,
 * DeleteRecords, topics that come and go. Says `busy` once every topic has been written to.
 */
public final class Live {
    static String bootstrap;
    static Admin admin;
    static final AtomicLong SENT = new AtomicLong();
    static volatile boolean isOver;

    interface Work {
        void once(Random random) throws Exception;
    }

    static final Map<String, Map<String, String>> TOPICS = Map.of(
        "append", Map.of(),
        "appendtime", Map.of("message.timestamp.type", "LogAppendTime", "internal.segment.bytes", "30000"),
        "preallocated", Map.of("preallocate", "true"),
        "txn", Map.of("index.interval.bytes", "0"),
        "retained", Map.of("internal.segment.bytes", "8192", "retention.bytes", "40000"),
        "trimmed", Map.of("internal.segment.bytes", "8192"),
        "compact", compact("100"),
        "compacttxn", compact("60000"),
        "compactdelete", with(compact("100"), "cleanup.policy", "compact,delete", "retention.bytes", "60000"),
        "indexroll", Map.of("segment.index.bytes", "48", "index.interval.bytes", "256"));

    static Map<String, String> compact(String horizon) {
        return Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "1500",
            "internal.segment.bytes", "12000", "delete.retention.ms", horizon);
    }

    static Map<String, String> with(Map<String, String> config, String... pairs) {
        var out = new HashMap<>(config);
        for (int i = 0; i < pairs.length; i += 2) {
            out.put(pairs[i], pairs[i + 1]);
        }
        return out;
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        long seed = Long.parseLong(args[1]);
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        for (var topic : TOPICS.entrySet()) {
            create(topic.getKey(), 2, topic.getValue());
        }
        start(seed, 4, new Plain("none", "append", "indexroll", "retained", "trimmed")::once);
        start(seed + 1, 4, new Plain("lz4", "append", "preallocated", "trimmed", "retained")::once);
        start(seed + 2, 4, new Plain("zstd", "append", "appendtime", "compactdelete", "preallocated")::once);
        start(seed + 3, 4, new Plain("gzip", "compact", "compact", "compactdelete", "append")::once);
        start(seed + 4, 10, new Transactions("live-a", "txn", "compacttxn")::once);
        start(seed + 5, 25, new Transactions("live-b", "txn", "compacttxn", "append")::once);
        start(seed + 6, 20, Live::newProducer);
        start(seed + 7, 300, Live::deleteRecords);
        start(seed + 8, 100, Live::topicThatGoes);
        while (SENT.get() < 3000) {
            Thread.sleep(100);
        }
        System.out.println("busy");
        // Until whoever started this has enough.
        while (System.in.read() >= 0) {
        }
        isOver = true;
        System.err.printf("%d records%n", SENT.get());
        Runtime.getRuntime().halt(0);
    }

    static void start(long seed, int pause, Work work) {
        new Thread(() -> {
            var random = new Random(seed);
            try {
                while (!isOver) {
                    work.once(random);
                    Thread.sleep(random.nextInt(2 * pause));
                }
            } catch (Exception error) {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }).start();
    }

    static void create(String topic, int partitions, Map<String, String> more) throws Exception {
        var config = new HashMap<>(Map.of("internal.segment.bytes", "65536", "segment.index.bytes", "4096",
            "index.interval.bytes", "1024", "retention.ms", "-1", "file.delete.delay.ms", "700"));
        config.putAll(more);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(config))).all().get();
    }

    static KafkaProducer<byte[], byte[]> producer(Map<String, ?> more) {
        var config = new HashMap<String, Object>(Map.of("bootstrap.servers", bootstrap, "linger.ms", "2",
            "batch.size", "3000"));
        config.putAll(more);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Few keys, so that compaction takes most of them away; some are tombstones. */
    static void send(KafkaProducer<byte[], byte[]> producer, String topic, Random random) {
        byte[] value = new byte[20 + random.nextInt(random.nextInt(10) == 0 ? 2000 : 100)];
        random.nextBytes(value);
        byte[] key = ("key-" + random.nextInt(40)).getBytes(StandardCharsets.UTF_8);
        var isTombstone = topic.startsWith("compact") && random.nextInt(5) == 0;
        producer.send(new ProducerRecord<>(topic, key, isTombstone ? null : value), (done, error) -> SENT.incrementAndGet());
    }

    /** A producer that sends to each of its topics. */
    static final class Plain {
        final KafkaProducer<byte[], byte[]> producer;
        final String[] topics;

        Plain(String codec, String... topics) {
            this.producer = producer(Map.of("compression.type", codec));
            this.topics = topics;
        }

        void once(Random random) {
            for (int i = random.nextInt(12); i >= 0; i--) {
                send(producer, topics[random.nextInt(topics.length)], random);
            }
        }
    }

    /** Transactions with committed offsets, every fourth aborted. */
    static final class Transactions {
        final KafkaProducer<byte[], byte[]> producer;
        final String id;
        final String[] topics;
        long committed;

        Transactions(String id, String... topics) {
            this.producer = producer(Map.of("transactional.id", id));
            this.id = id;
            this.topics = topics;
            producer.initTransactions();
        }

        void once(Random random) throws Exception {
            producer.beginTransaction();
            for (int i = random.nextInt(30); i >= 0; i--) {
                send(producer, topics[random.nextInt(topics.length)], random);
            }
            var offset = new OffsetAndMetadata(++committed);
            producer.sendOffsetsToTransaction(Map.of(new TopicPartition("append", 0), offset), new ConsumerGroupMetadata(id));
            if (random.nextInt(3) == 0) {
                producer.flush();
                Thread.sleep(random.nextInt(60));
            }
            if (random.nextInt(4) == 0) {
                producer.abortTransaction();
            } else {
                producer.commitTransaction();
            }
        }
    }

    /** Producer ids that come and go, without idempotence now and then. */
    static void newProducer(Random random) {
        try (var producer = producer(Map.of("enable.idempotence", random.nextInt(4) > 0 ? "true" : "false"))) {
            for (int i = random.nextInt(40); i >= 0; i--) {
                send(producer, List.of("append", "compact", "retained", "trimmed").get(random.nextInt(4)), random);
            }
        }
    }

    static void deleteRecords(Random random) throws Exception {
        for (int number = 0; number < 2; number++) {
            var partition = new TopicPartition("trimmed", number);
            long end = admin.listOffsets(Map.of(partition, OffsetSpec.latest())).all().get().get(partition).offset();
            long start = admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).all().get().get(partition).offset();
            long upTo = start + (long) ((end - start) * random.nextDouble());
            // Sometimes everything: then the log begins with an empty segment.
            upTo = random.nextInt(6) == 0 ? -1 : upTo;
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(upTo))).all().get();
        }
    }

    static void topicThatGoes(Random random) throws Exception {
        String topic = "comes-and-goes-" + Math.floorMod(random.nextLong(), 1_000_000_000L);
        create(topic, 1 + random.nextInt(3), Map.of("internal.segment.bytes", "4096"));
        try (var producer = producer(Map.of())) {
            for (int i = random.nextInt(200); i >= 0; i--) {
                send(producer, topic, random);
            }
        }
        Thread.sleep(random.nextInt(800));
        admin.deleteTopics(List.of(topic)).all().get();
    }
}
