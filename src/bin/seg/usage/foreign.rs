//! The commands and options that people know from other tools, and what does it here.

/// What becomes of an option that `seg` does not have.
pub enum Act {
    /// Its value is a PATH, or several with commas between them.
    Path,
    /// These words stand in its place; it has no value.
    Words(&'static [&'static str]),
    /// These words, with its value for `{}`.
    Value(&'static [&'static str]),
    /// These words stand for the command; it has no value.
    Command(&'static [&'static str]),
    /// Its value is a topic, whose partitions are directories.
    Topic,
    /// Its value is the number of a partition of any topic.
    Partition,
    /// It asks for a plan that is not carried out.
    PlanOnly,
}

/// Options of other tools that mean the same.
pub struct Foreign {
    /// How they are spelt.
    pub names: &'static [&'static str],
    /// For which commands; none: for all.
    pub commands: &'static [&'static str],
    /// What to do instead.
    pub act: Act,
    /// In words.
    pub why: &'static str,
}

/// The commands that take a PATH.
#[cfg(test)]
pub const ALL: &[&str] = &["ls", "dump", "lookup", "verify", "reindex", "repair", "write", "serve"];

/// Commands of other tools.
pub const COMMANDS: &[(&[&str], &[&str])] = &[
    (&["check", "fsck", "validate", "scan", "test", "doctor", "chk"], &["verify"]),
    (&["list", "ll", "dir", "info", "stat", "status", "show", "describe", "topics"], &["ls"]),
    (&["cat", "print", "read", "view", "records", "consume", "consumer"], &["dump", "-r"]),
    (&["tail", "export", "messages", "head", "less"], &["dump", "-r"]),
    (&["batches", "dump-log", "dumplog"], &["dump"]),
    (&["fix", "recover", "restore", "salvage", "mend"], &["repair"]),
    (&["undo", "rollback"], &["repair", "--undo"]),
    (&["index", "indexes", "indices"], &["reindex", "--check"]),
    (&["check-index", "index-check", "reindex-check"], &["reindex", "--check"]),
    (&["rebuild", "rebuild-index", "recreate"], &["reindex"]),
    (&["append", "produce", "producer", "import", "put", "add"], &["write"]),
    (&["server", "start", "run", "broker", "listen"], &["serve"]),
    (&["error", "what", "why", "code", "codes", "man"], &["explain"]),
    (&["completion", "complete"], &["completions"]),
    (&["version"], &["--version"]),
];

const fn any(names: &'static [&'static str], act: Act, why: &'static str) -> Foreign {
    Foreign { names, commands: &[], act, why }
}

const fn of(
    command: &'static [&'static str],
    names: &'static [&'static str],
    act: Act,
    why: &'static str,
) -> Foreign {
    Foreign { names, commands: command, act, why }
}

const DUMP: &[&str] = &["dump"];
const READ: &[&str] = &["ls", "dump", "lookup", "verify", "reindex", "repair", "serve"];

