import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Real producers that say what they wrote.
 *
 * `Append create BOOTSTRAP LIST` makes topics; a line of LIST is `topic TAB partitions TAB name=value,...`.
 *
 * `Append write BOOTSTRAP LIST SEED` writes to topics; a line of LIST is `topic TAB partitions TAB codec TAB how`, where
 * `how` is `plain`, `idempotent` or a transactional id. Those with one id share its transactions, every third of which is aborted.
 * Prints a line for each record that the broker took, in the form of `Consume`, after its topic, its partition, and the
 * number of its transaction: `-` for none, `aborted` or `committed`; and one for the end of each transaction:
 * `topic TAB partition TAB COMMIT or ABORT`, behind the records that it concerns.
 */
public final class Append {
    private static final int TRANSACTIONS = 5;

    private record Line(String topic, int partitions, String codec, String how) {
        boolean isTransactional() {
            return !how.equals("plain") && !how.equals("idempotent");
        }
    }

    public static void main(String[] args) throws Exception {
        List<String[]> lines = Files.readAllLines(Path.of(args[2])).stream().map(text -> text.split("\t", -1)).toList();
        if (args[0].equals("create")) {
            create(args[1], lines);
        } else {
            var random = new Random(Long.parseLong(args[3]));
            var byId = new LinkedHashMap<String, List<Line>>();
            for (String[] f : lines) {
                var line = new Line(f[0], Integer.parseInt(f[1]), f[2], f[3]);
                // Producers have one codec each; a transactional id has one producer.
                String producer = line.isTransactional() ? line.how : line.how + " " + line.codec;
                byId.computeIfAbsent(producer, ignored -> new ArrayList<>()).add(line);
            }
            for (var some : byId.values()) {
                if (some.get(0).isTransactional()) {
                    transactions(args[1], some, random);
                } else {
                    plain(args[1], some, random);
                }
            }
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void create(String bootstrap, List<String[]> lines) throws Exception {
        var topics = new ArrayList<NewTopic>();
        for (String[] f : lines) {
            var config = new HashMap<String, String>();
            for (String pair : f[2].isEmpty() ? new String[0] : f[2].split(",")) {
                config.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
            }
            topics.add(new NewTopic(f[0], Integer.parseInt(f[1]), (short) 1).configs(config));
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(topics).all().get();
        }
    }

    private static KafkaProducer<byte[], byte[]> producer(String bootstrap, Line line) {
        var config = new HashMap<String, Object>(Map.of("bootstrap.servers", bootstrap, "compression.type", line.codec,
            "linger.ms", "100000", "batch.size", "4000", "delivery.timeout.ms", "200000",
            "retry.backoff.ms", "20", "retry.backoff.max.ms", "50"));
        config.put("enable.idempotence", "" + !line.how.equals("plain"));
        if (line.isTransactional()) {
            config.putAll(Map.of("transactional.id", line.how, "transaction.timeout.ms", "900000"));
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static void plain(String bootstrap, List<Line> lines, Random random) throws Exception {
        try (var producer = producer(bootstrap, lines.get(0))) {
            for (int round = 0; round < 4; round++) {
                send(producer, lines, random, 1 + random.nextInt(12), "-");
            }
        }
    }

    private static void transactions(String bootstrap, List<Line> lines, Random random) throws Exception {
        var producer = producer(bootstrap, lines.get(0));
        producer.initTransactions();
        for (int i = 0; i < TRANSACTIONS; i++) {
            boolean isAborted = i % 3 == 1;
            producer.beginTransaction();
            send(producer, lines, random, 1 + random.nextInt(5), isAborted ? "aborted" : "committed");
            if (isAborted) {
                producer.abortTransaction();
            } else {
                producer.commitTransaction();
            }
            for (Line line : lines) {
                for (int partition = 0; partition < line.partitions; partition++) {
                    System.out.println(line.topic + "\t" + partition + "\t" + (isAborted ? "ABORT" : "COMMIT"));
                }
            }
        }
        producer.close();
    }

    /** Some records to every partition of all topics; keyed ones where the key says in topics of several partitions. */
    private static void send(KafkaProducer<byte[], byte[]> producer, List<Line> lines, Random random, int count, String how) throws Exception {
        var records = new ArrayList<ProducerRecord<byte[], byte[]>>();
        var sent = new ArrayList<Future<RecordMetadata>>();
        for (Line line : lines) {
            for (int i = 0; i < count; i++) {
                for (int partition = 0; partition < line.partitions; partition++) {
                    var record = record(line, i == 0 || line.partitions == 1 ? partition : null, i == 0, random);
                    records.add(record);
                    sent.add(producer.send(record));
                }
            }
        }
        producer.flush();
        for (int i = 0; i < records.size(); i++) {
            var record = records.get(i);
            RecordMetadata at = sent.get(i).get();
            // Not said to the producer: whose the time is, which the caller knows, and the leader's epoch.
            var as = new ConsumerRecord<>(at.topic(), at.partition(), at.offset(), at.timestamp(), TimestampType.CREATE_TIME, 0, 0,
                record.key(), record.value(), record.headers(), java.util.Optional.empty());
            System.out.println(at.topic() + "\t" + at.partition() + "\t" + how + "\t" + Consume.line(as));
        }
    }

    private static ProducerRecord<byte[], byte[]> record(Line line, Integer partition, boolean isOdd, Random random) {
        byte[] key = Scenario.bytes("key-" + random.nextInt(40));
        if (isOdd && !line.topic.startsWith("compact")) {
            // Of several partitions it was not the key that chose one.
            key = line.partitions > 1 || random.nextBoolean() ? null : new byte[0];
        }
        byte[] value = isOdd && random.nextInt(3) == 0 ? null : noise(random);
        var headers = new RecordHeaders();
        if (random.nextInt(3) == 0) {
            headers.add("from", Scenario.bytes("a broker"));
            headers.add("null", null);
        }
        return new ProducerRecord<>(line.topic, partition, System.currentTimeMillis() - random.nextInt(1000), key, value, (Iterable<Header>) headers);
    }

    private static byte[] noise(Random random) {
        byte[] out = new byte[random.nextInt(300)];
        random.nextBytes(out);
        return out;
    }
}
