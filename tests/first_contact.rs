//! Wrong things that people do with a program that they meet for the first time: each is answered
//! in a line that says what to do next, and what it says is done, and works.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::testdata;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Something wrong, as it is typed into a shell.
struct Row {
    line: &'static str,
    status: i32,
    /// Part of what stderr says; what is behind `; use: ` in it is done too.
    said: &'static str,
}

const fn row(line: &'static str, status: i32, said: &'static str) -> Row {
    Row { line, status, said }
}

/// Commands and options of other tools, and what stands in the wrong place.
const COMMAND_LINES: &[Row] = &[
    row("seg logs ls", 64, "seg: the command comes first; use: seg ls logs\n"),
    row(
        "seg -r dump logs/lookup-0",
        64,
        "the command comes first; use: seg dump -r logs/lookup-0\n",
    ),
    row("seg logs", 64, "seg: 'logs' is there, and a command comes first; use: seg ls logs\n"),
    row("seg check logs", 64, "seg: there is no command 'check'; use: seg verify logs\n"),
    row("seg list logs", 64, "use: seg ls logs\n"),
    row("seg cat logs/lookup-0", 64, "use: seg dump -r logs/lookup-0\n"),
    row("seg fix logs", 64, "use: seg repair logs\n"),
    row("seg fsck logs", 64, "use: seg verify logs\n"),
    row("seg veriffy logs", 64, "use: seg verify logs\n"),
    row("seg help dump", 64, "use: seg dump --help\n"),
    row("seg frobnicate logs", 64, "'frobnicate'; seg -h lists the commands\n"),
    row(
        "seg consume --bootstrap-server localhost:9092 --topic lookup --from-beginning logs",
        64,
        "; use: seg dump -r logs/lookup-*\n",
    ),
    row("seg tail -n 3 logs/lookup-0", 64, "; use: seg dump -r --offsets -3.. logs/lookup-0\n"),
    row("seg tail -3 logs/lookup-0", 64, "; use: seg dump -r --offsets -3.. logs/lookup-0\n"),
    row("seg dump logs/lookup-0 --topic lookup", 64, "; use: seg dump logs/lookup-0\n"),
    row(
        "seg kafka-dump-log logs/lookup-0/00000000000000000000.log --deep-iteration",
        64,
        "; use: seg kafka-dump-log --deep-iteration --files logs/lookup-0/",
    ),
    row(
        "ln -sf $(command -v seg) kafka-dump-log; \
         ./kafka-dump-log --file logs/lookup-0/00000000000000000000.log",
        64,
        "has no --file; use: seg kafka-dump-log --files logs/lookup-0/00000000000000000000.log\n",
    ),
    row("seg kafka-dump-log --max-messages 3 --files x", 64, "seg dump --format kafka selects"),
    row("seg kafka-dump-log --files nope.log", 2, "opening nope.log: No such file or directory"),
    row("seg lookup 300 logs/lookup-0", 64, "; use: seg lookup logs/lookup-0 --offset 300\n"),
    row(
        "seg lookup logs/lookup-0 2026-11-22",
        64,
        "use: seg lookup logs/lookup-0 --time 2026-11-22",
    ),
    row("seg lookup logs/lookup-0", 64, "seg: lookup needs <--offset <N>|--time <T>>; seg lookup"),
    row(
        "seg lookup logs/lookup-0 --offset latest",
        64,
        "use: seg dump -r logs/lookup-0 --offsets=-1..\n",
    ),
    row(
        "seg lookup logs/lookup-0 --offset 1,000",
        64,
        "use: seg lookup logs/lookup-0 --offset 1000\n",
    ),
    row("seg lookup logs/lookup-0 --offset 99999999999999999999", 64, "no number is so large"),
    row("seg lookup logs/lookup-0 --offset -1", 1, ""),
    row("seg lookup logs/lookup-0 --time yesterday", 64, "'yesterday' is no time; use epoch"),
    row(
        "seg lookup logs/lookup-0 --time 1700000000",
        0,
        "for 2023-11-14T22:13:20Z it is 1700000000000\n",
    ),
    row("seg lookup logs/lookup-0 --time '2026-11-22 17:00 CET'", 64, "use 2026-11-22T17:00+01:00"),
    row(
        "seg dump logs/lookup-0 -r --offsets 10-20",
        64,
        "; use: seg dump logs/lookup-0 -r --offsets 10..20\n",
    ),
    row("seg dump logs/lookup-0 --offsets 20..10", 64, "the end is not inside"),
    row("seg dump logs/lookup-0 --offset 10", 64, "use: seg dump logs/lookup-0 --offsets 10\n"),
    row(
        "seg dump logs/lookup-0 --limit -1",
        64,
        "takes no negative number; use: seg dump logs/lookup-0\n",
    ),
    row("seg dump logs/lookup-0 --limit ten", 64, "it is no whole number"),
    row("seg dump -5 logs/lookup-0", 64, "use: seg dump --limit 5 logs/lookup-0\n"),
    row(
        "seg dump --print-data-log --files \
         logs/lookup-0/00000000000000000000.log,logs/lookup-0/00000000000000000655.log",
        64,
        "use: seg dump -r logs/lookup-0/00000000000000000000.log \
         logs/lookup-0/00000000000000000655.log\n",
    ),
    row(
        "seg dump --deep-iteration --print-data-log logs/lookup-0",
        64,
        "use: seg dump -r logs/lookup-0\n",
    ),
    row("seg dump -t lookup -p 0 logs", 64, "use: seg dump logs/lookup-0\n"),
    row("seg dump --topic=lookup --partition=0 logs", 64, "use: seg dump logs/lookup-0\n"),
    row("seg dump --json logs/lookup-0", 64, "use: seg dump --format json logs/lookup-0\n"),
    row("seg dump -f json logs/lookup-0", 64, "use: seg dump --format json logs/lookup-0\n"),
    row("seg dump --format jsonl logs/lookup-0", 64, "use: seg dump --format json logs/lookup-0\n"),
    row(
        "seg dump --from-offset 4990 logs/lookup-0",
        64,
        "use: seg dump --offsets 4990.. logs/lookup-0\n",
    ),
    row("seg ls -latr logs", 64, "use: seg ls --segments logs\n"),
    row("seg verify --fix logs/lookup-0", 64, "use: seg repair logs/lookup-0\n"),
    row("seg repair --force logs/lookup-0", 64, "use: seg repair logs/lookup-0\n"),
    row("seg repair --dry-run logs/lookup-0", 64, "use: seg repair logs/lookup-0\n"),
    row("seg reindex -n logs/lookup-0", 64, "use: seg reindex --check logs/lookup-0\n"),
    row("seg serve logs --port 0", 64, "use: seg serve logs --listen 127.0.0.1:0\n"),
    row("seg serve logs --listen localhost:0", 64, "use: seg serve logs --listen 127.0.0.1:0\n"),
    row("seg serve logs --listen somewhere", 64, "use ADDRESS:PORT, as in 127.0.0.1:9092"),
    row("seg serve logs --listen 0.0.0.0:0", 64, "--allow-remote if that is meant"),
    row("seg explain batch_crcs", 64, "'batch_crcs'; use: seg explain batch-crc\n"),
    row("seg explain strays", 64, "no finding has the code 'strays'"),
    row("seg dump --partition 0 logs", 64, "use: seg dump logs/*-0\n"),
    row("seg --offset 3 logs", 64, "seg: a command comes first; seg -h lists them\n"),
    row("seg write new-0 - --text", 64, "use: seg write new-0 --lines\n"),
    row("seg explain zzz", 64, "seg explain lists them all"),
    row("seg completions", 64, "completions needs <SHELL>"),
    row("seg completions tcsh", 64, "bash, elvish, fish, powershell, zsh"),
];