/// Options of other tools. The first that fits is taken, so what is of one command comes first.
pub const OPTIONS: &[Foreign] = &[
    // kafka-dump-log
    of(READ, &["--files", "--file"], Act::Path, "a PATH needs no option"),
    of(DUMP, &["--print-data-log", "--deep-iteration"], Act::Words(&["-r"]), "-r prints records"),
    of(DUMP, &["--skip-record-metadata"], Act::Words(&[]), ""),
    of(
        DUMP,
        &["--offsets-decoder"],
        Act::Words(&["-r", "--decode", "consumer-offsets"]),
        "--decode does it",
    ),
    of(
        DUMP,
        &["--transaction-log-decoder"],
        Act::Words(&["-r", "--decode", "transaction-state"]),
        "--decode does it",
    ),
    of(
        DUMP,
        &["--index-sanity-check", "--verify-index-only"],
        Act::Command(&["verify"]),
        "verify judges indexes too",
    ),
    of(DUMP, &["--max-message-size"], Act::Value(&["--max-batch-bytes", "{}"]), ""),
    // ls
    of(&["ls"], &["-l", "--long"], Act::Words(&["--segments"]), "--segments says more"),
    of(&["ls"], &["-a", "-A", "--all", "-1", "-S", "-t", "-r"], Act::Words(&[]), "all is listed"),
    // The console tools, and kcat
    of(
        &["serve"],
        &["--port", "-p", "--listen-port"],
        Act::Value(&["--listen", "127.0.0.1:{}"]),
        "--listen ADDRESS:PORT does it",
    ),
    of(READ, &["--topic", "-t"], Act::Topic, "a partition is a directory"),
    of(READ, &["--partition", "-p"], Act::Partition, "a partition is a directory"),
    any(
        &["--bootstrap-server", "--broker-list", "--zookeeper", "--command-config", "-b"],
        Act::Value(&[]),
        "no broker is asked, directories are read",
    ),
    of(DUMP, &["--from-beginning"], Act::Words(&["-r"]), "all is printed unless --offsets says"),
    of(DUMP, &["--max-messages", "-n", "-c", "--count", "--lines"], LIMIT, "--limit does it"),
    of(DUMP, &["--group", "--property", "--formatter"], Act::Value(&[]), "there is no consumer"),
    of(
        DUMP,
        &["--start-offset", "--from-offset", "--from", "--start", "--skip"],
        Act::Value(&["--offsets", "{}.."]),
        "--offsets A..B does it",
    ),
    of(
        DUMP,
        &["--end-offset", "--to-offset", "--end"],
        Act::Value(&["--offsets", "..{}"]),
        "--offsets A..B does it",
    ),
    of(
        DUMP,
        &["--since", "--from-time", "--after"],
        Act::Value(&["--time", "{}.."]),
        "--time A..B does it",
    ),
    of(
        DUMP,
        &["--until", "--to-time", "--before"],
        Act::Value(&["--time", "..{}"]),
        "--time A..B does it",
    ),
    of(DUMP, &["--records", "--data", "--values"], Act::Words(&["-r"]), "-r prints records"),
    of(&["lookup"], &["--offsets", "-o"], Act::Value(&["--offset", "{}"]), ""),
    of(&["lookup"], &["--timestamp", "--date"], Act::Value(&["--time", "{}"]), ""),
    // fsck, and whatever repairs
    of(
        &["verify"],
        &["--fix", "--repair", "--apply", "--yes", "-y"],
        Act::Command(&["repair"]),
        "repair shows what it would do",
    ),
    of(
        &["repair"],
        &["--yes", "-y", "--force", "--fix", "--do-it"],
        Act::Words(&[]),
        "the plan is shown first, and --apply carries it out",
    ),
    of(
        &["repair"],
        &["--dry-run", "-n", "--check", "--plan-only"],
        Act::PlanOnly,
        "nothing is changed without --apply",
    ),
    of(&["repair"], &["--out", "--output", "-o"], Act::Value(&["--to", "{}"]), "--to does it"),
    of(&["repair"], &["--backup-dir"], Act::Value(&["--backup", "{}"]), ""),
    of(&["reindex"], &["--dry-run", "-n"], Act::Words(&["--check"]), "--check only compares"),
    of(&["reindex"], &["--force", "--yes", "-y", "--apply"], Act::Words(&[]), ""),
    of(&["write"], &["-"], Act::Words(&[]), "stdin is read anyway"),
    of(&["write"], &["--create", "--yes"], Act::Words(&[]), "what is not there is made"),
    of(&["write"], &["--text", "--raw", "--plain"], Act::Words(&["--lines"]), ""),
    of(&["write"], &["-t"], Act::Value(&["--topic", "{}"]), ""),
    of(
        &["write"],
        &["--compression", "--codec", "-z"],
        Act::Value(&["--compression-type", "{}"]),
        "",
    ),
    of(
        &["serve"],
        &["--bind", "--address", "--addr", "--listeners", "-l"],
        Act::Value(&["--listen", "{}"]),
        "--listen ADDRESS:PORT does it",
    ),
    of(&["serve"], &["--read-only", "--readonly"], Act::Words(&[]), "it never writes"),
    of(&["serve"], &["--daemon", "-d"], Act::Words(&[]), "it stays in the foreground"),
    // The rest
    any(&["--recursive", "-R"], Act::Words(&[]), "directories are searched anyway"),
    any(&["--dir", "--log-dir", "--log-dirs", "--path", "-d"], Act::Path, "a PATH needs no option"),
    any(&["--json", "-J", "-j"], Act::Words(&["--format", "json"]), "--format says the form"),
    any(&["-f", "-o", "--output"], Act::Value(&["--format", "{}"]), "--format says the form"),
    any(&["--jobs", "--parallel"], Act::Value(&["--threads", "{}"]), ""),
    any(&["--no-color", "--no-colour"], Act::Words(&["--color", "never"]), ""),
    any(&["--silent", "--no-progress", "-s"], Act::Words(&["--quiet"]), ""),
    any(&["--debug", "--trace"], Act::Words(&["--verbose"]), ""),
];

const LIMIT: Act = Act::Value(&["--limit", "{}"]);
