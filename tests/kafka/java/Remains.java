import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * What a patient reader still gets of damaged topics: `Remains BOOTSTRAP LIST DIR`, with a topic in each line of LIST.
 *
 * Writes DIR/TOPIC-0.uncommitted.jsonl and DIR/TOPIC-0.committed.jsonl. Where a consumer stops, it is sent on to the next
 * offset; for each topic a line on stdout tells how often: `topic TAB offset of the first stop, or - TAB stops`.
 */
public final class Remains {
    /** Nothing came for so long, though there should be more. */
    private static final Duration PATIENCE = Duration.ofMillis(1500);
    /** So often in a row it is sent on. */
    private static final int STOPS = 40;

    public static void main(String[] args) throws Exception {
        Path dir = Files.createDirectories(Path.of(args[2]));
        try (var all = Consume.consumer(args[0], "read_uncommitted"); var committed = Consume.consumer(args[0], "read_committed")) {
            for (String topic : Files.readAllLines(Path.of(args[1]))) {
                var partition = new TopicPartition(topic, 0);
                var stops = new ArrayList<Long>();
                Files.write(dir.resolve(partition + ".uncommitted.jsonl"), read(all, partition, stops));
                Files.write(dir.resolve(partition + ".committed.jsonl"), read(committed, partition, new ArrayList<>()));
                System.out.println(topic + "\t" + (stops.isEmpty() ? "-" : stops.get(0)) + "\t" + stops.size());
            }
        }
    }

    private static List<String> read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, List<Long> stops) {
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        var out = new ArrayList<String>();
        int inARow = 0;
        long last = System.nanoTime();
        long position = consumer.position(partition);
        while (position < end && inARow < STOPS) {
            boolean isStopped = false;
            try {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(50))) {
                    out.add(Consume.line(record));
                }
            } catch (KafkaException error) {
                isStopped = true;
            }
            long now = consumer.position(partition);
            if (now > position) {
                inARow = 0;
                last = System.nanoTime();
            } else if (isStopped || System.nanoTime() - last > PATIENCE.toNanos()) {
                stops.add(now);
                inARow++;
                now++;
                consumer.seek(partition, now);
                last = System.nanoTime();
            }
            position = now;
        }
        return out;
    }
}
