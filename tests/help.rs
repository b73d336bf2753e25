//! The examples in every `--help` run as they stand there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::process::{Command, Output};

fn seg(words: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seg"))
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    String::from_utf8(seg(&words).stdout).unwrap()
}

/// The words of an example, up to a pipe or to what is said about it behind two spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for char in line.trim().chars() {
        match char {
            '\'' => quoted = !quoted,
            ' ' if !quoted && words.last().unwrap().is_empty() => break,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(char),
        }
    }
    let end = words.iter().position(|word| word.is_empty() || word == "|");
    words.truncate(end.unwrap_or(words.len()));
    words.remove(0);
    words
}

#[test]
fn examples_run() {
    let help = text(&["--help"]);
    let names = ["ls", "dump", "lookup", "kafka-dump-log", "explain", "repair"];
    for name in names {
        assert!(help.contains(&format!("\n  {name} ")), "{name} is not in the help");
        let help = text(&[name, "--help"]);
        let examples = help.split("\nExamples:\n").nth(1).unwrap();
        let examples = examples.lines().take_while(|line| !line.is_empty());
        let runs = |line: &&str| line.contains("testdata") || name == "explain";
        let examples: Vec<&str> = examples.filter(runs).collect();
        assert!(examples.len() >= 3, "{name}: {examples:?}");
        for example in examples {
            let output = seg(&words(example));
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{example}: {}\n{errors}", output.status);
            assert!(!output.stdout.is_empty(), "{example} prints nothing");
        }
    }
}

/// Those of `write` make what they write; they run in an empty directory, as a shell reads them.
#[test]
fn examples_of_write_run() {
    let help = text(&["write", "--help"]);
    let examples = help.split("\nExamples:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let place = tempfile::tempdir().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    std::os::unix::fs::symlink(format!("{root}/testdata"), place.path().join("testdata")).unwrap();
    std::fs::write(place.path().join("events.jsonl"), "{\"key\":\"k\",\"value\":\"v\"}\n").unwrap();
    std::fs::write(place.path().join("table.tsv"), "1\ta\n2\tb\n").unwrap();
    let lines = examples.lines();
    let commands: Vec<&str> = lines.filter(|line| line.contains("seg ")).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    let script = commands.join("\n").replace("/tmp/", "");
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_seg")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-euxc", &script])
        .env("PATH", path)
        .current_dir(place.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for made in ["copy/txn-0", "new/events-5", "new/load-0", "new/lines-0"] {
        assert!(place.path().join(made).is_dir(), "{made}\n{errors}");
    }
}

#[test]
fn every_help_ends_with_the_exit_status() {
    for name in ["ls", "dump", "lookup", "kafka-dump-log", "explain", "repair", "write"] {
        for flag in ["-h", "--help"] {
            assert!(text(&[name, flag]).contains("Exit status: 0"), "{name} {flag}");
        }
    }
}

#[test]
fn completion_scripts_name_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(&["completions", shell]);
        for name in ["ls", "dump", "lookup", "explain", "repair", "write", "completions"] {
            assert!(script.contains(name), "{shell}: {name}");
        }
        // Scripts for other shells offer nothing of what stands without a flag.
        assert!(script.contains("batch-crc") || !matches!(shell, "bash" | "zsh"), "{shell}");
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
