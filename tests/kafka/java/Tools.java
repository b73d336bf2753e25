import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools one after the other in one process: `Tools COMMANDS OUTPUTS`. A line of COMMANDS is a
 * JSON array of a main class and its arguments, a line of OUTPUTS is an object with `status`, `stdout` and `stderr`.
 */
public final class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** What a tool's call for an exit is turned into. */
    private static final class Exited extends Error {
        Exited() {
            super(null, null, false, false);
        }
    }

    private static Integer first;

    public static void main(String[] args) throws Exception {
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        // Some tools catch what this throws, and call for another exit.
        Exit.setExitProcedure((status, message) -> {
            first = first == null ? status : first;
            throw new Exited();
        });
        // The console consumer says in one how many messages there were.
        var hooks = new ArrayList<Runnable>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        try (var outputs = Files.newBufferedWriter(Path.of(args[1]))) {
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                var stdout = new ByteArrayOutputStream();
                var stderr = new ByteArrayOutputStream();
                System.setOut(new PrintStream(stdout, false, StandardCharsets.UTF_8));
                System.setErr(new PrintStream(stderr, false, StandardCharsets.UTF_8));
                int status = run(JSON.readTree(line));
                System.out.flush();
                System.err.flush();
                System.setOut(realOut);
                System.setErr(realErr);
                hooks.clear();
                outputs.write(JSON.writeValueAsString(JSON.createObjectNode().put("status", status)
                    .put("stdout", stdout.toString(StandardCharsets.UTF_8)).put("stderr", stderr.toString(StandardCharsets.UTF_8))));
                outputs.write('\n');
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(JsonNode command) {
        var args = new ArrayList<String>();
        command.forEach(word -> args.add(word.asText()));
        try {
            var main = Class.forName(args.remove(0)).getMethod("main", String[].class);
            first = null;
            main.invoke(null, (Object) args.toArray(new String[0]));
            return first == null ? 0 : first;
        } catch (Throwable error) {
            Throwable cause = error instanceof InvocationTargetException thrown ? thrown.getCause() : error;
            if (first == null) {
                cause.printStackTrace();
            }
            return first == null ? 1 : first;
        }
    }
}
