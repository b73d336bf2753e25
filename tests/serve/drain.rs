//! How a server ends.

use crate::toy::{PATIENCE, after, among_others, eventually, made, ms, range, request};
use crate::toy::{serve, serve_file};
use segkit::serve::Ended;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Instant;

#[test]
fn what_was_begun_is_finished_and_nothing_is_begun() {
    let _others = among_others();
    let file = made(8 << 20);
    let mut server = serve_file(&file, |_| ());
    let mut silent = server.client();
    let mut rests = server.client();
    assert_eq!(rests.ask(b'e', b"x"), b"x");
    let mut held = server.client();
    held.send(b'h', &after(PATIENCE * 2, b"held"));
    let mut works = server.client();
    works.send(b's', &after(ms(300), b"worked"));
    let mut reads = server.client();
    reads.send(b'f', &range(0, file.length));
    let mut writes = server.client();
    let frame = request(1, b'e', b"whole");
    writes.stream.write_all(&frame[..9]).unwrap();
    let mut later = server.client();
    later.send(b'l', &after(ms(300), b"later"));
    eventually("it is held", || server.snapshot().held == 1);
    std::thread::sleep(ms(50));
    assert!(!server.running().is_over());
    server.running().drain();
    assert!(silent.is_closed() && rests.is_closed());
    assert_eq!(held.receive().unwrap(), b"held");
    assert!(held.is_closed());
    eventually("the port is free", || TcpStream::connect(server.address).is_err());
    assert!(!server.running().is_over());
    writes.stream.write_all(&frame[9..]).unwrap();
    writes.request(b'e', b"counted");
    assert_eq!(writes.receive().unwrap(), b"whole");
    writes.stream.write_all(&frame).ok();
    assert!(writes.is_closed());
    assert_eq!(works.receive().unwrap(), b"worked");
    assert_eq!(later.receive().unwrap(), b"later");
    assert_eq!(reads.receive().unwrap().len() as u64, file.length);
    assert!(works.is_closed() && later.is_closed() && reads.is_closed());
    eventually("it is over", || server.running().is_over());
    assert_eq!(server.rejected_in_all(), 0);
    assert_eq!(server.stop(), Ended { has_failed: false, network_left: 0, handlers_left: 0 });
}

#[test]
fn an_answer_that_has_begun_gets_there_whatever_is_sent_behind_it() {
    let _others = among_others();
    let length = 2 << 20;
    let server = serve(|config| config.network_threads = 1);
    let mut rests = server.client();
    assert_eq!(rests.ask(b'e', b"x"), b"x");
    let mut slow = server.client_from(Ipv4Addr::LOCALHOST).unwrap();
    let answers: Vec<_> = (0..2).map(|_| slow.request(b'b', &u64::to_be_bytes(length))).collect();
    slow.stream.write_all(&answers.concat()).unwrap();
    eventually("it works", || server.toy.handled.load(Ordering::Relaxed) == 2);
    std::thread::sleep(ms(100));
    server.running().drain();
    assert!(rests.is_closed());
    // What is left of it fits into what the system takes.
    let mut first = vec![0; 8 + length as usize];
    let (now, later) = first.split_at_mut(length as usize * 15 / 16);
    slow.stream.read_exact(now).unwrap();
    std::thread::sleep(ms(300));
    slow.stream.write_all(&[0; 1000]).unwrap();
    slow.stream.read_exact(later).unwrap();
    assert!(first[8..].iter().all(|byte| *byte == 7));
    assert!(slow.is_closed());
    assert_eq!(server.toy.handled.load(Ordering::Relaxed), 2);
    // It need not close itself.
    eventually("it is over", || server.running().is_over());
    assert_eq!(server.rejected_in_all(), 0);
}

#[test]
fn answers_that_others_owe_are_not_waited_for_long() {
    let _others = among_others();
    let server = serve(|_| ());
    let mut client = server.client();
    client.send(b'l', &after(PATIENCE * 2, b"later"));
    std::thread::sleep(ms(100));
    let start = Instant::now();
    server.running().drain();
    assert!(client.is_closed());
    assert!(start.elapsed() > ms(500));
    eventually("it is over", || server.running().is_over());
    assert_eq!((server.rejected("drain_time"), server.rejected_in_all()), (1, 1));
}

#[test]
fn who_does_not_finish_is_cut_off() {
    let _others = among_others();
    let file = made(16 << 20);
    let mut server = serve_file(&file, |config| config.limits.drain_time = ms(200));
    let mut client = server.client();
    client.send(b'f', &range(0, file.length));
    std::thread::sleep(ms(100));
    let start = Instant::now();
    server.running().drain();
    assert!(!server.running().is_over());
    eventually("it is over", || server.running().is_over());
    assert!(start.elapsed() >= ms(200));
    assert_eq!(server.stop(), Ended { has_failed: false, network_left: 0, handlers_left: 0 });
    assert!(client.receive().is_err());
    assert_eq!(server.snapshot().connections, 0);
    assert_eq!((server.rejected("drain_time"), server.rejected_in_all()), (1, 1));
}

#[test]
fn a_handler_that_is_at_work_is_not_waited_for_long() {
    let _others = among_others();
    let mut server = serve(|_| ());
    let mut client = server.client();
    client.send(b's', &after(ms(3000), b"late"));
    eventually("it works", || server.toy.handled.load(Ordering::Relaxed) == 1);
    let start = Instant::now();
    assert_eq!(server.stop(), Ended { has_failed: false, network_left: 0, handlers_left: 1 });
    assert!(start.elapsed() < ms(2900));
    assert!(client.is_closed());
}

#[test]
fn a_port_that_is_taken_is_said() {
    let _others = among_others();
    let server = serve(|_| ());
    let error = segkit::serve::bind(server.address).unwrap_err().to_string();
    assert_eq!(error, format!("listening on {}: Address already in use", server.address));
}
