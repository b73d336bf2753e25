import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.metadata.MetadataRecordType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.coordinator.share.generated.CoordinatorRecordType;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

/**
 * Records of internal topics, and what the decoders of kafka-dump-log print for them.
 *
 * `Records metadata`: of `__cluster_metadata`, three lines each: offset, value, payload.
 * `Records share`: of `__share_group_state`, five lines each: offset, key, value, key's text, payload; `-` is nothing.
 *
 * Every type in every version: as it is by default, three times at random, and damaged.
 */
@SuppressWarnings("unchecked")
public final class Records {
    static final Random RANDOM = new Random(11);
    static final HexFormat HEX = HexFormat.of();
    static final double[] DOUBLES = {0, -0.0, 1, 1024, 0.001, 0.00099, 9999999, 1e7, 1.5e10, -12345678.9, 1e-7, 4.9e-324,
        1.7976931348623157E308, Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 3.141592653589793, 5e-324, 1e100};
    static final String[] BROKEN = {"", "00", "0000", "02", "0203", "010c", "010c00", "010c01", "01630000", "010c000261",
        "010c000261000100", "010c00026100010000", "010c0000000100", "01ffffffffff0f00", "01ffff0300", "0100", "0100ffff03",
        "01ffffffff0f00", "01ff7f00", "01808004", "01050004", "010cffffffff0f0261000100", "ff", "0114ffffffff0f00",
        "0180808080080000", "011400020003abcdef", "010c05026100010000", "0119000100 0161".replace(" ", ""), "01190001000100"};

    static long offset = 100;
    static Object parser;
    static Method parse;

    public static void main(String[] args) throws Exception {
        String name = args[0].equals("share") ? "ShareGroupStateMessageParser" : "ClusterMetadataLogMessageParser";
        Constructor<?> constructor = Class.forName("org.apache.kafka.tools.DumpLogSegments$" + name).getDeclaredConstructor();
        constructor.setAccessible(true);
        parser = constructor.newInstance();
        parse = Class.forName("org.apache.kafka.tools.DumpLogSegments$MessageParser").getDeclaredMethod("parse", Record.class);
        parse.setAccessible(true);
        if (args[0].equals("share")) {
            share();
        } else {
            metadata();
        }
    }

    static void metadata() throws Exception {
        for (MetadataRecordType type : MetadataRecordType.values()) {
            ApiMessage empty = type.newMetadataRecord();
            for (short version = empty.lowestSupportedVersion(); version <= empty.highestSupportedVersion(); version++) {
                int rounds = empty.apiKey() == MetadataRecordType.CLIENT_QUOTA_RECORD.id() ? 3 + DOUBLES.length : 3;
                for (int round = 0; round <= rounds; round++) {
                    ApiMessage message = type.newMetadataRecord();
                    if (round > 0) {
                        fill(message, version, message);
                    }
                    if (round > 3) {
                        Field value = message.getClass().getDeclaredField("value");
                        value.setAccessible(true);
                        value.set(message, DOUBLES[round - 4]);
                    }
                    metadataRecord(type, message, version, round);
                }
            }
        }
        for (String hex : BROKEN) {
            print(null, HEX.parseHex(hex));
        }
    }

