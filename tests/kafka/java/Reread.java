import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.internal.FileLogInputStream.FileChannelRecordBatch;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.Utils;

/**
 * Whether a broker gives out what is in its files. `Reread create BOOTSTRAP LIST` makes topics of one partition;
 * `Reread check BOOTSTRAP LIST SEED` reads them in every way and prints what is wrong; the exit status is 1 if anything is.
 *
 * A line of LIST is `topic TAB its directory in the broker TAB directory of expected records TAB name therein`; the last
 * two are `-` where nobody wrote down what the untouched original gave out.
 *
 * The truth is the .log files, read from front to back by Kafka's own FileRecords without any index.
 */
public final class Reread {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int SEEKS = 6;
    private static final int TIMES = 16;
    private static final List<String> wrong = new ArrayList<>();
    private static final ObjectMapper JSON = new ObjectMapper();

    private record Line(TopicPartition partition, Path directory, Path expected, String name) {
        boolean isExpected() {
            return !name.equals("-");
        }

        @Override
        public String toString() {
            return partition.topic();
        }
    }

    /** One record of any kind; `line` is null for those that consumers never see. */
    private record Found(long offset, long timestamp, String line) { }

    private record Segment(long largestTimestamp, List<Found> records) { }

    private record Log(List<Segment> segments, List<Found> visible) { }

