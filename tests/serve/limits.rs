//! Each limit on connections and requests: where it is, what comes of going over it, its counter.

use crate::toy::{Server, after, alone, among_others, eventually, ms, range, request, serve};
use crate::toy::{made, serve_file};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Exactly one rejection was counted, under this name.
#[track_caller]
fn assert_one(server: &Server, limit: &str) {
    assert_eq!((server.rejected(limit), server.rejected_in_all()), (1, 1), "{limit}");
    server.wait_for_connections(0);
}

#[test]
fn who_connects_has_to_say_something() {
    let _others = among_others();
    let server = serve(|config| config.limits.first_request_time = ms(1000));
    let (mut silent, mut asks) = (server.client(), server.client());
    let start = Instant::now();
    assert_eq!(asks.ask(b'e', b"x"), b"x");
    assert!(silent.is_closed());
    assert!(start.elapsed() > ms(900));
    // The other one has asked, and may take its time now.
    std::thread::sleep(ms(200));
    assert_eq!(asks.ask(b'e', b"x"), b"x");
    drop(asks);
    assert_one(&server, "first_request_time");
}

#[test]
fn who_has_asked_has_to_ask_again() {
    let _others = among_others();
    let server = serve(|config| config.limits.idle_time = ms(1500));
    let mut client = server.client();
    // Each answer gives it as much time again, however long an answer takes.
    for time in [0, 500, 500, 1700] {
        assert_eq!(client.ask(b's', &after(ms(time), b"x")), b"x");
        std::thread::sleep(ms(400));
    }
    let start = Instant::now();
    assert!(client.is_closed());
    assert!(start.elapsed() > ms(900));
    assert_one(&server, "idle_time");
}

#[test]
fn a_request_has_to_be_whole_in_time() {
    let _others = among_others();
    let server = serve(|config| config.limits.frame_time = ms(200));
    let mut client = server.client();
    assert_eq!(client.ask(b'e', b"x"), b"x");
    let start = Instant::now();
    // Bytes that trickle do not give it more.
    for byte in request(1, b'e', &[0; 1000]) {
        if client.stream.write_all(&[byte]).is_err() || server.rejected_in_all() > 0 {
            break;
        }
        std::thread::sleep(ms(20));
    }
    assert!(client.is_closed());
    assert!((ms(200)..ms(200) * 20).contains(&start.elapsed()));
    assert_one(&server, "frame_time");
}

#[test]
fn lengths_have_bounds() {
    let _others = among_others();
    let server = serve(|config| config.limits.frame_bytes = 1000);
    let bad = [0, 7, -1, 1001, i32::MAX, i32::MIN, 0x1603_0100, i32::from_be_bytes(*b"GET ")];
    for length in bad {
        let mut client = server.client();
        client.stream.write_all(&length.to_be_bytes()).unwrap();
        assert!(client.is_closed());
    }
    assert_eq!(server.client().ask(b'e', &[1; 1000 - 9]), [1; 1000 - 9]);
    let all = bad.len() as u64;
    assert_eq!((server.rejected("frame_bytes"), server.rejected_in_all()), (all, all));
}

#[test]
fn requests_share_memory() {
    let _others = among_others();
    let server = serve(|config| {
        config.limits.request_bytes = 100 << 10;
        config.limits.frame_time = ms(2500);
    });
    let (mut first, mut second) = (server.client(), server.client());
    let frame = first.request(b'e', &vec![3; 100 << 10]);
    let mut small = server.client();
    // The first takes nearly all of it and stops.
    first.stream.write_all(&frame[..frame.len() - 1]).unwrap();
    std::thread::sleep(ms(200));
    second.send(b'e', &vec![4; 100 << 10]);
    // Small ones do not need any.
    assert_eq!(small.ask(b'e', &[5; 16_000]), [5; 16_000]);
    std::thread::sleep(ms(100));
    second.stream.set_nonblocking(true).unwrap();
    assert!(second.stream.read(&mut [0]).is_err(), "it waits");
    second.stream.set_nonblocking(false).unwrap();
    first.stream.write_all(&frame[frame.len() - 1..]).unwrap();
    assert!(second.receive().unwrap() == vec![4; 100 << 10]);
    let mut head = [0; 8];
    first.stream.read_exact(&mut head).unwrap();
    first.stream.read_exact(&mut vec![0; 100 << 10]).unwrap();
    // Who waits for memory as long as one may take for a request is closed for that.
    first.skip_answer();
    first.send(b's', &after(ms(5000), &vec![6; 100 << 10]));
    std::thread::sleep(ms(300));
    second.send(b'e', &vec![4; 100 << 10]);
    assert!(second.is_closed());
    assert!(first.receive().unwrap() == vec![6; 100 << 10]);
    drop((first, small));
    assert_one(&server, "request_bytes");
}

