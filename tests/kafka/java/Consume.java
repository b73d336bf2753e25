import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Writes down what a real consumer receives: `Consume BOOTSTRAP DIR`.
 *
 * DIR/TOPIC-P.uncommitted.jsonl holds every record as one JSON object per line. DIR/TOPIC-P.committed.jsonl is what
 * read_committed received and is there only where that differs. DIR/offsets.jsonl has the broker's own answers about
 * offsets and times, one line per partition.
 */
public final class Consume {
    /** Longer keys and values are written as their size and checksum. */
    private static final int LONG = 512;

    private static final Duration LIMIT = Duration.ofSeconds(30);

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0];
        Path dir = Path.of(args[1]);
        Files.createDirectories(dir);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
             var all = consumer(bootstrap, "read_uncommitted");
             var committed = consumer(bootstrap, "read_committed")) {
            var topics = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
            var partitions = new TreeSet<>(Comparator.comparing(TopicPartition::toString));
            admin.describeTopics(topics).allTopicNames().get().forEach((topic, description) ->
                description.partitions().forEach(p -> partitions.add(new TopicPartition(topic, p.partition()))));
            var times = new HashMap<TopicPartition, List<Long>>();
            for (TopicPartition partition : partitions) {
                List<ConsumerRecord<byte[], byte[]>> records = read(all, partition);
                List<String> lines = lines(records);
                Files.write(dir.resolve(partition + ".uncommitted.jsonl"), lines);
                List<String> committedLines = lines(read(committed, partition));
                if (!committedLines.equals(lines)) {
                    Files.write(dir.resolve(partition + ".committed.jsonl"), committedLines);
                }
                times.put(partition, interestingTimes(records));
            }
            offsets(admin, partitions, times, dir.resolve("offsets.jsonl"));
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String isolation) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("isolation.level", isolation);
        config.put("auto.offset.reset", "none");
        config.put("enable.auto.commit", "false");
        config.put("fetch.max.wait.ms", "50");
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition) {
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        var out = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (consumer.position(partition) < end) {
            consumer.poll(Duration.ofMillis(50)).forEach(out::add);
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(partition + " stuck at " + consumer.position(partition) + " of " + end);
            }
        }
        return out;
    }

    private static List<String> lines(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(Consume::line).toList();
    }

    static String line(ConsumerRecord<byte[], byte[]> record) {
        var out = new StringBuilder("{\"offset\":").append(record.offset())
            .append(",\"timestamp\":").append(record.timestamp())
            .append(",\"timestampType\":\"").append(record.timestampType()).append('"')
            .append(",\"key\":").append(bytes(record.key()))
            .append(",\"value\":").append(bytes(record.value()));
        // Most records have none.
        String separator = ",\"headers\":[";
        for (Header header : record.headers()) {
            out.append(separator).append('[').append(string(header.key())).append(',').append(bytes(header.value())).append(']');
            separator = ",";
        }
        if (separator.equals(",")) {
            out.append(']');
        }
        return out.append(",\"leaderEpoch\":").append(record.leaderEpoch().map(Object::toString).orElse("null")).append('}').toString();
    }

    private static String bytes(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        if (bytes.length > LONG) {
            CRC32C crc = new CRC32C();
            crc.update(bytes);
            return "{\"size\":" + bytes.length + ",\"crc32c\":" + crc.getValue() + "}";
        }
        return '"' + Base64.getEncoder().encodeToString(bytes) + '"';
    }

    private static String string(String text) {
        var out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    /** Times of some records and their neighbours, and both ends. */
    private static List<Long> interestingTimes(List<ConsumerRecord<byte[], byte[]>> records) {
        var out = new TreeSet<Long>();
        out.add(0L);
        for (int i = 0; i < 6 && !records.isEmpty(); i++) {
            long time = records.get((int) ((long) i * (records.size() - 1) / 5)).timestamp();
            if (time >= 0) {
                out.addAll(Arrays.asList(time, time + 1));
            }
        }
        records.stream().mapToLong(ConsumerRecord::timestamp).filter(t -> t >= 0).max().ifPresent(t -> out.addAll(Arrays.asList(t, t + 1)));
        return new ArrayList<>(out);
    }

    private static void offsets(Admin admin, Iterable<TopicPartition> partitions, Map<TopicPartition, List<Long>> times, Path file)
            throws Exception {
        var lines = new TreeMap<String, StringBuilder>();
        for (TopicPartition p : partitions) {
            lines.put(p.toString(), new StringBuilder("{\"topic\":\"" + p.topic() + "\",\"partition\":" + p.partition()));
        }
        ask(admin, partitions, p -> OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED, "earliest", lines);
        ask(admin, partitions, p -> OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED, "highWatermark", lines);
        ask(admin, partitions, p -> OffsetSpec.latest(), IsolationLevel.READ_COMMITTED, "lastStable", lines);
        ask(admin, partitions, p -> OffsetSpec.maxTimestamp(), IsolationLevel.READ_UNCOMMITTED, "maxTimestamp", lines);
        lines.values().forEach(line -> line.append(",\"times\":["));
        int most = times.values().stream().mapToInt(List::size).max().orElse(0);
        for (int i = 0; i < most; i++) {
            int n = i;
            var some = new ArrayList<TopicPartition>();
            partitions.forEach(p -> {
                if (times.get(p).size() > n) {
                    some.add(p);
                }
            });
            ask(admin, some, p -> OffsetSpec.forTimestamp(times.get(p).get(n)), IsolationLevel.READ_UNCOMMITTED, null, lines, p -> times.get(p).get(n));
        }
        try (var out = new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8))) {
            lines.values().forEach(line -> out.print(line + "]}\n"));
        }
    }

    private static void ask(Admin admin, Iterable<TopicPartition> partitions, java.util.function.Function<TopicPartition, OffsetSpec> spec,
            IsolationLevel isolation, String name, Map<String, StringBuilder> lines) throws Exception {
        ask(admin, partitions, spec, isolation, name, lines, null);
    }

    /** Named answers are `"name":[offset,timestamp,leaderEpoch]`, those about times `[time,offset,timestamp,leaderEpoch]`. */
    private static void ask(Admin admin, Iterable<TopicPartition> partitions, java.util.function.Function<TopicPartition, OffsetSpec> spec,
            IsolationLevel isolation, String name, Map<String, StringBuilder> lines, java.util.function.Function<TopicPartition, Long> time)
            throws Exception {
        var specs = new HashMap<TopicPartition, OffsetSpec>();
        partitions.forEach(p -> specs.put(p, spec.apply(p)));
        var result = admin.listOffsets(specs, new ListOffsetsOptions(isolation));
        for (TopicPartition p : partitions) {
            String answer;
            try {
                ListOffsetsResultInfo info = result.partitionResult(p).get();
                answer = info.offset() + "," + info.timestamp() + "," + info.leaderEpoch().map(Object::toString).orElse("null");
            } catch (ExecutionException unsupported) {
                // Brokers before 3.0 do not know maxTimestamp.
                answer = null;
            }
            StringBuilder line = lines.get(p.toString());
            if (name == null) {
                line.append(line.charAt(line.length() - 1) == '[' ? "" : ",").append('[').append(time.apply(p)).append(',').append(answer).append(']');
            } else {
                line.append(",\"").append(name).append("\":").append(answer == null ? "null" : '[' + answer + ']');
            }
        }
    }
}
