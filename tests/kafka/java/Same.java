import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Asks a server anything: `Same ADDRESS REQUESTS ANSWERS`. A line of REQUESTS is `{"api":KEY,"version":N,"body":{...}}`
 * with any other fields, a line of ANSWERS is the JSON of the response, or `{"closed":true}` where the server closed the
 * connection. Kafka's own classes write the one and read the other, of which they must leave nothing. Instead of records
 * there are how many bytes, their checksum, the first offset, and the last one that may be in them.
 */
public final class Same {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int LIMIT_MS = 30_000;
    private static final Pattern UNSUPPORTED = Pattern.compile("non-default (\\w+) at version");
    private static final Map<String, Method> CONVERTERS = new HashMap<>();

    private final String host;
    private final int port;
    private Socket socket;
    private DataInputStream input;
    private int correlation;

    private Same(String address) {
        int colon = address.lastIndexOf(':');
        host = address.substring(0, colon);
        port = Integer.parseInt(address.substring(colon + 1));
    }

    public static void main(String[] args) throws Exception {
        Same server = new Same(args[0]);
        try (var requests = Files.newBufferedReader(Path.of(args[1])); var answers = Files.newBufferedWriter(Path.of(args[2]))) {
            for (String line = requests.readLine(); line != null; line = requests.readLine()) {
                JsonNode request = JSON.readTree(line);
                JsonNode answer;
                try {
                    answer = server.ask(request);
                } catch (EOFException | SocketException closed) {
                    server.socket.close();
                    server.socket = null;
                    answer = JsonNodeFactory.instance.objectNode().put("closed", true);
                } catch (Exception error) {
                    throw new IllegalStateException(line, error);
                }
                answers.write(JSON.writeValueAsString(answer));
                answers.write('\n');
            }
        }
    }

    private JsonNode ask(JsonNode request) throws Exception {
        if (socket == null) {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(LIMIT_MS);
            input = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 16));
        }
        var type = ApiMessageType.fromApiKey((short) request.get("api").asInt());
        short version = (short) request.get("version").asInt();
        var header = new RequestHeaderData().setRequestApiKey(type.apiKey()).setRequestApiVersion(version)
            .setCorrelationId(++correlation).setClientId("same");
        send(header, type.requestHeaderVersion(version), body(type, request.get("body"), version), version);

        byte[] frame = new byte[input.readInt()];
        input.readFully(frame);
        var readable = new ByteBufferAccessor(ByteBuffer.wrap(frame));
        var answered = new ResponseHeaderData(readable, type.responseHeaderVersion(version));
        ApiMessage response = type.newResponse();
        response.read(readable, version);
        if (answered.correlationId() != correlation || readable.remaining() != 0) {
            throw new IOException(answered + " to " + correlation + ", with " + readable.remaining() + " bytes behind " + response);
        }
        Method write = converter(type.name + "ResponseData", "write");
        // What has records can leave them out.
        var json = (JsonNode) (write.getParameterCount() == 3 ? write.invoke(null, response, version, false) : write.invoke(null, response, version));
        if (response instanceof FetchResponseData fetched) {
            records(fetched, json);
        }
        return json;
    }

    /** Fields that the version does not have are left out of the JSON. */
    private static ApiMessage body(ApiMessageType type, JsonNode json, short version) throws Exception {
        while (true) {
            var body = (ApiMessage) converter(type.name + "RequestData", "read").invoke(null, json, version);
            try {
                var cache = new ObjectSerializationCache();
                body.write(new ByteBufferAccessor(ByteBuffer.allocate(body.size(cache, version))), cache, version);
                return body;
            } catch (UnsupportedVersionException error) {
                var field = UNSUPPORTED.matcher(error.getMessage());
                if (!field.find() || json.findParents(field.group(1)).isEmpty()) {
                    throw error;
                }
                json.findParents(field.group(1)).forEach(parent -> ((ObjectNode) parent).remove(field.group(1)));
            }
        }
    }

    private void send(RequestHeaderData header, short headerVersion, ApiMessage body, short version) throws IOException {
        var cache = new ObjectSerializationCache();
        int size = header.size(cache, headerVersion) + body.size(cache, version);
        var buffer = ByteBuffer.allocate(4 + size).putInt(size);
        var writable = new ByteBufferAccessor(buffer);
        header.write(writable, cache, headerVersion);
        body.write(writable, cache, version);
        socket.getOutputStream().write(buffer.array());
    }

    private static Method converter(String message, String what) throws ClassNotFoundException {
        String name = "org.apache.kafka.common.message." + message + "JsonConverter";
        Method found = CONVERTERS.get(name);
        if (found == null) {
            for (Method method : Class.forName(name).getMethods()) {
                // The one with most parameters.
                if (method.getName().equals(what) && (found == null || method.getParameterCount() > found.getParameterCount())) {
                    found = method;
                }
            }
            CONVERTERS.put(name, found);
        }
        return found;
    }

    private static void records(FetchResponseData fetched, JsonNode json) {
        int t = 0;
        for (var topic : fetched.responses()) {
            JsonNode partitions = json.get("responses").get(t++).get("partitions");
            int p = 0;
            for (var partition : topic.partitions()) {
                var out = (ObjectNode) partitions.get(p++);
                if (partition.records() instanceof MemoryRecords records && records.sizeInBytes() > 0) {
                    ByteBuffer buffer = records.buffer();
                    var crc = new CRC32C();
                    crc.update(buffer.duplicate());
                    out.putObject("records").put("bytes", buffer.remaining()).put("crc32c", crc.getValue())
                        .put("offset", buffer.remaining() < 8 ? -1 : buffer.getLong(buffer.position())).put("last", last(buffer));
                }
            }
        }
    }

    /** Of the last batch of which there is enough; of magic 2 its first offset is not its last. */
    private static long last(ByteBuffer buffer) {
        long last = -1;
        for (int at = buffer.position(); buffer.limit() - at >= 27; at += 12 + buffer.getInt(at + 8)) {
            last = buffer.getLong(at) + (buffer.get(at + 16) == 2 ? buffer.getInt(at + 23) : 0);
        }
        return last;
    }
}