    static void metadataRecord(MetadataRecordType type, ApiMessage message, short version, int round) throws Exception {
        var serde = new MetadataRecordSerde();
        var cache = new ObjectSerializationCache();
        var record = new ApiMessageAndVersion(message, version);
        ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(buffer));
        print(null, buffer.array());
        if (round == 2 && buffer.capacity() > 6) {
            byte[] broken = buffer.array().clone();
            broken[3 + RANDOM.nextInt(broken.length - 3)] ^= (byte) (1 << RANDOM.nextInt(8));
            print(null, broken);
        }
    }

    static void share() throws Exception {
        for (CoordinatorRecordType type : CoordinatorRecordType.values()) {
            for (int round = 0; round <= 4; round++) {
                ApiMessage key = type.newRecordKey();
                ApiMessage value = type.newRecordValue();
                if (round > 0) {
                    fill(key, (short) 0, key);
                    fill(value, (short) 0, value);
                }
                // The number of a type stands before its key, and is the version to write it in.
                byte[] keyBytes = withVersion(type.id(), MessageUtil.toByteBufferAccessor(key, (short) 0).buffer());
                byte[] valueBytes = withVersion((short) 0, MessageUtil.toByteBufferAccessor(value, (short) 0).buffer());
                print(keyBytes, round == 4 ? null : valueBytes);
                if (round == 1) {
                    keyBytes[1] = 7;
                    print(keyBytes, valueBytes);
                    keyBytes[1] = 0;
                    valueBytes[1] = 1;
                    print(keyBytes, valueBytes);
                }
            }
        }
    }

    static byte[] withVersion(short version, ByteBuffer message) {
        ByteBuffer out = ByteBuffer.allocate(2 + message.remaining());
        out.putShort(version).put(message);
        return out.array();
    }

    static void print(byte[] key, byte[] value) throws Exception {
        offset += 1 + RANDOM.nextInt(3);
        SimpleRecord simple = new SimpleRecord(1L, key, value);
        Record record = MemoryRecords.withRecords(offset, Compression.NONE, simple).records().iterator().next();
        Object parsed = parse.invoke(parser, record);
        System.out.println(offset);
        if (key != null) {
            System.out.println(HEX.formatHex(key));
        }
        System.out.println(value == null ? "-" : HEX.formatHex(value));
        if (key != null) {
            System.out.println(text(parsed, "key"));
        }
        System.out.println(text(parsed, "value"));
    }

    static Object text(Object parsed, String which) throws Exception {
        Method method = parsed.getClass().getDeclaredMethod(which);
        method.setAccessible(true);
        return ((Optional<?>) method.invoke(parsed)).map(Object::toString).orElse("-");
    }

    /** Sets every field that can be written in the version, most of the time. */
    static void fill(Message message, short version, Message whole) throws Exception {
        for (Field field : message.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || field.getName().startsWith("_") || RANDOM.nextInt(5) == 0) {
                continue;
            }
            field.setAccessible(true);
            Object before = field.get(message);
            field.set(message, random(field.getGenericType(), version));
            try {
                MessageUtil.toByteBufferAccessor((ApiMessage) whole, version);
            } catch (RuntimeException unsupported) {
                field.set(message, before);
            }
        }
    }

    static Object random(java.lang.reflect.Type type, short version) throws Exception {
        if (type instanceof ParameterizedType list) {
            var elements = new ArrayList<>();
            for (int i = RANDOM.nextInt(4); i > 0; i--) {
                elements.add(random(list.getActualTypeArguments()[0], version));
            }
            return elements;
        }
        Class<?> what = (Class<?>) type;
        if (what == int.class || what == Integer.class) {
            return RANDOM.nextInt(what == int.class && RANDOM.nextBoolean() ? 60000 : 9);
        } else if (what == short.class) {
            return (short) RANDOM.nextInt(40);
        } else if (what == byte.class) {
            return (byte) RANDOM.nextInt();
        } else if (what == long.class) {
            return RANDOM.nextLong() >> RANDOM.nextInt(60);
        } else if (what == boolean.class) {
            return RANDOM.nextBoolean();
        } else if (what == double.class) {
            return RANDOM.nextInt(1 << 20) / 64.0;
        } else if (what == Uuid.class) {
            return new Uuid(RANDOM.nextLong(), RANDOM.nextLong());
        } else if (what == String.class) {
            return List.of("", "a", "été", "with \"quotes\"\n", "x".repeat(RANDOM.nextInt(20)), "topic-" + RANDOM.nextInt(99)).get(RANDOM.nextInt(6));
        } else if (what == byte[].class) {
            byte[] bytes = new byte[RANDOM.nextInt(9)];
            RANDOM.nextBytes(bytes);
            return bytes;
        }
        if (Collection.class.isAssignableFrom(what)) {
            var elements = (Collection<Object>) what.getDeclaredConstructor().newInstance();
            var element = ((ParameterizedType) what.getGenericSuperclass()).getActualTypeArguments()[0];
            for (int i = RANDOM.nextInt(3); i > 0; i--) {
                elements.add(random(element, version));
            }
            return elements;
        }
        Message nested = (Message) what.getDeclaredConstructor().newInstance();
        for (Field field : what.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.getName().startsWith("_") && !Set.of("next", "prev").contains(field.getName())) {
                field.setAccessible(true);
                field.set(nested, random(field.getGenericType(), version));
            }
        }
        return nested;
    }
}
