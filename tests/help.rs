//! What `-h`, `--help` and the man pages show is as it says: the examples run as they stand there,
//! the one fits a screen, the other fits a pager.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Lines of a terminal.
const SCREEN: usize = 24;

fn seg(words: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seg"))
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text_of(words: &[&str], columns: usize) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seg"));
    command.args(words).env("COLUMNS", columns.to_string());
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

fn text(words: &[&str]) -> String {
    text_of(words, 100)
}

/// Every command that `seg --help` names.
fn commands() -> Vec<String> {
    let help = text(&["--help"]);
    let listed = help.split("\n\nOptions:").next().unwrap().split("Usage: ").nth(1).unwrap();
    let lines = listed.lines().skip(2);
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        // The first command of a group has the group's name in front of it.
        let first = if line.starts_with(' ') { 0 } else { 1 };
        words.nth(first).unwrap().to_owned()
    };
    let names: Vec<String> = lines.map(name).collect();
    assert!(names.len() >= 10 && names.contains(&"completions".to_owned()), "{names:?}");
    names
}

/// A command line of a `--help`, and what is said of it.
struct Example {
    command: String,
    explanation: String,
}

impl Example {
    fn status(&self) -> i32 {
        let stated = self.explanation.rsplit_once("exit status ").map(|(_, status)| status);
        stated.map_or(0, |status| status.parse().unwrap())
    }
}

fn examples(name: &str) -> Vec<Example> {
    let help = text(&[name, "--help"]);
    let section = help.split("\nExamples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut examples: Vec<Example> = Vec::new();
    let mut is_explained = true;
    for line in section.lines() {
        if let Some(explanation) = line.strip_prefix("      ") {
            let example = examples.last_mut().unwrap();
            example.explanation.push_str(&format!(" {explanation}"));
            is_explained = true;
        } else if is_explained {
            examples.push(Example { command: line.to_owned(), explanation: String::new() });
            is_explained = false;
        } else {
            let example = examples.last_mut().unwrap();
            example.command.push_str(&format!("\n{line}"));
        }
    }
    examples
}

/// Where examples of one command run: with `testdata`, and with a directory in place of `/tmp`.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        std::os::unix::fs::symlink(testdata, place.path().join("testdata")).unwrap();
        Self(place)
    }

    fn shell(&self, script: &str) -> Command {
        let script = script.replace("/tmp/", &format!("{}/", self.0.path().display()));
        let directory = Path::new(env!("CARGO_BIN_EXE_seg")).parent().unwrap();
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-euc", &script]).env("PATH", path).current_dir(self.0.path());
        command
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let is_there = found.unwrap().status.success();
    if !is_there {
        eprintln!("skipped: {program} is not installed");
    }
    is_there
}

#[test]
fn examples_run() {
    let has_jq = is_installed("jq");
    for name in commands() {
        let examples = examples(&name);
        assert!(!examples.is_empty(), "{name}");
        let place = Place::new();
        for example in examples {
            assert!(example.command.contains(&format!("seg {name}")), "{}", example.command);
            if example.command.contains("jq ") && !has_jq {
                continue;
            }
            if name == "serve" {
                serves(&place, &example);
                continue;
            }
            let output = place.shell(&example.command).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            let said = format!("{}\n{}\n{errors}", example.command, output.status);
            assert_eq!(output.status.code(), Some(example.status()), "{said}");
            assert!(!output.stdout.is_empty(), "{said}");
        }
    }
}

/// A server that says where it listens, and ends well when it is told to.
fn serves(place: &Place, example: &Example) {
    let mut line = format!("exec {}", example.command.trim_start());
    // Ports of this machine may be taken.
    for port in [":9092 \\", ":9192"] {
        line = line.replace(port, if port.ends_with('\\') { ":0 \\" } else { ":0" });
    }
    if !line.contains("--listen") {
        line.push_str(" --listen 127.0.0.1:0");
    }
    let mut child = place.shell(&line).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert!(!said.is_empty(), "{line}");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(end(&mut child), Some(example.status()), "{line}");
}

