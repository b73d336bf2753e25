//! Completion as it is typed: real shells, with the committed scripts. A shell that is not
//! installed is passed over, and that is said.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::io::Write;
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let is_there = found.unwrap().status.success();
    if !is_there {
        eprintln!("skipped: {program} is not installed");
    }
    is_there
}

fn output(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash is offered for the last of these words.
fn bash(words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words.len() - 1, words[words.len() - 2]);
    let script = format!(
        "source completions/seg.bash\ncompopt() {{ :; }}\nCOMP_WORDS=({})\nCOMP_CWORD={last}\n\
         _seg seg '{}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        quoted.join(" "),
        words[last],
    );
    let offered = output(Command::new("bash").args(["--norc", "-c", &script]));
    offered.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What fish is offered for this line.
fn fish(line: &str) -> Vec<String> {
    let script = format!("source completions/seg.fish; complete -C '{line}'");
    let offered = output(Command::new("fish").args(["--no-config", "-c", &script]));
    offered.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// A line typed on a terminal, with tabs: the words that `seg` is called with, as the shell leaves
/// them. `seg` itself is a function that prints them.
fn typed(shell: &str, setup: &str, line: &str) -> Vec<String> {
    let mut child = Command::new("script")
        .args(["-qec", shell, "/dev/null"])
        .current_dir(ROOT)
        .env("TERM", "dumb")
        .env("PS1", "$ ")
        .env("HISTFILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let seg = r#"seg() { printf '\n<word>%s</word>' "$@"; echo; }"#;
    write!(stdin, "{setup}\n{seg}\n{line}\nexit\n").unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    drop(stdin);
    let said = String::from_utf8_lossy(&said).into_owned();
    let words = said.lines().filter_map(|line| {
        line.trim_end().strip_prefix("<word>").and_then(|line| line.strip_suffix("</word>"))
    });
    let words: Vec<String> = words.map(str::to_owned).collect();
    assert!(!words.is_empty(), "{shell}: {line:?}\n{said}");
    words
}

const BASH: &str = "source completions/seg.bash";
const ZSH: &str = "fpath=($PWD/completions $fpath); autoload -U compinit; compinit -D -u";

/// Lines with tabs in them, and what they become in shells that complete as one types.
const TYPED: [(&str, &[&str]); 7] = [
    ("seg lookup testdata/kafka-4.3.1/look\t", &["lookup", "testdata/kafka-4.3.1/lookup-0/"]),
    ("seg dump -r testdata/kafka-4.3.1/look\t", &["dump", "-r", "testdata/kafka-4.3.1/lookup-0/"]),
    ("seg dump testdata/kafka-4.3.1/meta.p\t", &["dump", "testdata/kafka-4.3.1/meta.properties"]),
    ("seg repair --to testdata/kafka-2\t .", &["repair", "--to", "testdata/kafka-2.8.2/", "."]),
    ("seg explain batch-cr\t", &["explain", "batch-crc"]),
    ("seg verif\t", &["verify"]),
    ("seg dump --codec zst\t", &["dump", "--codec", "zstd"]),
];

fn types(shell: &str, setup: &str) {
    for (line, words) in TYPED {
        let found = typed(shell, setup, line);
        // Whether a finished directory keeps its slash is the shell's own taste.
        let bare = |word: &str| word.trim_end_matches('/').to_owned();
        let found: Vec<String> = found.iter().map(|word| bare(word)).collect();
        let words: Vec<String> = words.iter().map(|word| bare(word)).collect();
        assert_eq!(found, words, "{shell}: {line:?}");
    }
}

#[test]
fn bash_completes_what_is_typed() {
    if is_installed("bash") && is_installed("script") {
        let shell = "bash --norc --noprofile -i";
        types(shell, BASH);
        // Directories only, where only they make sense: this is a file.
        let found = typed(shell, BASH, "seg repair testdata/READ\t");
        assert_eq!(found, ["repair", "testdata/READ"]);
    }
}

#[test]
fn zsh_completes_what_is_typed() {
    if is_installed("zsh") && is_installed("script") {
        types("zsh -f -i", ZSH);
    }
}

/// Where nothing was typed yet, a path is wanted before an option.
#[test]
fn bash_offers_values_codes_and_paths() {
    if !is_installed("bash") {
        return;
    }
    assert_eq!(bash(&["seg", "explain", "batch-cr"]), ["batch-crc"]);
    assert!(bash(&["seg", "dump", "--codec", ""]).contains(&"zstd".to_owned()));
    assert_eq!(bash(&["seg", "dump", "--format", "k"]), ["kafka"]);
    assert!(bash(&["seg", "ls", "--he"]).contains(&"--headers".to_owned()));
    assert!(bash(&["seg", ""]).contains(&"verify".to_owned()));
    // Left to what the shell knows of files.
    for command in ["ls", "dump", "lookup", "verify", "reindex", "repair", "write", "serve"] {
        for words in [&["seg", command, ""][..], &["seg", command, "testdata", ""]] {
            assert_eq!(bash(words), [""; 0], "{words:?}");
        }
    }
}

#[test]
fn fish_offers_values_codes_and_paths() {
    if !is_installed("fish") {
        return;
    }
    let lookup = fish("seg lookup testdata/kafka-4.3.1/look");
    assert_eq!(lookup, ["testdata/kafka-4.3.1/lookup-0/"]);
    let dump = fish("seg dump testdata/kafka-4.3.1/meta.p");
    assert_eq!(dump, ["testdata/kafka-4.3.1/meta.properties"]);
    let repair = fish("seg repair testdata/");
    assert!(repair.contains(&"testdata/kafka-4.3.1/".to_owned()), "{repair:?}");
    assert!(!repair.contains(&"testdata/README.md".to_owned()), "{repair:?}");
    assert!(fish("seg explain batch-").contains(&"batch-crc".to_owned()));
    assert_eq!(fish("seg dump --codec zst"), ["zstd"]);
    assert_eq!(fish("seg verif"), ["verify"]);
}