#[test]
fn answers_share_memory() {
    let _others = among_others();
    let server = serve(|config| {
        config.limits.response_bytes_total = 9 << 20;
        config.limits.idle_time = Duration::from_secs(60);
    });
    let mut first = server.client();
    // More than the system takes for a client that does not read.
    first.send(b'b', &(8_u64 << 20).to_be_bytes());
    std::thread::sleep(ms(200));
    let mut second = server.client();
    second.send(b'b', &(8_u64 << 20).to_be_bytes());
    assert_eq!(server.client().ask(b'e', b"small"), b"small");
    assert!(second.is_closed());
    assert_eq!(first.receive().unwrap().len(), 8 << 20);
    // Its next answer says that all of this one is gone.
    assert_eq!(first.ask(b'e', b"x"), b"x");
    let mut third = server.client();
    assert_eq!(third.ask(b'b', &(8_u64 << 20).to_be_bytes()).len(), 8 << 20);
    drop((first, third));
    assert_one(&server, "response_bytes_total");
}

#[test]
fn no_handler_waits_until_others_have_read() {
    let _others = among_others();
    let server = serve(|config| {
        config.limits.response_bytes_total = 9 << 20;
        config.limits.write_time = Duration::from_secs(60);
    });
    let mut good = server.client();
    assert_eq!(good.ask(b'e', b"x"), b"x");
    let mut slow = server.client();
    slow.send(b'b', &(8_u64 << 20).to_be_bytes());
    eventually("it is on its way", || server.toy.handled.load(Ordering::Relaxed) == 2);
    std::thread::sleep(ms(200));
    let mut refused: Vec<_> = (0..40).map(|_| server.client()).collect();
    for client in &mut refused {
        client.send(b'b', &(2_u64 << 20).to_be_bytes());
    }
    std::thread::sleep(ms(50));
    // There are two handlers: with a second for each of those this takes twenty.
    let start = Instant::now();
    assert_eq!(good.ask(b'e', b"y"), b"y");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(refused.iter_mut().all(|client| client.is_closed()));
    assert_eq!((server.rejected("response_bytes_total"), server.rejected_in_all()), (40, 40));
    assert_eq!(slow.receive().unwrap().len(), 8 << 20);
}