/// Paths at which there is something else.
const PATHS: &[Row] = &[
    row("seg ls nowhere", 2, "seg: opening nowhere: No such file or directory; in . there is "),
    row("seg verify lgos", 2, "No such file or directory; there is ./logs\n"),
    row("seg ls empty/disk/kafka", 2, "empty is empty: is its disk mounted?\n"),
    row("seg dump logs/lookup-1", 2, "there is logs/lookup-0\n"),
    row("seg verify 'logs/*.log'", 2, "no file is of this pattern"),
    row("seg dump logs/lookup-0/00000000000000000000.log,logs/lookup-0", 2, "between PATHs"),
    row("seg dump logs/lookup-0 --offsets 10 20", 2, "--offsets A..B\n"),
    row("seg ls -", 2, "only dump and verify read a .log from stdin\n"),
    row(
        "seg ls empty",
        2,
        "seg: looking into empty: the directory is empty: is its disk mounted?\n",
    ),
    row(
        "seg lookup logs/lookup-0/00000000000000000000.log --time -1",
        2,
        "use: seg lookup logs/lookup-0 --time -1\n",
    ),
    row("seg lookup empty --offset 3", 2, "the directory is empty"),
    row(
        "seg repair nokafka",
        2,
        "log.dirs in the broker's server.properties says where they are\n",
    ),
    row("seg ls config", 2, "server.properties says where they are; use: seg ls logs\n"),
    row("seg dump config/server.properties", 2, "it is a broker's settings: server.properties"),
    row(
        "seg ls logs/lookup-0/00000000000000000000.log",
        2,
        "it is a file; use: seg ls logs/lookup-0\n",
    ),
    row(
        "seg lookup logs/lookup-0/00000000000000000000.index --offset 3",
        2,
        "use: seg lookup logs/lookup-0 --offset 3\n",
    ),
    row(
        "seg repair logs/lookup-0/00000000000000000000.log",
        64,
        "; use: seg repair logs/lookup-0\n",
    ),
    row(
        "seg serve logs/lookup-0/00000000000000000000.log --listen 127.0.0.1:0",
        2,
        "use: seg serve logs/lookup-0\n",
    ),
    row(
        "seg write logs </dev/null",
        64,
        "as in: seg write logs/orders-0, or seg write logs --topic orders\n",
    ),
    row(
        "seg write logs/lookup-0/00000000000000000000.log </dev/null",
        64,
        "is a file; use: seg write logs/lookup-0\n",
    ),
    row(
        "seg dump photo.log",
        2,
        "its name is none that Kafka gives a file; --kind says what it is\n",
    ),
    row("seg dump --kind log photo.log", 1, "next: re-replicate if there is another replica; keep"),
    row(
        "seg dump server.log",
        2,
        "it is text; a log of records is called 00000000000000000000.log\n",
    ),
    row("seg dump renamed.bin", 2, "; use: seg dump --kind log renamed.bin\n"),
    row("seg verify renamed.bin", 2, "; use: seg verify --kind log renamed.bin\n"),
    row("seg verify packed.log.gz", 2, "; use: zcat packed.log.gz | seg verify -\n"),
    row(
        "seg dump packed.log.gz",
        2,
        "it is packed with gzip; use: zcat packed.log.gz | seg dump -\n",
    ),
    row("seg ls x.log", 2, "the directory is empty"),
    row("seg dump pipe.log", 2, "it is a named pipe; use: seg dump - < pipe.log\n"),
    row("seg dump /dev/null", 2, "it is no file that could be a log\n"),
    row("seg dump socket.log", 2, "it is no file that could be a log\n"),
    row(
        "seg dump --kind log pipe.log",
        2,
        "a named pipe, not a regular file; use: seg dump - < pipe.log\n",
    ),
    row("seg dump logs/00000000000000000009.log", 2, "which is not followed; it leads to "),
    row("seg dump dangling", 2, "it is a symbolic link to nowhere, and that is not there\n"),
    row("seg ls loop", 2, "these symbolic links lead to each other"),
    row(
        "seg ls \"$(printf 'new\\nline')\"",
        2,
        r"seg: opening new\nline: No such file or directory",
    ),
    row("seg ls \"$(printf 'bad\\377')\"", 2, "No such file or directory"),
];

