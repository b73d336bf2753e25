import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Takes everything off a server and puts it on another: `Copy all FROM TO`, where each topic becomes `copy.TOPIC`, and
 * what consumers get of both is compared. `Copy refused ADDRESS` has producers write to a server that only reads.
 * What is wrong is printed, and then a line with numbers; the exit status is 1 if anything is.
 */
public final class Copy {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final String PREFIX = "copy.";
    private static final List<String> wrong = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        String numbers = args[0].equals("all") ? copy(args[1], args[2]) : refused(args[1]);
        wrong.forEach(System.out::println);
        System.out.println(numbers);
        System.exit(wrong.isEmpty() ? 0 : 1);
    }

    private static String copy(String from, String to) throws Exception {
        var sizes = new TreeMap<String, Integer>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", from))) {
            admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get()
                .forEach((topic, description) -> sizes.put(topic, description.partitions().size()));
        }
        sizes.keySet().removeIf(topic -> topic.startsWith(PREFIX));
        // Any time a record has is as good as any other.
        var config = Map.of("message.timestamp.after.max.ms", "" + Long.MAX_VALUE, "retention.ms", "-1", "max.message.bytes", "2000000");
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", to))) {
            admin.createTopics(sizes.entrySet().stream().map(t -> new NewTopic(PREFIX + t.getKey(), t.getValue(), (short) 1).configs(config)).toList())
                .all().get();
        }
        var sources = new ArrayList<TopicPartition>();
        sizes.forEach((topic, count) -> {
            for (int p = 0; p < count; p++) {
                sources.add(new TopicPartition(topic, p));
            }
        });
        var read = everything(from, sources);
        var sent = new ArrayList<Future<RecordMetadata>>();
        try (var producer = producer(to, "compression.type", "lz4", "linger.ms", "5", "max.request.size", "2000000")) {
            for (TopicPartition source : sources) {
                for (var record : read.get(source)) {
                    // A record without a time cannot be sent without one.
                    Long time = record.timestamp() < 0 ? null : record.timestamp();
                    sent.add(producer.send(new ProducerRecord<>(PREFIX + source.topic(), source.partition(), time, record.key(), record.value(), record.headers())));
                }
            }
        }
        for (var one : sent) {
            one.get();
        }
        var copies = everything(to, sources.stream().map(p -> new TopicPartition(PREFIX + p.topic(), p.partition())).toList());
        for (TopicPartition source : sources) {
            same(source, read.get(source), copies.get(new TopicPartition(PREFIX + source.topic(), source.partition())));
        }
        return sources.size() + " partitions, " + sent.size() + " records copied";
    }

    private static Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> everything(String bootstrap, List<TopicPartition> partitions) {
        var out = new HashMap<TopicPartition, List<ConsumerRecord<byte[], byte[]>>>();
        partitions.forEach(p -> out.put(p, new ArrayList<>()));
        try (KafkaConsumer<byte[], byte[]> consumer = Consume.consumer(bootstrap, "read_committed")) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            var open = new ArrayList<>(partitions);
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (!open.isEmpty()) {
                for (var record : consumer.poll(Duration.ofMillis(50))) {
                    out.get(new TopicPartition(record.topic(), record.partition())).add(record);
                }
                open.removeIf(p -> consumer.position(p) >= ends.get(p));
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("stuck at " + open + " of " + bootstrap);
                }
            }
        }
        return out;
    }

    private static void same(TopicPartition partition, List<ConsumerRecord<byte[], byte[]>> before, List<ConsumerRecord<byte[], byte[]>> after) {
        if (before.size() != after.size()) {
            wrong.add(partition + ": " + before.size() + " records, " + after.size() + " in the copy");
        }
        for (int i = 0; i < Math.min(before.size(), after.size()); i++) {
            var one = before.get(i);
            var two = after.get(i);
            boolean isSame = Arrays.equals(one.key(), two.key()) && Arrays.equals(one.value(), two.value())
                && (one.timestamp() < 0 || one.timestamp() == two.timestamp()) && headers(one).equals(headers(two));
            if (!isSame) {
                wrong.add(partition + ": " + Consume.line(one) + " is in the copy " + Consume.line(two));
                return;
            }
        }
    }

    private static List<String> headers(ConsumerRecord<byte[], byte[]> record) {
        var out = new ArrayList<String>();
        for (Header header : record.headers()) {
            out.add(header.key() + "=" + Arrays.toString(header.value()));
        }
        return out;
    }

    private static KafkaProducer<byte[], byte[]> producer(String bootstrap, String... pairs) {
        var config = new HashMap<String, Object>(Map.of("bootstrap.servers", bootstrap, "max.block.ms", "15000", "delivery.timeout.ms", "15000",
            "request.timeout.ms", "10000"));
        for (int i = 0; i < pairs.length; i += 2) {
            config.put(pairs[i], pairs[i + 1]);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static String refused(String bootstrap) throws Exception {
        for (String acks : List.of("all", "1")) {
            expect("acks=" + acks, TopicAuthorizationException.class, () -> {
                try (var producer = producer(bootstrap, "enable.idempotence", "false", "acks", acks)) {
                    producer.send(new ProducerRecord<>("grouped", "x".getBytes())).get();
                }
            });
        }
        expect("idempotent", ClusterAuthorizationException.class, () -> {
            try (var producer = producer(bootstrap)) {
                producer.send(new ProducerRecord<>("grouped", "x".getBytes())).get();
            }
        });
        expect("transactional", TransactionalIdAuthorizationException.class, () -> {
            try (var producer = producer(bootstrap, "transactional.id", "any")) {
                producer.initTransactions();
            }
        });
        return "4 producers refused";
    }

    private interface Attempt {
        void run() throws Exception;
    }

    private static void expect(String what, Class<? extends Exception> wanted, Attempt attempt) {
        long begin = System.nanoTime();
        try {
            attempt.run();
            wrong.add(what + ": nobody refused");
        } catch (Exception error) {
            Throwable cause = error;
            while (!wanted.isInstance(cause) && cause.getCause() != null) {
                cause = cause.getCause();
            }
            long seconds = (System.nanoTime() - begin) / 1_000_000_000;
            if (!wanted.isInstance(cause) || seconds > 5) {
                wrong.add(what + ": after " + seconds + " s " + error + ", " + Objects.toString(error.getCause()) + ", instead of " + wanted.getSimpleName());
            }
        }
    }
}