#[test]
fn who_does_not_read_is_closed_and_who_reads_slowly_is_not() {
    let _others = among_others();
    let file = made(8 << 20);
    let server = serve_file(&file, |config| {
        config.limits.write_time = ms(1000);
        config.limits.write_progress_bytes = 64 << 10;
        config.send_buffer = 64 << 10;
    });
    let mut slow = server.client_from(Ipv4Addr::LOCALHOST).unwrap();
    let mut stopped = server.client_from(Ipv4Addr::LOCALHOST).unwrap();
    slow.send(b'f', &range(0, file.length));
    stopped.send(b'f', &range(0, file.length));
    let start = Instant::now();
    // It takes much longer than the time that is for a part.
    let mut taken = vec![0; 512 << 10];
    for _ in 0..15 {
        std::thread::sleep(ms(170));
        slow.stream.read_exact(&mut taken).unwrap();
    }
    assert!(start.elapsed() > ms(2500));
    slow.stream.read_exact(&mut taken).unwrap();
    eventually("the other is closed", || server.rejected("write_time") == 1);
    drop(slow);
    assert_one(&server, "write_time");
    // What was on its way to it is not kept.
    let mut all = Vec::new();
    let error = stopped.stream.read_to_end(&mut all).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_silent_connection_goes_for_a_new_one() {
    let _others = among_others();
    let server = serve(|config| {
        (config.network_threads, config.limits.connections) = (1, 3);
    });
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    server.wait_for_connections(3);
    assert_eq!(clients[0].ask(b'e', b"x"), b"x");
    let mut new = server.client();
    assert_eq!(new.ask(b'e', b"x"), b"x");
    assert!(clients[1].is_closed(), "the one that was silent longest");
    assert_eq!(clients[2].ask(b'e', b"x"), b"x");
    assert_eq!((server.rejected("connections"), server.rejected_in_all()), (1, 1));
    // Now nobody is silent.
    assert!(server.client().is_closed());
    assert_eq!(server.rejected("connections"), 2);
    new.reset();
    server.wait_for_connections(2);
    assert_eq!(server.client().ask(b'e', b"x"), b"x");
    assert_eq!(server.rejected_in_all(), 2);
}

#[test]
fn a_silent_connection_goes_wherever_it_is() {
    let _others = among_others();
    let server = serve(|config| {
        (config.network_threads, config.limits.connections) = (3, 6);
    });
    let mut clients: Vec<_> = (0..6).map(|_| server.client()).collect();
    server.wait_for_connections(6);
    // Those of the last processor are silent.
    for number in [0, 1, 3, 4] {
        assert_eq!(clients[number].ask(b'e', b"x"), b"x");
    }
    let mut new = Vec::new();
    for silent in [2, 5] {
        let mut client = server.client();
        assert_eq!(client.ask(b'e', b"x"), b"x");
        assert!(clients[silent].is_closed());
        new.push(client);
    }
    assert_eq!((server.rejected("connections"), server.rejected_in_all()), (2, 2));
    // Now nobody is silent, and who is refused is counted once.
    assert!(server.client().is_closed());
    assert_eq!((server.rejected("connections"), server.rejected_in_all()), (3, 3));
    for number in [0, 1, 3, 4] {
        assert_eq!(clients[number].ask(b'e', b"y"), b"y");
    }
    assert!(new.iter_mut().all(|client| client.ask(b'e', b"y") == b"y"));
}

#[test]
fn an_address_has_its_share() {
    let _others = among_others();
    let server = serve(|config| config.limits.connections_per_address = 2);
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let mut clients: Vec<_> = (0..2).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask(b'e', b"x"), b"x"));
    assert!(server.client().is_closed());
    assert_eq!(server.client_from(other).unwrap().ask(b'e', b"x"), b"x");
    drop(clients);
    server.wait_for_connections(0);
    assert_eq!(server.client().ask(b'e', b"x"), b"x");
    assert_one(&server, "connections_per_address");
}

#[test]
fn without_descriptors_accepting_pauses() {
    let _alone = alone();
    let server = serve(|_| ());
    let mut before = server.client();
    assert_eq!(before.ask(b'e', b"x"), b"x");
    let normal = getrlimit(Resource::Nofile);
    // Room for the client's end, and none for the server's.
    let waiting = server.client();
    eventually("it is accepted", || server.snapshot().connections == 2);
    drop(waiting);
    server.wait_for_connections(1);
    let highest = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
    setrlimit(Resource::Nofile, Rlimit { current: Some(highest + 1), maximum: normal.maximum })
        .unwrap();
    let mut late = server.client();
    let start = cpu_time();
    eventually("it cannot", || server.rejected("descriptors") >= 3);
    let spent = cpu_time() - start;
    assert_eq!(before.ask(b'e', b"y"), b"y");
    setrlimit(Resource::Nofile, normal).unwrap();
    assert_eq!(late.ask(b'e', b"z"), b"z");
    let rejected = server.rejected("descriptors");
    assert!(rejected < 50, "{rejected}");
    assert!(spent < ms(200), "{spent:?}");
}

/// What this process has spent.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}
