import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * What Kafka's own classes say of the wire protocol, for the tests of the code that speaks it.
 *
 * `Vectors bodies KEY...`: bodies of requests and responses in every version, one JSON object a line, each in three
 * kinds: "full" (every field set, at random but always the same, two elements in every collection), "least" (two
 * elements in every collection, every field of them as it is by default), "empty" (no element, null where that can be).
 * What `seg serve` never says in a response has its one value in all three. The JSON does not show records: there are
 * 9 bytes of them in "full", none in "least".
 * `Vectors versions`: key, name, lowest and highest version as a broker advertises them, lowest flexible one.
 * `Vectors errors`: code and name.
 */
@SuppressWarnings("unchecked")
public final class Vectors {
    static final Random RANDOM = new Random(7);

    /** Fields that always have their default in what a read-only server answers. */
    static final Set<String> NEVER = Set.of(
        "PartitionProduceResponse.logAppendTimeMs", "PartitionProduceResponse.logStartOffset",
        "PartitionProduceResponse.recordErrors", "PartitionProduceResponse.currentLeader",
        "ProduceResponseData.nodeEndpoints", "FetchResponseData.sessionId", "PartitionData.snapshotId",
        "PartitionData.preferredReadReplica", "NodeEndpoint.rack", "MetadataResponseBroker.rack",
        "MetadataResponseData.errorCode", "MetadataResponseData.clusterAuthorizedOperations",
        "MetadataResponseTopic.topicAuthorizedOperations", "DescribedGroup.authorizedOperations",
        "ApiVersionsResponseData.supportedFeatures", "ApiVersionsResponseData.finalizedFeaturesEpoch",
        "ApiVersionsResponseData.finalizedFeatures", "ApiVersionsResponseData.zkMigrationReady",
        "DescribeAclsResponseData.resources", "DescribeConfigsResult.configs",
        "DescribeLogDirsPartition.offsetLag", "DescribeLogDirsPartition.isFutureKey", "DescribeLogDirsResult.isCordoned",
        "ListPartitionReassignmentsResponseData.topics", "DescribeClusterBroker.rack", "DescribeClusterBroker.isFenced",
        "DescribeClusterResponseData.clusterAuthorizedOperations",
        "DescribeTopicPartitionsResponseTopic.topicAuthorizedOperations");

    /** Fields that always have this value there. */
    static final Map<String, Object> ALWAYS = Map.of(
        "PartitionProduceResponse.baseOffset", -1L,
        "InitProducerIdResponseData.producerId", -1L,
        "InitProducerIdResponseData.producerEpoch", (short) -1,
        "DescribeTopicPartitionsResponsePartition.eligibleLeaderReplicas", List.of(),
        "DescribeTopicPartitionsResponsePartition.lastKnownElr", List.of());

    enum Kind { FULL, LEAST, EMPTY }