/// What goes wrong on the way.
const SURROUNDINGS: &[Row] = &[
    row("seg dump -r logs/lookup-0 | head -n 1", 0, ""),
    row("seg completions bash | head -n 1", 0, ""),
    row("seg --help | head -n 1", 0, ""),
    row("seg dump -r logs/lookup-0 >&-", 0, ""),
    row("seg verify - <&-", 0, ""),
    row(
        "seg dump logs/lookup-0 >/dev/full",
        2,
        "writing to stdout: No space left on device; make room",
    ),
    row("seg --help >/dev/full", 2, "writing to stdout: No space left on device"),
    row("ulimit -n 4; exec seg verify logs", 3, ""),
    row(
        "ulimit -n 16; seg serve logs --listen 127.0.0.1:0",
        2,
        "lower --max-connections, or raise the limit",
    ),
    row("LANG=C COLUMNS=20 TERM=dumb seg ls logs", 0, ""),
    row(
        "echo hello | seg write new-0",
        2,
        "nothing was written; where each line is a value: --lines\n",
    ),
    row(
        r#"printf '{"value":"a"}\n{"value":"b"}\n{"value":\n{}\n' | seg write new-0"#,
        2,
        "the 2 records before it are written; mend it, and go on with: tail -n +3\n",
    ),
    row("seg repair logs/lookup-0 --undo", 2, "no repair of these paths is on record"),
    row("seg repair logs/lookup-0 --plan photo.log", 2, "no file is written over; name another\n"),
    row(
        "rm logs/txn-0/*.timeindex; seg repair logs --apply --backup kept",
        3,
        "keeping originals in kept: it is not there; if that is right: mkdir -p kept\n",
    ),
    row("seg serve logs --listen 203.0.113.1:0 --allow-remote", 2, "127.0.0.1 is its own\n"),
    row("seg repair -", 64, "seg verify - judges it\n"),
];

