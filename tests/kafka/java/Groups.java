import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Lives the life of consumer groups: `Groups BOOTSTRAP TOPIC`.
 *
 * TOPIC has two partitions at least and is not written to. Prints one JSON line about each part, and ends with status 1
 * and a sentence when something is not as it should be. Names of groups are new in each run.
 */
public final class Groups {
    private static final Duration POLL = Duration.ofMillis(50);
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private final String bootstrap;
    private final String topic;
    private final String run = Long.toString(System.nanoTime(), 36);
    private List<TopicPartition> partitions;
    private Map<TopicPartition, Long> begins;
    private Map<TopicPartition, Long> ends;
    /** Offsets and times of all records, read without a group. */
    private final Map<TopicPartition, TreeMap<Long, Long>> records = new HashMap<>();

    private Groups(String bootstrap, String topic) {
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    public static void main(String[] args) throws Exception {
        try {
            new Groups(args[0], args[1]).all();
        } catch (Wrong wrong) {
            System.out.flush();
            System.err.println("Groups: " + wrong.getMessage());
            // Consumers' threads are not waited for.
            Runtime.getRuntime().halt(1);
        }
    }

    private void all() throws Exception {
        readAlone();
        oneMember("range", "org.apache.kafka.clients.consumer.RangeAssignor");
        twoMembers("eager", "org.apache.kafka.clients.consumer.RangeAssignor");
        twoMembers("cooperative", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        lostMember();
        staticMember();
        commits();
        noMember();
        byTime();
        admin();
    }

    /** What is not as it should be. */
    private static final class Wrong extends RuntimeException {
        Wrong(String sentence) {
            super(sentence);
        }
    }

    private static void check(boolean is, String sentence) {
        if (!is) {
            throw new Wrong(sentence);
        }
    }

    private static void equal(Object is, Object expected, String what) {
        check(is.equals(expected), what + ": " + is + " instead of " + expected);
    }

    /** A member of a group, polled by whoever waits for something. */
    private final class Member implements ConsumerRebalanceListener, AutoCloseable {
        final String name;
        final KafkaConsumer<byte[], byte[]> consumer;
        final List<ConsumerRecord<byte[], byte[]>> received = new ArrayList<>();
        final List<TopicPartition> givenUp = new ArrayList<>();
        int assignments;
        int losses;

        Member(String name, String group, Map<String, String> more) {
            this.name = name;
            this.consumer = consumer(group, more);
            consumer.subscribe(List.of(topic), this);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> now) {
            assignments++;
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> now) {
            givenUp.addAll(now);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> now) {
            losses++;
        }

        Set<TopicPartition> has() {
            return consumer.assignment();
        }

        void poll() {
            consumer.poll(POLL).forEach(received::add);
        }

        /** Every record of its partitions came once, in order, from where it was to begin. */
        void hasReceived(Map<TopicPartition, Long> from, String what) {
            for (TopicPartition partition : from.keySet()) {
                var offsets = received.stream().filter(r -> of(r).equals(partition)).map(ConsumerRecord::offset).toList();
                equal(offsets, new ArrayList<>(records.get(partition).tailMap(from.get(partition)).keySet()), what + ", " + partition);
            }
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private static TopicPartition of(ConsumerRecord<?, ?> record) {
        return new TopicPartition(record.topic(), record.partition());
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group, Map<String, String> more) {
        Properties config = new Properties();
        config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        config.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, "50");
        config.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, "200");
        config.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, "6000");
        if (group != null) {
            config.put(ConsumerConfig.GROUP_ID_CONFIG, name(group));
        }
        config.putAll(more);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private String name(String group) {
        return "groups-" + group + "-" + run;
    }

    private static void until(BooleanSupplier is, String what, Member... members) {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!is.getAsBoolean()) {
            check(System.nanoTime() < deadline, what + " did not happen within " + LIMIT.toSeconds() + " s");
            // In a rebalance each of them has to be polled, and a poll that waits holds up the others.
            for (Member member : members) {
                member.poll();
            }
        }
    }

    private static boolean share(Set<TopicPartition> all, Member... members) {
        var together = new ArrayList<TopicPartition>();
        for (Member member : members) {
            if (member.has().isEmpty()) {
                return false;
            }
            together.addAll(member.has());
        }
        return together.size() == all.size() && new HashSet<>(together).equals(all);
    }

    private Set<TopicPartition> allPartitions() {
        return new HashSet<>(partitions);
    }

    private boolean isAtEnd(Member member) {
        return member.has().stream().allMatch(p -> member.consumer.position(p) >= ends.get(p));
    }

    private long count() {
        return records.values().stream().mapToLong(Map::size).sum();
    }

    private void say(String part, Object... fields) {
        var line = new StringBuilder("{\"part\":\"" + part + '"');
        for (int i = 0; i < fields.length; i += 2) {
            line.append(",\"").append(fields[i]).append("\":");
            boolean isPlain = fields[i + 1] instanceof Number || fields[i + 1] instanceof Boolean;
            line.append(isPlain ? fields[i + 1] : "\"" + fields[i + 1] + '"');
        }
        System.out.println(line.append('}'));
    }

    /** What there is, by assign, as the measure for all that follows. */
    private void readAlone() {
        try (var consumer = consumer(null, Map.of())) {
            partitions = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition()))
                .sorted((a, b) -> a.partition() - b.partition()).toList();
            check(partitions.size() >= 2, topic + " has " + partitions.size() + " partitions, and two are needed");
            begins = consumer.beginningOffsets(partitions);
            ends = consumer.endOffsets(partitions);
            partitions.forEach(p -> records.put(p, new TreeMap<>()));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (!partitions.stream().allMatch(p -> consumer.position(p) >= ends.get(p))) {
                consumer.poll(POLL).forEach(r -> records.get(of(r)).put(r.offset(), r.timestamp()));
                check(System.nanoTime() < deadline, "reading by assign did not come to the end");
            }
        }
        check(partitions.stream().allMatch(p -> records.get(p).size() >= 4), "each partition of " + topic + " has to have four records");
        say("assign", "partitions", partitions.size(), "records", count());
    }

    /** A member gets everything, once, and goes on where it committed. */
    private void oneMember(String group, String assignor) {
        var more = Map.of(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, assignor);
        try (var member = new Member("only", group, more)) {
            until(() -> member.has().equals(allPartitions()) && isAtEnd(member), "reading everything", member);
            member.hasReceived(begins, "one member");
            equal(member.assignments, 1, "assignments of one member");
            member.consumer.commitSync();
        }
        try (var member = new Member("again", group, more)) {
            until(() -> member.has().equals(allPartitions()) && isAtEnd(member), "going on at the end", member);
            equal(member.received.size(), 0, "records behind what was committed");
        }
        say("one member", "group", group, "records", count());
    }

    /** A second member joins, the first gives up partitions; one leaves, the other gets them back. */
    private void twoMembers(String group, String assignor) {
        var more = Map.of(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, assignor);
        var first = new Member("first", group, more);
        try {
            until(() -> first.has().equals(allPartitions()), "the first member's assignment", first);
            try (var second = new Member("second", group, more)) {
                until(() -> share(allPartitions(), first, second), "sharing with a second member", first, second);
                check(Collections.disjoint(first.has(), second.has()), "two members have the same partition");
                check(first.givenUp.containsAll(second.has()), "the first member never gave up what the second got");
                equal(first.losses + second.losses, 0, "partitions that were lost");
                until(() -> isAtEnd(first) && isAtEnd(second), "reading in two members", first, second);
                var together = new HashSet<String>();
                for (var member : List.of(first, second)) {
                    member.received.forEach(r -> together.add(of(r) + "@" + r.offset()));
                }
                equal((long) together.size(), count(), "records that two members got");
                // What both have still is heard of, long after the session would be over without heartbeats.
                int assignments = first.assignments + second.assignments;
                long quiet = System.nanoTime() + Duration.ofSeconds(7).toNanos();
                until(() -> System.nanoTime() > quiet, "", first, second);
                equal(first.assignments + second.assignments, assignments, "assignments after a quiet time");
                first.consumer.commitSync();
                second.consumer.commitSync();
            }
            long begun = System.nanoTime();
            until(() -> first.has().equals(allPartitions()), "getting back what the second member had", first);
            long waited = Duration.ofNanos(System.nanoTime() - begun).toMillis();
            check(waited < 6000, "the second member left, and it took " + waited + " ms, as if it had been lost");
            say("two members", "group", group, "milliseconds", waited);
        } finally {
            first.close();
        }
    }

    /** A member that is not polled any more is out, and what it would commit is refused. */
    private void lostMember() {
        var more = Map.of(ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG, "2000");
        try (var slow = new Member("slow", "lost", more); var other = new Member("other", "lost", more)) {
            until(() -> share(allPartitions(), slow, other), "sharing", slow, other);
            until(() -> isAtEnd(slow), "reading", slow, other);
            until(() -> other.has().equals(allPartitions()), "getting what a slow member had", other);
            try {
                slow.consumer.commitSync();
                throw new Wrong("a member that was put out could commit");
            } catch (CommitFailedException expected) {
                say("lost member", "error", expected.getClass().getSimpleName());
            }
            until(() -> share(allPartitions(), slow, other), "coming back", slow, other);
            check(slow.losses > 0, "the slow member was not told that it lost its partitions");
        }
    }

    /** A static member that is away for a short time keeps its partitions, and nobody else notices. */
    private void staticMember() {
        var names = List.of("one", "two");
        var members = new ArrayList<Member>();
        for (String name : names) {
            members.add(new Member(name, "static", Map.of(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, name)));
        }
        Member one = members.get(0);
        Member two = members.get(1);
        until(() -> share(allPartitions(), one, two), "sharing among static members", one, two);
        until(() -> isAtEnd(one) && isAtEnd(two), "reading", one, two);
        var had = new TreeSet<>(Set.copyOf(names(two.has())));
        two.consumer.commitSync();
        int assignments = one.assignments;
        String before = two.consumer.groupMetadata().memberId();
        // A static member does not say good-bye.
        two.close();
        try (var again = new Member("two again", "static", Map.of(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, "two"))) {
            until(() -> !again.has().isEmpty() && isAtEnd(again), "coming back as the same static member", again, one);
            equal(new TreeSet<>(names(again.has())), had, "partitions of a static member that came back");
            check(!again.consumer.groupMetadata().memberId().equals(before), "a static member that came back has its old id");
            equal(one.assignments, assignments, "assignments of the member that stayed");
            equal(again.received.size(), 0, "records behind what the static member committed");
        }
        one.close();
        say("static member", "partitions", had.size());
    }

    private static Set<String> names(Set<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::toString).collect(Collectors.toSet());
    }

    /** What is committed, in both ways, is what a member finds when it starts again. */
    private void commits() throws Exception {
        TopicPartition first = partitions.get(0);
        TopicPartition second = partitions.get(1);
        long middle = new ArrayList<>(records.get(first).keySet()).get(2);
        long later = new ArrayList<>(records.get(second).keySet()).get(1);
        var bytes = "ünïcode, \"quoted\"";
        try (var member = new Member("commits", "commits", Map.of())) {
            until(() -> member.has().equals(allPartitions()), "an assignment", member);
            member.consumer.commitSync(Map.of(first, new OffsetAndMetadata(middle, bytes)));
            var done = new CompletableFuture<Map<TopicPartition, OffsetAndMetadata>>();
            member.consumer.commitAsync(Map.of(second, new OffsetAndMetadata(later)), (offsets, error) -> {
                if (error == null) {
                    done.complete(offsets);
                } else {
                    done.completeExceptionally(error);
                }
            });
            until(done::isDone, "an answer to commitAsync", member);
            done.get();
            var committed = member.consumer.committed(allPartitions());
            equal(committed.get(first).offset(), middle, "what was committed");
            equal(committed.get(first).metadata(), bytes, "metadata of what was committed");
            equal(committed.get(second).offset(), later, "what was committed without waiting");
            partitions.stream().skip(2).forEach(p -> check(committed.get(p) == null, "something is committed of " + p));
        }
        var from = new HashMap<>(begins);
        from.put(first, middle);
        from.put(second, later);
        try (var member = new Member("commits again", "commits", Map.of())) {
            until(() -> member.has().equals(allPartitions()) && isAtEnd(member), "going on", member);
            member.hasReceived(from, "a member that goes on");
            // The largest metadata that is kept, and one that is too large.
            var most = new String(new byte[4096], StandardCharsets.US_ASCII).replace('\0', 'm');
            member.consumer.commitSync(Map.of(first, new OffsetAndMetadata(middle, most)));
            equal(member.consumer.committed(Set.of(first)).get(first).metadata(), most, "large metadata");
            try {
                member.consumer.commitSync(Map.of(first, new OffsetAndMetadata(middle, most + "m")));
                throw new Wrong("metadata of 4,097 bytes was kept");
            } catch (org.apache.kafka.common.errors.OffsetMetadataTooLarge expected) {
                say("commits", "from", middle, "error", expected.getClass().getSimpleName());
            }
        }
        // With auto.commit, closing commits.
        try (var member = new Member("auto", "auto", Map.of(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "true"))) {
            until(() -> member.has().equals(allPartitions()) && isAtEnd(member), "reading", member);
        }
        try (var consumer = consumer("auto", Map.of())) {
            partitions.forEach(p -> equal(consumer.committed(Set.of(p)).get(p).offset(), ends.get(p), "auto-committed of " + p));
        }
        say("auto-commit", "partitions", partitions.size());
    }

    /** Whoever manages its partitions itself may commit, but not into a group with members. */
    private void noMember() {
        TopicPartition first = partitions.get(0);
        try (var consumer = consumer("alone", Map.of())) {
            consumer.assign(List.of(first));
            consumer.commitSync(Map.of(first, new OffsetAndMetadata(ends.get(first))));
            equal(consumer.position(first), ends.get(first), "the position of who assigned itself");
        }
        try (var member = new Member("member", "alone", Map.of()); var outside = consumer("alone", Map.of())) {
            until(() -> member.has().equals(allPartitions()), "an assignment", member);
            outside.assign(List.of(first));
            try {
                outside.commitSync(Map.of(first, new OffsetAndMetadata(begins.get(first))));
                throw new Wrong("who is no member could commit into a group with members");
            } catch (CommitFailedException expected) {
                say("no member", "error", expected.getClass().getSimpleName());
            }
        }
    }

    /** A member seeks by time. */
    private void byTime() {
        try (var member = new Member("by time", "time", Map.of())) {
            until(() -> member.has().equals(allPartitions()), "an assignment", member);
            var from = new HashMap<TopicPartition, Long>();
            for (TopicPartition partition : partitions) {
                var all = records.get(partition);
                long time = new ArrayList<>(all.values()).get(all.size() / 2);
                // The first record that is not older.
                long expected = all.entrySet().stream().filter(e -> e.getValue() >= time).findFirst().orElseThrow().getKey();
                OffsetAndTimestamp found = member.consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
                equal(found.offset(), expected, "the offset for a time in " + partition);
                equal(found.timestamp(), all.get(expected), "the time of the record found in " + partition);
                member.consumer.seek(partition, found.offset());
                from.put(partition, expected);
            }
            long late = records.values().stream().flatMap(all -> all.values().stream()).max(Long::compare).orElseThrow() + 1;
            member.consumer.offsetsForTimes(partitions.stream().collect(Collectors.toMap(p -> p, p -> late)))
                .forEach((p, found) -> check(found == null, "a record behind all times in " + p));
            member.received.clear();
            until(() -> isAtEnd(member), "reading from a time", member);
            member.hasReceived(from, "from a time");
            say("by time", "records", member.received.size());
        }
    }

    /** What the admin client says about a group with a member, one without, and one that is not there. */
    private void admin() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
             var member = new Member("described", "described", Map.of(ConsumerConfig.CLIENT_ID_CONFIG, "client 7"))) {
            until(() -> member.has().equals(allPartitions()), "an assignment", member);
            member.consumer.commitSync(Map.of(partitions.get(0), new OffsetAndMetadata(begins.get(partitions.get(0)))));
            var described = admin.describeConsumerGroups(List.of(name("described"), name("commits"))).all().get(30, TimeUnit.SECONDS);
            var stable = described.get(name("described"));
            equal(state(stable), "STABLE", "the state of a group with a member");
            equal(stable.members().size(), 1, "its members");
            var one = stable.members().iterator().next();
            equal(one.clientId(), "client 7", "its member's client id");
            check(one.host().startsWith("/127.") || one.host().startsWith("/0:0:"), "its member's host: " + one.host());
            equal(one.assignment().topicPartitions(), allPartitions(), "its member's partitions");
            equal(state(described.get(name("commits"))), "EMPTY", "the state of a group that was left");
            var ids = admin.listConsumerGroups().all().get(30, TimeUnit.SECONDS).stream().map(g -> g.groupId()).collect(Collectors.toSet());
            check(ids.containsAll(List.of(name("described"), name("commits"), name("auto"))), "groups are not listed: " + ids);
            var offsets = admin.listConsumerGroupOffsets(name("commits")).partitionsToOffsetAndMetadata().get(30, TimeUnit.SECONDS);
            check(offsets.containsKey(partitions.get(0)) && offsets.containsKey(partitions.get(1)), "commits are not listed: " + offsets);
            say("admin", "groups", ids.size(), "unknown", unknown(admin));
        }
    }

    /** Releases have other methods and other classes for it. */
    private static String state(Object description) throws Exception {
        for (String method : List.of("groupState", "state")) {
            try {
                return description.getClass().getMethod(method).invoke(description).toString().toUpperCase();
            } catch (NoSuchMethodException older) {
                continue;
            }
        }
        throw new IllegalStateException("no state");
    }

    private String unknown(Admin admin) throws Exception {
        try {
            var described = admin.describeConsumerGroups(List.of(name("never"))).all().get(30, TimeUnit.SECONDS);
            String state = state(described.get(name("never")));
            equal(state, "DEAD", "the state of a group that is not there");
            return state;
        } catch (ExecutionException error) {
            check(error.getCause() instanceof org.apache.kafka.common.errors.GroupIdNotFoundException, "an unknown group: " + error.getCause());
            return error.getCause().getClass().getSimpleName();
        }
    }
}
