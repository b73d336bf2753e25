import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.requests.RequestHeader;

/** Sends batches that the Java producer refuses to build: no timestamps, chosen producer ids and sequences. */
final class Raw implements AutoCloseable {
    private static final short VERSION = 9;

    private final Socket socket;
    private int correlation;

    Raw(String bootstrap) throws Exception {
        int colon = bootstrap.lastIndexOf(':');
        socket = new Socket(bootstrap.substring(0, colon), Integer.parseInt(bootstrap.substring(colon + 1)));
    }

    void withoutTimestamps(String topic, String codec, int count, Random random) throws Exception {
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++) {
            records[i] = record(RecordBatch.NO_TIMESTAMP, random);
        }
        send(topic, MemoryRecords.withRecords(compression(codec), records));
    }

    /** Some records with a timestamp, some without; the first decides the base. */
    void mixedTimestamps(String topic, String codec, Random random) throws Exception {
        long now = System.currentTimeMillis();
        long none = RecordBatch.NO_TIMESTAMP;
        for (long[] times : new long[][] {{now, none, now - 5}, {none, now, none}, {0, none, 1}}) {
            SimpleRecord[] records = new SimpleRecord[times.length];
            for (int i = 0; i < times.length; i++) {
                records[i] = record(times[i], random);
            }
            send(topic, MemoryRecords.withRecords(compression(codec), records));
        }
    }

    /** Sequences of an idempotent producer that go over 2147483647 inside a batch. */
    void sequenceWrap(String topic, String codec, long producerId, Random random) throws Exception {
        int sequence = Integer.MAX_VALUE - 3;
        long now = System.currentTimeMillis();
        for (int b = 0; b < 3; b++) {
            SimpleRecord[] records = new SimpleRecord[5];
            for (int i = 0; i < records.length; i++) {
                records[i] = record(now + i, random);
            }
            send(topic, MemoryRecords.withIdempotentRecords(compression(codec), producerId, (short) 7, sequence, records));
            // After 2147483647 comes 0.
            sequence = (int) ((sequence + (long) records.length) & Integer.MAX_VALUE);
        }
    }

    private static SimpleRecord record(long timestamp, Random random) {
        return new SimpleRecord(timestamp, Scenario.bytes("raw-" + random.nextInt(50)), Scenario.text(15));
    }

    private static Compression compression(String codec) {
        return Compression.of(CompressionType.forName(codec)).build();
    }

    private void send(String topic, MemoryRecords records) throws Exception {
        var partition = new ProduceRequestData.PartitionProduceData().setIndex(0).setRecords(records);
        var data = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(10_000).setTopicData(
            new ProduceRequestData.TopicProduceDataCollection(List.of(
                new ProduceRequestData.TopicProduceData().setName(topic).setPartitionData(List.of(partition))).iterator()));
        var header = new RequestHeader(ApiKeys.PRODUCE, VERSION, "raw", correlation++);
        ByteBuffer request = new ProduceRequest(data, VERSION).serializeWithHeader(header);
        var out = new DataOutputStream(socket.getOutputStream());
        out.writeInt(request.remaining());
        out.write(request.array(), request.arrayOffset() + request.position(), request.remaining());
        out.flush();
        var in = new DataInputStream(socket.getInputStream());
        byte[] answer = new byte[in.readInt()];
        in.readFully(answer);
        var response = (ProduceResponse) AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header);
        var result = response.data().responses().iterator().next().partitionResponses().get(0);
        if (result.errorCode() != 0) {
            throw new IllegalStateException("produce error " + result.errorCode() + " " + result.errorMessage());
        }
    }

    @Override
    public void close() throws Exception {
        socket.close();
    }
}