    static Kind kind;
    static boolean isRequest;

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "bodies" -> bodies(Arrays.copyOfRange(args, 1, args.length));
            case "versions" -> versions();
            case "errors" -> {
                for (Errors error : Errors.values()) {
                    System.out.println(error.code() + "\t" + error);
                }
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    static void versions() {
        for (ApiKeys key : ApiKeys.values()) {
            var told = key.toApiVersionForApiResponse(false, ApiMessageType.ListenerType.BROKER);
            if (told.isPresent()) {
                int flexible = key.oldestVersion();
                while (flexible <= key.latestVersion(true) && key.requestHeaderVersion((short) flexible) < 2) {
                    flexible++;
                }
                System.out.println(key.id + "\t" + key.name + "\t" + told.get().minVersion() + "\t"
                    + told.get().maxVersion() + "\t" + (flexible > key.latestVersion(true) ? "none" : flexible));
            }
        }
    }

    static void bodies(String[] keys) throws Exception {
        for (String key : keys) {
            var type = ApiMessageType.fromApiKey(Short.parseShort(key));
            for (boolean request : new boolean[] {true, false}) {
                for (Kind each : Kind.values()) {
                    kind = each;
                    isRequest = request;
                    for (short v = type.lowestSupportedVersion(); v <= type.highestSupportedVersion(true); v++) {
                        print(type, request, v);
                    }
                }
            }
        }
    }

    static void print(ApiMessageType type, boolean request, short version) throws Exception {
        RANDOM.setSeed(version * 31L + type.apiKey() + (request ? 0 : 7919));
        ApiMessage message = request ? type.newRequest() : type.newResponse();
        fill(message, 0);
        // What this version cannot say is forgotten: fields are tried one by one.
        byte[] bytes = null;
        for (int i = 0; i < 200 && bytes == null; i++) {
            try {
                var cache = new ObjectSerializationCache();
                ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
                message.write(new ByteBufferAccessor(buffer), cache, version);
                bytes = buffer.array();
            } catch (Exception e) {
                if (!forget(message, e.getMessage())) {
                    System.err.println(type.name + " " + version + ": " + e);
                    return;
                }
            }
        }
        if (bytes == null) {
            System.err.println(type.name + " " + version + ": no end");
            return;
        }
        String name = message.getClass().getSimpleName();
        ApiMessage read = request ? type.newRequest() : type.newResponse();
        read.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), version);
        String json;
        try {
            Class<?> converter = Class.forName("org.apache.kafka.common.message." + name + "JsonConverter");
            json = converter.getMethod("write", read.getClass(), short.class).invoke(null, read, version).toString();
        } catch (ReflectiveOperationException e) {
            json = "null";
        }
        System.out.println("{\"key\":" + type.apiKey() + ",\"name\":\"" + name + "\",\"version\":" + version + ",\"kind\":\""
            + kind.name().toLowerCase() + "\",\"header\":" + (request ? type.requestHeaderVersion(version) : type.responseHeaderVersion(version))
            + ",\"hex\":\"" + HexFormat.of().formatHex(bytes) + "\",\"json\":" + json + "}");
    }

    /** "Attempted to write a non-default FIELD at version V": that field gets its default, wherever it is. */
    static boolean forget(Message message, String why) throws Exception {
        if (why == null || !why.startsWith("Attempted to write a non-default ")) {
            return false;
        }
        return forget(List.of(message), why.split(" ")[5]);
    }

    /** Of several fields of one name the outermost that is set. */
    static boolean forget(List<?> messages, String field) throws Exception {
        boolean found = false;
        var inner = new ArrayList<Object>();
        for (Object message : messages) {
            Object fresh = message.getClass().getConstructor().newInstance();
            for (Method setter : setters(message)) {
                Method getter = message.getClass().getMethod(fieldOf(setter));
                Object value = getter.invoke(message);
                if (fieldOf(setter).equals(field) && !Objects.equals(value, getter.invoke(fresh))) {
                    setter.invoke(message, getter.invoke(fresh));
                    found = true;
                } else if (value instanceof Message) {
                    inner.add(value);
                } else if (value instanceof Iterable<?> many) {
                    for (Object one : many) {
                        if (one instanceof Message) {
                            inner.add(one);
                        }
                    }
                }
            }
        }
        return found || !inner.isEmpty() && forget(inner, field);
    }

    static String fieldOf(Method setter) {
        return Character.toLowerCase(setter.getName().charAt(3)) + setter.getName().substring(4);
    }

    static List<Method> setters(Object message) {
        return Arrays.stream(message.getClass().getMethods())
            .filter(m -> m.getName().startsWith("set") && m.getParameterCount() == 1)
            .filter(m -> !m.getName().equals("setNext") && !m.getName().equals("setPrev"))
            .sorted(Comparator.comparing(Method::getName))
            .toList();
    }

    static void fill(Object message, int depth) throws Exception {
        for (Method setter : setters(message)) {
            Class<?> type = setter.getParameterTypes()[0];
            String name = message.getClass().getSimpleName() + "." + fieldOf(setter);
            boolean isUnsaid = name.endsWith("ResponseData.throttleTimeMs") || NEVER.contains(name);
            if (!isRequest && ALWAYS.containsKey(name)) {
                setter.invoke(message, ALWAYS.get(name));
            } else if (isRequest || !isUnsaid) {
                boolean isSet = kind == Kind.FULL || kind == Kind.LEAST && (Collection.class.isAssignableFrom(type)
                    || type.getName().endsWith("BaseRecords"));
                Object value = isSet ? value(setter.getGenericParameterTypes()[0], type, depth) : null;
                if (value != null) {
                    setter.invoke(message, value);
                }
            }
        }
    }

    static Object value(java.lang.reflect.Type generic, Class<?> type, int depth) throws Exception {
        if (type == boolean.class) return true;
        if (type == byte.class) return (byte) (1 + RANDOM.nextInt(100));
        if (type == short.class) return (short) (1 + RANDOM.nextInt(30000));
        if (type == int.class) return 1 + RANDOM.nextInt(2000000000);
        if (type == long.class) return 1 + (RANDOM.nextLong() >>> 2);
        if (type == String.class) return "s" + Integer.toString(RANDOM.nextInt(100000), 36) + "é";
        if (type == Uuid.class) return new Uuid(RANDOM.nextLong(), RANDOM.nextLong());
        if (type == byte[].class) { byte[] b = new byte[5]; RANDOM.nextBytes(b); return b; }
        if (type == ByteBuffer.class) { byte[] b = new byte[5]; RANDOM.nextBytes(b); return ByteBuffer.wrap(b); }
        if (type.getName().endsWith("BaseRecords")) {
            byte[] b = new byte[kind == Kind.FULL ? 9 : 0];
            RANDOM.nextBytes(b);
            return MemoryRecords.readableRecords(ByteBuffer.wrap(b));
        }
        if (Message.class.isAssignableFrom(type)) {
            Object inner = type.getConstructor().newInstance();
            fill(inner, depth + 1);
            return inner;
        }
        if (type == List.class) {
            Class<?> element = (Class<?>) ((java.lang.reflect.ParameterizedType) generic).getActualTypeArguments()[0];
            var list = new ArrayList<Object>();
            for (int i = 0; i < 2; i++) list.add(value(element, unbox(element), depth));
            return list;
        }
        if (Collection.class.isAssignableFrom(type)) {
            var collection = (Collection<Object>) type.getConstructor().newInstance();
            Class<?> element = Class.forName(type.getName().replaceFirst("Collection$", ""));
            for (int i = 0; i < 2; i++) collection.add(value(element, element, depth));
            return collection;
        }
        return null;
    }

    static Class<?> unbox(Class<?> type) {
        if (type == Integer.class) return int.class;
        if (type == Long.class) return long.class;
        if (type == Short.class) return short.class;
        if (type == Byte.class) return byte.class;
        return type;
    }
}