    public static void main(String[] args) throws Exception {
        List<Line> lines = Files.readAllLines(Path.of(args[2])).stream().map(text -> text.split("\t"))
            .map(f -> new Line(new TopicPartition(f[0], 0), Path.of(f[1]), Path.of(f[2]), f[3])).toList();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[1]))) {
            if (args[0].equals("create")) {
                var topics = lines.stream().map(l -> new NewTopic(l.partition.topic(), 1, (short) 1)).toList();
                admin.createTopics(topics).all().get();
            } else {
                check(admin, args[1], lines, new Random(Long.parseLong(args[3])));
            }
        }
        wrong.forEach(System.out::println);
        System.exit(wrong.isEmpty() ? 0 : 1);
    }

    private static void check(Admin admin, String bootstrap, List<Line> lines, Random random) throws Exception {
        var partitions = lines.stream().map(Line::partition).toList();
        var first = ask(admin, partitions, p -> OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED);
        var last = ask(admin, partitions, p -> OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
        var stable = ask(admin, partitions, p -> OffsetSpec.latest(), IsolationLevel.READ_COMMITTED);
        var logs = new LinkedHashMap<TopicPartition, Log>();
        for (Line line : lines) {
            logs.put(line.partition, scan(line, first.get(line.partition).offset()));
        }
        ends(lines, first, last, stable);
        var everything = new HashMap<TopicPartition, List<Found>>();
        var committed = new HashMap<TopicPartition, List<Found>>();
        try (var consumer = Consume.consumer(bootstrap, "read_uncommitted")) {
            readAll(consumer, partitions, last, everything);
            for (Line line : lines) {
                same(line + " every record", lines(logs.get(line.partition).visible), lines(everything.get(line.partition)));
            }
            seeks(consumer, "read_uncommitted", everything, first, last, random);
        }
        try (var consumer = Consume.consumer(bootstrap, "read_committed")) {
            readAll(consumer, partitions, stable, committed);
            seeks(consumer, "read_committed", committed, first, stable, random);
        }
        for (Line line : lines) {
            original(line, lines(everything.get(line.partition)), lines(committed.get(line.partition)));
        }
        int times = times(admin, lines, logs, first, random);
        System.out.printf("%d partitions, %d records, %d of them read_committed, %d seeks, %d times%n", lines.size(), count(everything),
            count(committed), SEEKS * 2 * lines.size(), times);
    }

    private static int count(Map<TopicPartition, List<Found>> records) {
        return records.values().stream().mapToInt(List::size).sum();
    }

    private static List<String> lines(Collection<Found> records) {
        return records.stream().map(Found::line).toList();
    }

    private static void same(String what, List<String> want, List<String> have) {
        if (!want.equals(have)) {
            int i = 0;
            while (i < Math.min(want.size(), have.size()) && want.get(i).equals(have.get(i))) {
                i++;
            }
            wrong.add(what + ": " + have.size() + " instead of " + want.size() + ", number " + i + " is " + (i < have.size() ? have.get(i) : "missing")
                + " instead of " + (i < want.size() ? want.get(i) : "nothing"));
        }
    }

    // ---- the files ----

    private static Log scan(Line line, long logStart) throws IOException {
        var segments = new ArrayList<Segment>();
        var visible = new ArrayList<Found>();
        List<Path> files;
        try (var all = Files.list(line.directory)) {
            files = all.filter(f -> f.toString().endsWith(".log")).sorted().toList();
        }
        for (Path file : files) {
            long largest = -1;
            var records = new ArrayList<Found>();
            try (var log = FileRecords.open(file.toFile(), false)) {
                for (FileChannelRecordBatch batch : log.batches()) {
                    largest = Math.max(largest, batch.maxTimestamp());
                    for (Record record : batch) {
                        if (record.offset() >= logStart) {
                            var found = new Found(record.offset(), record.timestamp(), batch.isControlBatch() ? null : text(line, batch, record));
                            records.add(found);
                            if (found.line != null) {
                                visible.add(found);
                            }
                        }
                    }
                }
            }
            // What a broker takes when a segment has no times.
            segments.add(new Segment(largest >= 0 ? largest : Files.getLastModifiedTime(file).toMillis(), records));
        }
        return new Log(segments, visible);
    }

    private static String text(Line line, FileChannelRecordBatch batch, Record record) {
        byte[] key = record.hasKey() ? Utils.toArray(record.key()) : null;
        byte[] value = record.hasValue() ? Utils.toArray(record.value()) : null;
        Optional<Integer> epoch = batch.partitionLeaderEpoch() < 0 ? Optional.empty() : Optional.of(batch.partitionLeaderEpoch());
        return Consume.line(new ConsumerRecord<>(line.partition.topic(), 0, record.offset(), record.timestamp(), batch.timestampType(), 0, 0,
            key, value, new RecordHeaders(record.headers()), epoch));
    }

    // ---- by offset ----

    private static void readAll(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions,
            Map<TopicPartition, ListOffsetsResultInfo> ends, Map<TopicPartition, List<Found>> out) {
        partitions.forEach(p -> out.put(p, new ArrayList<>()));
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        var open = new HashSet<>(partitions);
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!open.isEmpty() && System.nanoTime() < deadline) {
            for (var record : consumer.poll(Duration.ofMillis(50))) {
                out.get(partition(record)).add(found(record));
            }
            open.removeIf(p -> consumer.position(p) >= ends.get(p).offset());
        }
        open.forEach(p -> wrong.add(p + " stuck at " + consumer.position(p) + " of " + ends.get(p).offset()));
    }

    /** From a random offset the first record that comes is the next one that there is. */
    private static void seeks(KafkaConsumer<byte[], byte[]> consumer, String how, Map<TopicPartition, List<Found>> records,
            Map<TopicPartition, ListOffsetsResultInfo> first, Map<TopicPartition, ListOffsetsResultInfo> end, Random random) {
        for (int i = 0; i < SEEKS; i++) {
            var targets = new LinkedHashMap<TopicPartition, Long>();
            var open = new HashMap<TopicPartition, Found>();
            for (TopicPartition p : consumer.assignment().stream().sorted((a, b) -> a.toString().compareTo(b.toString())).toList()) {
                long span = end.get(p).offset() - first.get(p).offset();
                long target = first.get(p).offset() + (span > 0 ? random.nextLong(span) : 0);
                Optional<Found> next = records.get(p).stream().filter(r -> r.offset >= target).findFirst();
                if (next.isPresent()) {
                    targets.put(p, target);
                    open.put(p, next.get());
                }
            }
            consumer.pause(consumer.assignment());
            consumer.resume(targets.keySet());
            targets.forEach(consumer::seek);
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (!open.isEmpty() && System.nanoTime() < deadline) {
                for (var record : consumer.poll(Duration.ofMillis(50))) {
                    Found want = open.remove(partition(record));
                    if (want != null) {
                        same(partition(record) + " " + how + " from " + targets.get(partition(record)), List.of(want.line), List.of(found(record).line));
                        consumer.pause(List.of(partition(record)));
                    }
                }
            }
            open.keySet().forEach(p -> wrong.add(p + " " + how + " gives nothing from " + targets.get(p)));
            consumer.resume(consumer.assignment());
        }
    }

    private static TopicPartition partition(ConsumerRecord<?, ?> record) {
        return new TopicPartition(record.topic(), record.partition());
    }

    private static Found found(ConsumerRecord<byte[], byte[]> record) {
        return new Found(record.offset(), record.timestamp(), Consume.line(record));
    }

    // ---- as the untouched original ----

    private static void original(Line line, List<String> everything, List<String> committed) throws IOException {
        if (!line.isExpected()) {
            same(line + " read_committed without transactions", everything, committed);
            return;
        }
        Path file = line.expected.resolve(line.name + ".uncommitted.jsonl");
        same(line + " as the original", Files.readAllLines(file), everything);
        Path other = line.expected.resolve(line.name + ".committed.jsonl");
        same(line + " read_committed as the original", Files.readAllLines(Files.exists(other) ? other : file), committed);
    }

    private static void ends(List<Line> lines, Map<TopicPartition, ListOffsetsResultInfo> first, Map<TopicPartition, ListOffsetsResultInfo> last,
            Map<TopicPartition, ListOffsetsResultInfo> stable) throws IOException {
        var original = new HashMap<String, JsonNode>();
        for (Path directory : lines.stream().filter(Line::isExpected).map(Line::expected).collect(Collectors.toSet())) {
            for (String text : Files.readAllLines(directory.resolve("offsets.jsonl"))) {
                JsonNode node = JSON.readTree(text);
                original.put(directory + "/" + node.get("topic").asText() + "-" + node.get("partition").asInt(), node);
            }
        }
        for (Line line : lines) {
            JsonNode node = line.isExpected() ? original.get(line.expected + "/" + line.name) : null;
            if (node != null) {
                for (var end : Map.of("earliest", first, "highWatermark", last, "lastStable", stable).entrySet()) {
                    same(line + " " + end.getKey(), List.of(node.get(end.getKey()).get(0).asText()),
                        List.of("" + end.getValue().get(line.partition).offset()));
                }
            }
        }
    }

    // ---- by time ----

    private static int times(Admin admin, List<Line> lines, Map<TopicPartition, Log> logs, Map<TopicPartition, ListOffsetsResultInfo> first,
            Random random) throws Exception {
        var times = new HashMap<TopicPartition, List<Long>>();
        for (Line line : lines) {
            times.put(line.partition, sample(logs.get(line.partition), random));
        }
        int asked = 0;
        for (int i = 0; i < TIMES; i++) {
            int n = i;
            var some = lines.stream().filter(l -> times.get(l.partition).size() > n).toList();
            var answers = ask(admin, some.stream().map(Line::partition).toList(), p -> OffsetSpec.forTimestamp(times.get(p).get(n)),
                IsolationLevel.READ_UNCOMMITTED);
            for (Line line : some) {
                long time = times.get(line.partition).get(n);
                ListOffsetsResultInfo answer = answers.get(line.partition);
                same(line + " at time " + time, List.of(atTime(logs.get(line.partition), time)), List.of(answer.offset() + " " + answer.timestamp()));
                asked++;
            }
        }
        return asked;
    }

    /** Times of records, their neighbours, and both ends. */
    private static List<Long> sample(Log log, Random random) {
        var all = log.segments.stream().flatMap(s -> s.records.stream()).map(Found::timestamp).filter(t -> t >= 0).toList();
        Set<Long> out = new TreeSet<>(List.of(0L));
        all.stream().max(Long::compare).ifPresent(t -> out.addAll(List.of(t, t + 1)));
        for (int i = 0; i < 2 * TIMES && !all.isEmpty() && out.size() < TIMES; i++) {
            out.add(Math.max(0, all.get(random.nextInt(all.size())) + random.nextInt(3) - 1));
        }
        return List.copyOf(out);
    }

    /** A broker looks into the first segment that reaches the time, and nowhere else. */
    private static String atTime(Log log, long time) {
        return log.segments.stream().filter(s -> s.largestTimestamp >= time).findFirst()
            .flatMap(s -> s.records.stream().filter(r -> r.timestamp >= time).findFirst())
            .map(r -> r.offset + " " + r.timestamp).orElse("-1 -1");
    }

    private static Map<TopicPartition, ListOffsetsResultInfo> ask(Admin admin, List<TopicPartition> partitions,
            Function<TopicPartition, OffsetSpec> spec, IsolationLevel isolation) throws Exception {
        var specs = new HashMap<TopicPartition, OffsetSpec>();
        partitions.forEach(p -> specs.put(p, spec.apply(p)));
        return admin.listOffsets(specs, new ListOffsetsOptions(isolation)).all().get();
    }
}