/// A dead broker's disk, and what else may lie about.
fn prepare(root: &Path) {
    for partition in ["lookup-0", "txn-0"] {
        let to = root.join("logs").join(partition);
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(testdata().join("kafka-4.3.1").join(partition)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    let meta = "meta.properties";
    fs::copy(testdata().join("kafka-4.3.1").join(meta), root.join("logs").join(meta)).unwrap();
    for directory in ["empty", "nokafka", "config", "x.log"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    let log = root.join("logs/lookup-0/00000000000000000000.log");
    fs::copy(&log, root.join("renamed.bin")).unwrap();
    fs::write(root.join("nokafka/notes.txt"), "buy milk\n").unwrap();
    fs::write(root.join("config/server.properties"), "broker.id=0\nlog.dirs=logs\n").unwrap();
    fs::write(root.join("photo.log"), b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x48\0\x48\0\0")
        .unwrap();
    fs::write(root.join("server.log"), "[2026-11-01 08:00:00,123] INFO started\n").unwrap();
    let shell = "gzip -c renamed.bin > packed.log.gz && mkfifo pipe.log";
    assert!(Command::new("sh").args(["-c", shell]).current_dir(root).status().unwrap().success());
    symlink("txn-0/00000000000000000000.log", root.join("logs/00000000000000000009.log")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop-2", root.join("loop")).unwrap();
    symlink("loop", root.join("loop-2")).unwrap();
    drop(UnixListener::bind(root.join("socket.log")).unwrap());
}

/// A shell in which `seg` is the program under test.
fn shell(root: &Path, line: &str) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_seg")).parent().unwrap().display().to_string();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(root).stdin(Stdio::null());
    command.env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap())).env("NO_COLOR", "1");
    command
}

/// What a line that ends by itself says on stderr, and its status.
fn run(root: &Path, line: &str) -> (String, i32) {
    let output = shell(root, line).output().unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code().unwrap_or(-1))
}

/// Does what was advised.
fn follow(root: &Path, said: &str) {
    let Some((_, advised)) = said.split_once("; use: ") else { return };
    let advised = advised.lines().next().unwrap();
    if advised.contains("seg serve") {
        let mut child = shell(root, &format!("exec {advised} --listen=127.0.0.1:0"));
        if advised.contains("--listen") {
            child = shell(root, &format!("exec {advised}"));
        }
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        wait_for(&mut child, "serving on");
        return end(child, "TERM", 0, "");
    }
    if advised.contains("< pipe.log") {
        let feed = "cat renamed.bin > pipe.log & ";
        let (said, status) = run(root, &format!("{feed}{advised}"));
        return assert_eq!(status, 0, "{advised}: {said}");
    }
    let lines = if advised.contains("--lines") { "" } else { " --lines" };
    let advised = advised.replace("seg write", &format!("echo x | seg write{lines}"));
    let (said, status) = run(root, &advised);
    assert!(status <= 1, "{advised}: {said}");
}

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let (said, status) = run(root.path(), row.line);
        // A finding has a line of evidence and one of what is next.
        let lines = if said.contains("    next: ") { 3 } else { 2 };
        let is_so = status == row.status
            && said.contains(row.said)
            && (said.is_empty() == row.said.is_empty())
            && said.lines().count() <= lines
            && (row.status == 0 || row.said.is_empty() || said.contains("seg: ") || lines == 3);
        if !is_so {
            wrong.push(format!(
                "$ {}\n? {status}, not {}\n{said}not {:?}",
                row.line, row.status, row.said
            ));
            continue;
        }
        follow(root.path(), &said);
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn command_lines_that_make_no_sense() {
    check(COMMAND_LINES);
}

#[test]
fn paths_with_something_else() {
    check(PATHS);
}

#[test]
fn surroundings_that_are_in_the_way() {
    check(SURROUNDINGS);
}

/// Reads stdout up to a word.
fn wait_for(child: &mut Child, word: &str) {
    let stdout = child.stdout.as_mut().unwrap();
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&read).contains(word) {
        let more = stdout.read(&mut buffer).unwrap();
        assert!(more > 0, "ended without {word}: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..more]);
    }
}

/// Sends a signal and waits for the end, which has to come soon.
fn end(mut child: Child, signal: &str, status: i32, said: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("still there after {signal}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(stderr.contains(said), "{stderr}");
}

/// Ctrl-C while the program waits for what is to come in, or for clients.
#[test]
fn one_interrupt_ends_what_waits() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    for (line, said) in [
        ("exec seg dump -", "seg: interrupted: "),
        ("exec seg verify -", "seg: interrupted: verified "),
        ("exec seg write new-0 --lines", "seg: interrupted: nothing was written"),
        ("exec seg serve logs --listen 127.0.0.1:0", "seg: interrupted: answered 0 requests"),
    ] {
        for signal in ["INT", "TERM"] {
            let mut command = shell(root.path(), line);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            if line.contains("serve") {
                wait_for(&mut child, "serving on");
            } else {
                std::thread::sleep(Duration::from_millis(300));
            }
            // A server that is asked to end did well.
            let is_well = line.contains("serve") && signal == "TERM";
            let (status, said) = if is_well { (0, "") } else { (130, said) };
            let stdin = child.stdin.take();
            end(child, signal, status, said);
            drop(stdin);
        }
    }
}

/// Ctrl-C in the middle of work: what stands on the disk is whole, and the same command goes on.
#[test]
fn an_interrupt_leaves_what_can_be_gone_on_with() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let generate = "seg write big-0 --generate 400000 --segment-bytes 4000000 && rm big-0/*index";
    assert_eq!(run(root, generate).1, 0);
    let mut was_interrupted = false;
    for wait in [40, 20, 10, 80, 160] {
        let mut command = shell(root, "exec seg reindex big-0");
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(130) && !said.is_empty() {
            was_interrupted = true;
            assert!(said.ends_with("each of them whole; run it again for the rest\n"), "{said}");
            assert!(!said.contains("max-duration"), "{said}");
        }
        assert_eq!(run(root, "rm -f big-0/*index").1, 0);
    }
    if !was_interrupted {
        eprintln!("not tested: every run was over before its interrupt");
    }
    assert_eq!(run(root, "seg reindex big-0 && seg verify big-0").1, 0);
}

