//! Servers, as processes of their own: `seg serve`, and bare ones that know one file and no
//! protocol but the length of a frame.
//!
//! ```text
//!   sendfile   a thread a connection: request in, envelope and a file range out
//!   echo       one thread, an event loop: request in, so many bytes of memory out
//! ```

use super::client::{envelope, range_of};
use crate::bare;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rustix::net::SendFlags;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the kernel holds for a slow client, as `seg serve` has it.
const SEND_BUFFER: usize = 1 << 20;
/// What it uses between two ends of one machine.
const LOCAL_CONGESTION: &str = "cubic";

/// A server that is measured.
pub struct Server {
    child: Option<Child>,
    process: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start until it let clients in.
    pub start: Duration,
}

impl Server {
    /// `seg serve`, with these arguments.
    pub fn seg(dir: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(crate::SEG);
        command.arg("serve").arg(dir).args(["--listen", "127.0.0.1:0", "--format", "json"]);
        Self::spawn(command.args(arguments), |line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            (row["type"] == "serving").then(|| row["address"].as_str().unwrap().parse().unwrap())
        })
    }

    /// The bare one that sends ranges of a file behind envelopes of this size.
    pub fn sendfile(file: &Path, envelope_bytes: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([bare::FLAG, "serve-sendfile", &envelope_bytes.to_string()]).arg(file);
        Self::spawn(&mut command, |line| Some(line.trim().parse().unwrap()))
    }

    /// The bare one that answers everything with so many bytes.
    pub fn echo(answer_bytes: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([bare::FLAG, "serve-echo", &answer_bytes.to_string()]);
        Self::spawn(&mut command, |line| Some(line.trim().parse().unwrap()))
    }

    /// One that runs already.
    pub fn running(address: SocketAddr, process: u32) -> Self {
        Self { child: None, process, address, start: Duration::ZERO }
    }

    fn spawn(command: &mut Command, listens: impl Fn(&str) -> Option<SocketAddr>) -> Self {
        let began = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a server");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("{command:?} does not serve"));
            if let Some(address) = listens(&line.unwrap()) {
                break address;
            }
        };
        let start = began.elapsed();
        // Whatever else it says must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process: child.id(), child: Some(child), address, start }
    }

    /// Processor time of all its threads that are there.
    pub fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process)).unwrap();
        let of = |task: std::io::Result<fs::DirEntry>| {
            let stat = fs::read_to_string(task.unwrap().path().join("schedstat")).ok()?;
            stat.split_once(' ')?.0.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(of).sum())
    }

    /// Memory that is in use now, in KiB, with the pages of its program.
    pub fn resident_kib(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// What a bare one does.
pub fn run(args: &[String]) {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["serve-sendfile", size, file] => serve_sendfile(size.parse().unwrap(), Path::new(file)),
        ["serve-echo", size] => serve_echo(size.parse().unwrap()),
        _ => panic!("{args:?}"),
    }
}

fn say_where(address: SocketAddr) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
}

fn serve_sendfile(envelope_bytes: usize, file: &Path) {
    let file = File::open(file).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    say_where(listener.local_addr().unwrap());
    std::thread::scope(|scope| {
        for socket in listener.incoming() {
            let (socket, file) = (socket.unwrap(), &file);
            scope.spawn(move || answer_all(socket, envelope_bytes, file));
        }
    });
}

fn answer_all(mut socket: TcpStream, envelope_bytes: usize, file: &File) {
    prepare(&socket);
    let (mut length, mut frame) = ([0; 4], Vec::new());
    while socket.read_exact(&mut length).is_ok() {
        frame.resize(u32::from_be_bytes(length) as usize, 0);
        socket.read_exact(&mut frame).unwrap();
        let (mut at, length) = range_of(&frame);
        let head = envelope(envelope_bytes, length);
        let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
        if rustix::net::send(&socket, &head, flags) != Ok(head.len()) {
            return;
        }
        let mut left = length as usize;
        while left > 0 {
            match rustix::fs::sendfile(&socket, file, Some(&mut at), left) {
                Ok(0) | Err(_) => return,
                Ok(sent) => left -= sent,
            }
        }
    }
}

fn prepare(socket: &TcpStream) {
    socket.set_nodelay(true).unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER).unwrap();
    let _ = rustix::net::sockopt::set_tcp_congestion(socket, LOCAL_CONGESTION);
}

fn serve_echo(answer_bytes: usize) {
    const LISTENER: Token = Token(usize::MAX);
    let answer = envelope(answer_bytes, 0);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    say_where(listener.local_addr().unwrap());
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
    let mut sockets = slab::Slab::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true).unwrap();
                    let entry = sockets.vacant_entry();
                    let (token, interest) = (Token(entry.key()), Interest::READABLE);
                    poll.registry().register(&mut socket, token, interest).unwrap();
                    entry.insert(socket);
                }
                continue;
            }
            let socket: &mut mio::net::TcpStream = &mut sockets[event.token().0];
            // Requests are small and come one at a time: each is read whole.
            match socket.read(&mut buffer) {
                Ok(taken) if taken > 0 => {
                    let length = u32::from_be_bytes(buffer[..4].try_into().unwrap());
                    assert_eq!(length as usize + 4, taken, "a request in pieces");
                    socket.write_all(&answer).unwrap();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => drop(sockets.remove(event.token().0)),
            }
        }
    }
}