fn end(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("it does not end");
}

/// What an example made is what it says that it made.
#[test]
fn examples_that_write_write() {
    for (name, made) in [
        ("write", ["copy/txn-0", "new/events-5", "new/load-0", "new/lines-0"]),
        (
            "repair",
            ["kafka/orders-0", "kafka/orders-0.seg-backup", "plan.json", "rescued/orders-0"],
        ),
    ] {
        let place = Place::new();
        let lines: Vec<String> = examples(name).into_iter().map(|it| it.command).collect();
        let script = lines.join("\n");
        let output = place.shell(&format!("set +e\n{script}")).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        for made in made {
            assert!(place.0.path().join(made).exists(), "{name}: {made}\n{errors}");
        }
    }
}

#[test]
fn short_help_fits_a_screen() {
    let mut words: Vec<Vec<String>> = vec![vec!["-h".to_owned()]];
    words.extend(commands().into_iter().map(|name| vec![name, "-h".to_owned()]));
    for words in words {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for columns in [80, 100] {
            let help = text_of(&words, columns);
            let lines: Vec<&str> = help.lines().collect();
            assert!(lines.len() <= SCREEN, "{words:?}: {} lines\n{help}", lines.len());
            for line in lines {
                assert!(line.chars().count() <= columns, "{words:?}: {line}");
            }
        }
    }
}

#[test]
fn every_help_ends_with_the_exit_status() {
    for name in commands() {
        assert!(text(&[&name, "-h"]).contains("\nExit status: 0 "), "{name}");
        assert!(text(&[&name, "--help"]).contains("\nExit status:\n  0 "), "{name}");
    }
}

/// No page has anything that its formatters complain about.
#[test]
fn man_pages_are_well_formed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for (program, flags) in
        [("groff", &["-man", "-ww", "-Tutf8", "-z"][..]), ("mandoc", &["-Tlint", "-Wwarning"])]
    {
        if !is_installed(program) {
            continue;
        }
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let output = Command::new(program).args(flags).arg(&path).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
        }
    }
}

#[test]
fn the_version_is_one_line_and_more_when_asked() {
    let version = format!("seg {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&["-V"]), version);
    let long = text(&["--version"]);
    assert!(long.starts_with(&version), "{long}");
    for part in ["\ntarget ", "\ncodecs none, gzip, snappy, lz4, zstd\n", "kafka-dump-log"] {
        assert!(long.contains(part), "{long}");
    }
}

#[test]
fn completion_scripts_name_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(&["completions", shell]);
        for name in commands() {
            assert!(script.contains(&name), "{shell}: {name}");
        }
        // What clap has for powershell offers nothing of what stands without a flag.
        assert!(script.contains("batch-crc") || shell == "powershell", "{shell}");
    }
}

/// An index says nothing without the log that its name names.
#[test]
fn a_kind_that_is_not_judged_alone_is_for_files_of_its_name() {
    let segment = "testdata/kafka-4.3.1/lookup-0/00000000000000000000";
    let status = |kind: &str, file: &str| {
        let words = ["verify", "--kind", kind, file].map(str::to_owned);
        seg(&words).status.code().unwrap()
    };
    for kind in ["index", "timeindex", "txnindex", "snapshot", "leader-epoch-checkpoint"] {
        assert_eq!(status(kind, &format!("{segment}.log")), 64, "{kind}");
        assert_eq!(status(kind, "Cargo.toml"), 64, "{kind}");
        assert_eq!(status(kind, "-"), 64, "{kind}");
    }
    assert_eq!(status("index", &format!("{segment}.index")), 0);
    assert_eq!(status("log", &format!("{segment}.log")), 0);
    assert_ne!(status("log", "Cargo.toml"), 64);
}