/// The lock of a broker at work beside us.
#[test]
fn a_live_broker_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    fs::write(root.path().join("logs/.lock"), "").unwrap();
    let hold = "import fcntl,sys\nf=open('logs/.lock','r+')\nfcntl.lockf(f,fcntl.LOCK_EX)\n\
                print('held',flush=True)\nsys.stdin.read()";
    let mut python = Command::new("python3");
    python.args(["-c", hold]).current_dir(root.path());
    let Ok(mut holder) = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        return eprintln!("not tested: there is no python3 to hold a lock");
    };
    wait_for(&mut holder, "held");
    for (line, status, expected) in [
        ("seg ls logs", 0, ""),
        ("seg verify logs", 0, ""),
        ("seg reindex logs/lookup-0", 2, "holds it: a broker, or another seg; stop it, or wait"),
        (
            "seg repair logs/lookup-0 --apply",
            2,
            "holds it: a broker, or another seg; stop it, or wait",
        ),
        (
            "echo x | seg write logs/lookup-0 --lines",
            2,
            "holds it: a broker, or another seg; stop it, or wait",
        ),
        ("seg repair logs/lookup-0 --to copy", 2, "a broker is at work in its log dir"),
        ("seg serve logs --listen 127.0.0.1:0", 2, "ask it, or serve a copy"),
    ] {
        let (said, got) = run(root.path(), line);
        assert_eq!(got, status, "{line}: {said}");
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{line}: {said}"
        );
    }
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

