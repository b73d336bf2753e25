//! `seg serve` as a process.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The rows of the start, the one of type `serving` the last.
    pub rows: Vec<Value>,
    pub address: String,
}

/// What it said and how it ended.
pub struct Ended {
    pub rows: Vec<Value>,
    pub stderr: String,
    pub status: Option<i32>,
}

impl Server {
    /// Starts it on a free port; back when it says that it serves.
    pub fn start<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_seg")), directory, arguments)
    }

    /// Under strace, which writes the calls that are named to `trace`.
    pub fn start_traced(directory: &Path, calls: &str, trace: &Path) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "0", "-e", calls, "-o"]).arg(trace);
        command.arg(env!("CARGO_BIN_EXE_seg"));
        Self::start_as(command, directory, &["."])
    }

    fn start_as<S: AsRef<OsStr>>(mut command: Command, directory: &Path, arguments: &[S]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--format", "json"])
            .args(["--group-initial-rebalance-delay-ms", "0"])
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut rows: Vec<Value> = Vec::new();
        while rows.last().is_none_or(|row| row["type"] != "serving") {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let mut stderr = String::new();
                child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("it ended: {:?} {stderr}", child.wait().unwrap());
            }
            rows.push(serde_json::from_str(&line).unwrap());
        }
        let address = rows.last().unwrap()["address"].as_str().unwrap().to_owned();
        Self { child, stdout, rows, address }
    }

    pub fn rows_of(&self, kind: &str) -> Vec<&Value> {
        self.rows.iter().filter(|row| row["type"] == kind).collect()
    }

    /// Sends a signal and waits for the end.
    pub fn end(self, signal: rustix::process::Signal) -> Ended {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let (mut text, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut text).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let status = self.child.wait().unwrap().code();
        Ended { rows, stderr, status }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
