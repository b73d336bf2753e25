import java.io.File;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.ProducerStateManager;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;

/**
 * Recovers the segment of offset 0 in DIR as a broker does that finds no clean shutdown, ROUNDS
 * times; prints the seconds that the fastest took, and how many bytes were cut off.
 */
public class Recover {
    public static void main(String[] args) throws Exception {
        File dir = new File(args[0]);
        int rounds = Integer.parseInt(args[1]);
        TopicPartition partition = new TopicPartition("plain", 0);
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        long least = Long.MAX_VALUE;
        int truncated = 0;
        for (int round = 0; round < rounds; round++) {
            LogConfig config = new LogConfig(Map.of("segment.bytes", "2147483647"));
            LogSegment segment = LogSegment.open(dir, 0, config, Time.SYSTEM, true, 0, false, "");
            ProducerStateManager producers = new ProducerStateManager(
                partition, dir, 900000, new ProducerStateManagerConfig(86400000, false), Time.SYSTEM);
            LeaderEpochFileCache epochs = new LeaderEpochFileCache(
                partition,
                new LeaderEpochCheckpointFile(LeaderEpochCheckpointFile.newFile(dir), new LogDirFailureChannel(1)),
                scheduler);
            long before = System.nanoTime();
            truncated = segment.recover(producers, epochs);
            least = Math.min(least, System.nanoTime() - before);
            segment.close();
        }
        scheduler.shutdown();
        System.out.println(least / 1e9 + " " + truncated);
    }
}
