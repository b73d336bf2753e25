//! Each state of a connection, and what leads out of it.

use crate::toy::{
    PATIENCE, WARM_BYTES, after, among_others, bytes_of, eventually, made, ms, range, request,
    serve, serve_file,
};
use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::Instant;

#[test]
fn requests_are_answered_in_their_order_however_they_arrive() {
    let _others = among_others();
    let server = serve(|_| ());
    let mut client = server.client();
    let mut all = Vec::new();
    for number in 0..200_u32 {
        all.extend(client.request(b'e', &number.to_be_bytes()));
    }
    client.stream.write_all(&all).unwrap();
    for number in 0..200_u32 {
        assert_eq!(client.receive().unwrap(), number.to_be_bytes());
    }
    for byte in client.request(b'e', b"slowly") {
        client.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(client.receive().unwrap(), b"slowly");
    let much = bytes_of(0, 1_000_000);
    assert!(client.ask(b'e', &much) == much);
    assert!(client.ask(b'b', &10_000_000_u64.to_be_bytes()) == [7; 10_000_000]);
    assert_eq!((server.rejected_in_all(), server.snapshot().connections), (0, 1));
    assert!(server.snapshot().received_bytes > 1_000_000);
    drop(client);
    server.wait_for_connections(0);
    assert_eq!(server.snapshot().accepted, 1);
}

#[test]
fn requests_wait_while_the_queue_is_full() {
    let _others = among_others();
    let server = serve(|config| {
        (config.io_threads, config.limits.queued_requests) = (1, 1);
    });
    let mut clients: Vec<_> = (0..12).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(b's', &after(ms(20), b"late"));
    }
    // Two that wait leave, and nobody waits for their answers.
    clients.pop();
    clients.swap_remove(5).reset();
    for client in &mut clients {
        assert_eq!(client.receive().unwrap(), b"late");
        assert_eq!(client.ask(b'e', b"x"), b"x");
    }
    let seen = server.snapshot();
    assert!(seen.parked >= 8, "{}", seen.parked);
    assert_eq!((seen.in_queue, server.rejected_in_all()), (0, 0));
    server.wait_for_connections(10);
}

#[test]
fn an_answer_is_held_until_its_time_or_until_nobody_else_comes() {
    let _others = among_others();
    let server = serve(|_| ());
    let mut client = server.client();
    let start = Instant::now();
    client.send(b'h', &after(ms(100), b"held"));
    eventually("it is held", || server.snapshot().held == 1 || start.elapsed() > ms(100));
    assert_eq!(client.receive().unwrap(), b"held");
    assert!(start.elapsed() >= ms(100));
    assert_eq!(client.ask(b'h', &after(ms(0), b"at once")), b"at once");
    // A client that sends nothing more wants to go.
    client.send(b'h', &after(PATIENCE * 2, b"held"));
    eventually("it is held", || server.snapshot().held == 1);
    client.finish_sending();
    assert_eq!(client.receive().unwrap(), b"held");
    assert!(client.is_closed());
    // So does one that is gone.
    let mut client = server.client();
    client.send(b'h', &after(PATIENCE * 2, b"held"));
    eventually("it is held", || server.snapshot().held == 1);
    client.reset();
    server.wait_for_connections(0);
    assert_eq!((server.snapshot().held, server.rejected_in_all()), (0, 0));
}

#[test]
fn somebody_else_may_answer_later_and_once() {
    let _others = among_others();
    let server = serve(|_| ());
    let mut client = server.client();
    assert_eq!(client.ask(b'l', &after(ms(30), b"later")), b"later");
    assert_eq!(client.ask(b'2', b""), b"first");
    for _ in 0..50 {
        assert_eq!(client.ask(b'2', b""), b"first");
        assert_eq!(client.ask(b'e', b"third"), b"third");
    }
    // An answer for somebody who is gone is nobody else's.
    client.send(b'l', &after(ms(60), b"later"));
    std::thread::sleep(ms(10));
    client.reset();
    server.wait_for_connections(0);
    let mut other = server.client();
    assert_eq!(other.ask(b'l', &after(ms(150), b"other")), b"other");
}

#[test]
fn a_handler_may_end_a_connection_and_fail() {
    let _others = among_others();
    let server = serve(|_| ());
    let mut good = server.client();
    for command in [b"n", b"p", b"?"] {
        let mut client = server.client();
        client.send(command[0], b"");
        assert!(client.is_closed());
        assert_eq!(good.ask(b'e', command), command);
    }
    assert_eq!((server.rejected("malformed"), server.rejected_in_all()), (1, 1));
    assert_eq!(server.snapshot().panics, 1);
    server.wait_for_connections(1);
}

