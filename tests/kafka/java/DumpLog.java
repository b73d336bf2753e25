import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.HashMap;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.DumpLogSegments;

/**
 * Runs kafka-dump-log many times in one process: `DumpLog ORIGINAL MANIFEST OUT`, in a directory that is a copy of
 * ORIGINAL. MANIFEST has lines `flags TAB file TAB stdout file TAB stderr file`; the same lines with the exit status
 * behind them are written to OUT/manifest.tsv, the outputs below OUT.
 */
public final class DumpLog {
    /** What the tool's call for an exit is turned into. */
    static final class Exited extends RuntimeException {
        final int status;

        Exited(int status) {
            super(null, null, false, false);
            this.status = status;
        }
    }

    public static void main(String[] args) throws Exception {
        Path original = Path.of(args[0]);
        Path out = Path.of(args[2]);
        Path copy = Path.of("").toAbsolutePath();
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        Exit.setExitProcedure((status, message) -> {
            throw new Exited(status);
        });
        Exit.setHaltProcedure((status, message) -> {
            throw new Exited(status);
        });
        var done = new ArrayList<String>();
        for (String line : Files.readAllLines(Path.of(args[1]))) {
            String[] fields = line.split("\t", -1);
            var stdout = new ByteArrayOutputStream();
            var stderr = new ByteArrayOutputStream();
            System.setOut(new PrintStream(stdout, false, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(stderr, false, StandardCharsets.UTF_8));
            int status = run(fields[0], fields[1]);
            System.out.flush();
            System.err.flush();
            System.setOut(realOut);
            System.setErr(realErr);
            write(out.resolve(fields[2]), stdout, copy);
            write(out.resolve(fields[3]), stderr, copy);
            done.add(line + "\t" + status);
            restore(original.resolve(fields[1]).getParent(), Path.of(fields[1]).getParent());
        }
        Files.write(out.resolve("manifest.tsv"), done);
        Runtime.getRuntime().halt(0);
    }

    private static int run(String flags, String file) {
        var args = new ArrayList<String>();
        if (!flags.isEmpty()) {
            args.addAll(Arrays.asList(flags.split(" ")));
        }
        args.addAll(List.of("--files", file));
        return run(args, DumpLog.class);
    }

    /** Runs the tool, which ends as the virtual machine would end it, without the frames of the caller. */
    static int run(List<String> args, Class<?> caller) {
        try {
            DumpLogSegments.main(args.toArray(new String[0]));
            return 0;
        } catch (Exited exited) {
            return exited.status;
        } catch (Throwable uncaught) {
            var known = List.of("DumpLog", caller.getName());
            var frames = Arrays.stream(uncaught.getStackTrace()).takeWhile(f -> !known.contains(f.getClassName()));
            uncaught.setStackTrace(frames.toArray(StackTraceElement[]::new));
            System.err.print("Exception in thread \"main\" ");
            uncaught.printStackTrace();
            return 1;
        }
    }

    /** The tool makes some paths absolute; the reader of the output must not see where the copy was. */
    private static void write(Path file, ByteArrayOutputStream bytes, Path copy) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, bytes.toString(StandardCharsets.UTF_8).replace(copy + "/", ""));
    }

    /** The tool shortens or creates index files; the next run shall find what the first one found. */
    static void restore(Path original, Path copy) throws IOException {
        Map<Path, Long> want = sizes(original);
        Map<Path, Long> have = sizes(copy);
        for (var entry : have.entrySet()) {
            if (!want.containsKey(entry.getKey())) {
                Files.delete(copy.resolve(entry.getKey()));
            }
        }
        for (var entry : want.entrySet()) {
            if (!entry.getValue().equals(have.get(entry.getKey()))) {
                Files.copy(original.resolve(entry.getKey()), copy.resolve(entry.getKey()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static Map<Path, Long> sizes(Path dir) throws IOException {
        var out = new HashMap<Path, Long>();
        try (var files = Files.newDirectoryStream(dir)) {
            for (Path file : files) {
                if (Files.isRegularFile(file)) {
                    out.put(file.getFileName(), Files.size(file));
                }
            }
        }
        return out;
    }
}
