import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs whole command lines of kafka-dump-log in one process: `DropIn ORIGINAL COMMANDS OUT`, in a directory that is a
 * copy of ORIGINAL. A line of COMMANDS is the directories that the command may change, separated by commas, and its
 * words, separated by TAB. In OUT line N leaves N.out, N.err, and N.status.
 */
public final class DropIn {
    public static void main(String[] args) throws Exception {
        Path original = Path.of(args[0]);
        Path out = Path.of(args[2]);
        PrintStream realOut = System.out;
        PrintStream realErr = System.err;
        Exit.setExitProcedure((status, message) -> {
            throw new DumpLog.Exited(status);
        });
        Exit.setHaltProcedure((status, message) -> {
            throw new DumpLog.Exited(status);
        });
        List<String> lines = Files.readAllLines(Path.of(args[1]));
        for (int number = 0; number < lines.size(); number++) {
            List<String> words = Arrays.asList(lines.get(number).split("\t", -1));
            var stdout = new ByteArrayOutputStream();
            var stderr = new ByteArrayOutputStream();
            System.setOut(new PrintStream(stdout, false, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(stderr, false, StandardCharsets.UTF_8));
            int status = DumpLog.run(words.subList(1, words.size()), DropIn.class);
            System.out.flush();
            System.err.flush();
            System.setOut(realOut);
            System.setErr(realErr);
            Files.write(out.resolve(number + ".out"), stdout.toByteArray());
            Files.write(out.resolve(number + ".err"), stderr.toByteArray());
            Files.writeString(out.resolve(number + ".status"), Integer.toString(status));
            for (String directory : words.get(0).isEmpty() ? new String[0] : words.get(0).split(",")) {
                DumpLog.restore(original.resolve(directory), Path.of(directory));
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