#[test]
fn a_client_that_has_said_everything_is_answered() {
    let _others = among_others();
    let server = serve(|_| ());
    let mut client = server.client();
    client.send(b's', &after(ms(30), b"one"));
    client.send(b'e', b"two");
    client.finish_sending();
    assert_eq!(client.receive().unwrap(), b"one");
    assert_eq!(client.receive().unwrap(), b"two");
    assert!(client.is_closed());
    // But not one that stops within a request.
    let mut client = server.client();
    client.stream.write_all(&request(1, b'e', b"cut")[..12]).unwrap();
    client.finish_sending();
    assert!(client.is_closed());
    assert_eq!(server.rejected_in_all(), 0);
}

#[test]
fn a_client_that_is_reset_is_not_waited_for() {
    let _others = among_others();
    let file = made(8 << 20);
    let server = serve_file(&file, |_| ());
    for command in [b's', b'l', b'f', b'b'] {
        let mut client = server.client();
        match command {
            b'f' => client.send(command, &range(0, file.length)),
            b'b' => client.send(command, &(8_u64 << 20).to_be_bytes()),
            _ => client.send(command, &after(ms(100), b"late")),
        }
        std::thread::sleep(ms(20));
        client.reset();
        server.wait_for_connections(0);
    }
    assert_eq!(server.rejected_in_all(), 0);
    assert_eq!(server.client().ask(b'e', b"x"), b"x");
}

#[test]
fn ranges_of_files_are_sent_whole_to_fast_and_slow_readers() {
    let _others = among_others();
    let file = made(5 << 20);
    let whole = bytes_of(0, file.length);
    let server = serve_file(&file, |config| config.limits.write_time = PATIENCE * 2);
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    for (number, client) in (0..).zip(&mut clients) {
        for round in 0..3 {
            client.send(b'f', &range(number, file.length - round));
        }
    }
    // While one is read, the sockets of the others are full.
    for (number, mut client) in (0..).zip(clients) {
        for round in 0..3 {
            let answer = client.receive().unwrap();
            assert!(answer == whole[number..whole.len() - round]);
        }
    }
    let seen = server.snapshot();
    assert!(seen.sent_sendfile >= 12 * (file.length - 10) && seen.sent_copied == 0);
}

#[test]
fn without_sendfile_ranges_are_copied() {
    let _others = among_others();
    let file = made(3_000_000);
    let server = serve_file(&file, |config| config.use_sendfile = false);
    let answer = server.client().ask(b'f', &range(5, file.length));
    assert!(answer == bytes_of(5, file.length));
    assert_eq!(server.snapshot().sent_sendfile, 0);
}

#[test]
fn a_cold_range_is_brought_in_by_handlers_first() {
    let _others = among_others();
    let file = made(5_000_000);
    let server = serve_file(&file, |_| ());
    let mut client = server.client();
    let answer = client.ask(b'w', &range(7, file.length));
    assert!(answer == bytes_of(7, file.length));
    let warmed = server.toy.warmed.load(Ordering::Relaxed);
    assert_eq!(warmed, (file.length - 7).div_ceil(WARM_BYTES));
    assert_eq!(client.ask(b'e', b"x"), b"x");
    // The answer has begun, so a broken disk ends the connection.
    server.toy.warm_fails.store(true, Ordering::Relaxed);
    client.send(b'w', &range(0, file.length));
    let mut head = [0; 8];
    client.stream.read_exact(&mut head).unwrap();
    assert!(client.is_closed());
    assert_eq!((server.rejected("read_errors"), server.rejected_in_all()), (1, 1));
}

#[test]
fn a_file_that_ends_early_ends_the_connection() {
    let _others = among_others();
    let file = made(20 << 20);
    let server = serve_file(&file, |_| ());
    let mut client = server.client();
    client.send(b'f', &range(0, file.length));
    std::thread::sleep(ms(20));
    std::fs::File::options().write(true).open(&file.path).unwrap().set_len(6 << 20).unwrap();
    assert!(client.receive().is_err());
    // What is left is still there.
    assert!(server.client().ask(b'f', &range(0, 6 << 20)) == bytes_of(0, 6 << 20));
    std::fs::remove_file(&file.path).unwrap();
    assert!(server.client().ask(b'f', &range(0, 6 << 20)) == bytes_of(0, 6 << 20));
}