#[test]
fn a_port_that_is_taken() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("seg serve logs --listen {}", taken.local_addr().unwrap());
    let (said, status) = run(root.path(), &line);
    assert_eq!(status, 2, "{said}");
    assert!(
        said.ends_with("another process has it; --listen 127.0.0.1:0 takes a free port\n"),
        "{said}"
    );
}

/// `seg` as somebody whom file modes stop.
fn as_nobody() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    if id != b"0\n" {
        return Some("seg");
    }
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups seg";
    let bin = Path::new(env!("CARGO_BIN_EXE_seg")).parent().unwrap();
    let (_, status) = run(bin, &format!("{nobody} --version >/dev/null"));
    (status == 0).then_some(nobody)
}

#[test]
fn what_is_forbidden_is_said_and_the_rest_looked_at() {
    let Some(seg) = as_nobody() else {
        return eprintln!("not tested: nobody else may run here");
    };
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(root.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    mode("logs/lookup-0/00000000000000002586.log", 0);
    mode("logs/txn-0", 0);
    let rows = [
        ("dump logs >out", 2, "listing logs/txn-0: Permission denied; it "),
        ("lookup logs/lookup-0 --offset 3000", 2, "Permission denied; it "),
        ("verify logs >out", 3, "listing logs/txn-0: Permission denied; "),
        ("ls logs >out", 2, "listing logs/txn-0: Permission denied; "),
    ];
    for (line, status, expected) in rows {
        let (said, got) = run(root.path(), &format!("{seg} {line}"));
        assert_eq!(got, status, "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
        assert!(
            said.contains("run seg as that user, or as root") || said.contains("is yours"),
            "{said}"
        );
        // The rest: what is behind the file that cannot be read.
        if line.starts_with("dump") {
            let out = fs::read_to_string(root.path().join("out")).unwrap();
            assert!(out.contains("00000000000000003238.log"), "{out:.300}");
        }
    }
    mode("logs/txn-0", 0o755);
}

/// Disks of our own need a mount.
fn mounted(root: &Path, mount: &str, line: &str) -> Option<(String, i32)> {
    let allowed = run(root, "unshare -m mount -t tmpfs none empty 2>/dev/null").1 == 0;
    allowed.then(|| run(root, &format!("unshare -m sh -c '{mount}; {line}'")))
}

#[test]
fn a_disk_that_is_full_keeps_what_it_has() {
    let full = "mount -t tmpfs -o size=700k none empty; cp -r logs/lookup-0 empty; \
                rm empty/lookup-0/*index; \
                dd if=/dev/zero of=empty/fill bs=1k 2>/dev/null";
    for (line, status, said) in [
        ("seg reindex empty", 2, "0 are free"),
        (
            "yes | seg write empty/new-0 --lines",
            2,
            "No space left on device; nothing was written; \
             make room on this disk and run it again\n",
        ),
        (
            "rm empty/fill; seq 1000000 | seg write empty/new-0 --lines >out; s=$?; \
             rm -r empty/new-0; (exit $s)",
            2,
            "are written; make room on this disk, and go on behind them",
        ),
        (
            "mount -t tmpfs -o size=8k none x.log; seg repair logs/lookup-0 --to x.log",
            2,
            "make room on this disk and run it again\n",
        ),
        (
            "seg repair empty/lookup-0 --plan empty/plan >out",
            3,
            "No space left on device; make room",
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let sound = "cp -r empty/lookup-0 after; ls -A empty/new-0 > new 2>/dev/null";
        let Some((stderr, got)) =
            mounted(root.path(), full, &format!("{line}; s=$?; {sound}; exit $s"))
        else {
            return eprintln!("not tested: no file system can be mounted here");
        };
        assert_eq!(got, status, "{line}: {stderr}");
        assert!(stderr.contains(said), "{line}: {stderr}");
        assert!(stderr.lines().count() <= 2, "{line}: {stderr}");
        // Indexes are missing as before, and nothing else is wrong or left behind.
        let (_, verified) = run(root.path(), "seg reindex after && seg verify after");
        assert_eq!(verified, 0, "{line}");
        assert_eq!(fs::read_to_string(root.path().join("new")).unwrap_or_default(), "", "{line}");
    }
}

#[test]
fn a_disk_that_is_read_only_is_read() {
    let mount = "mount --bind . empty; mount -o remount,ro,bind empty; cd empty";
    for (line, status, said) in [
        ("seg verify logs", 0, ""),
        ("seg reindex logs", 2, "Read-only file system; nothing was changed; seg repair --to DIR"),
        ("echo x | seg write logs/lookup-0 --lines", 2, "Read-only file system"),
        ("seg repair logs/lookup-0 --to copy", 2, "Read-only file system"),
    ] {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let Some((stderr, got)) = mounted(root.path(), mount, line) else {
            return eprintln!("not tested: no file system can be mounted here");
        };
        assert_eq!(got, status, "{line}: {stderr}");
        assert!(stderr.contains(said) && stderr.is_empty() == said.is_empty(), "{line}: {stderr}");
    }
}

/// `seg write` on a terminal says that it waits for somebody.
#[test]
fn who_waits_says_so() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    for (line, reads) in
        [("seg write new-0 --lines", "x\n"), ("seg dump -", ""), ("seg verify -", "")]
    {
        let mut command = shell(root.path(), &format!("script -qec \"{line}\" /dev/null"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Where there is no script, nobody reads it.
        let _ = stdin.write_all(reads.as_bytes());
        std::thread::sleep(Duration::from_millis(500));
        // What script does when there is nothing more: it types Ctrl-D.
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        if output.status.code() == Some(127) {
            return eprintln!("not tested: there is no script to make a terminal");
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("seg: reading from the terminal; Ctrl-D ends it"), "{line}: {said}");
    }
}

/// `lookup` of a path that the shell would not take needs marks around it.
#[test]
fn advice_is_quoted_for_a_shell() {
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    let strange: PathBuf = root.path().join("it's a disk");
    fs::rename(root.path().join("logs"), &strange).unwrap();
    let (said, status) = run(root.path(), r#"seg "it's a disk" ls"#);
    assert_eq!(status, 64);
    assert_eq!(said, "seg: the command comes first; use: seg ls \"it's a disk\"\n");
    follow(root.path(), &said);
}
