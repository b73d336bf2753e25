//! A client in hand-made bytes, of old and plain versions of the protocol: it shares no line with
//! the server.

use super::common::batches::frames;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

/// What a Fetch of one partition came to.
pub struct Fetched {
    pub error: i16,
    pub high_watermark: i64,
    /// Pairs of producer id and first offset.
    pub aborted: Vec<(i64, i64)>,
    pub records: Vec<u8>,
}

pub struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.bytes[self.at..self.at + N].try_into().unwrap();
        self.at += N;
        taken
    }

    pub fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    pub fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    pub fn string(&mut self) -> String {
        let length = self.i16();
        let text = self.bytes[self.at..self.at + length as usize].to_vec();
        self.at += length as usize;
        String::from_utf8(text).unwrap()
    }

    pub fn end(&self) {
        assert_eq!(self.at, self.bytes.len(), "bytes are left");
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as i16).to_be_bytes());
    out.extend(text.as_bytes());
}

impl Client {
    pub fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation_id: 0 }
    }

    pub fn ask(&mut self, key: i16, version: i16, body: &[u8]) -> Answer {
        self.send(key, version, body);
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut bytes = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut bytes).unwrap();
        let mut answer = Answer { bytes, at: 0 };
        assert_eq!(answer.i32(), self.correlation_id);
        answer
    }

    /// Asks without reading what comes.
    pub fn send(&mut self, key: i16, version: i16, body: &[u8]) {
        self.correlation_id += 1;
        let mut frame = vec![0; 4];
        frame.extend(key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(self.correlation_id.to_be_bytes());
        string(&mut frame, "by hand");
        frame.extend(body);
        let length = (frame.len() - 4) as i32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    /// What has come so far, at most so many bytes; none when the connection has ended.
    pub fn read_some(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        bytes
    }

    /// Error and offset of a ListOffsets version 2.
    pub fn list_offsets(
        &mut self,
        topic: &str,
        partition: i32,
        time: i64,
        level: i8,
    ) -> (i16, i64) {
        let mut body = Vec::new();
        body.extend((-1i32).to_be_bytes());
        body.push(level as u8);
        body.extend(1i32.to_be_bytes());
        string(&mut body, topic);
        body.extend(1i32.to_be_bytes());
        body.extend(partition.to_be_bytes());
        body.extend(time.to_be_bytes());
        let mut answer = self.ask(2, 2, &body);
        assert_eq!(answer.i32(), 0, "throttled");
        assert_eq!((answer.i32(), answer.string()), (1, topic.to_owned()));
        assert_eq!((answer.i32(), answer.i32()), (1, partition));
        let (error, _timestamp, offset) = (answer.i16(), answer.i64(), answer.i64());
        answer.end();
        (error, offset)
    }

    /// A Fetch of version 10.
    pub fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        most: i32,
        level: i8,
    ) -> Fetched {
        let mut answer = self.ask(1, 10, &fetch_body(topic, partition, offset, most, level));
        assert_eq!(answer.i32(), 0, "throttled");
        assert_eq!((answer.i16(), answer.i32()), (0, 0), "a session");
        assert_eq!((answer.i32(), answer.string()), (1, topic.to_owned()));
        assert_eq!((answer.i32(), answer.i32()), (1, partition));
        let error = answer.i16();
        let high_watermark = answer.i64();
        let (_last_stable, _log_start) = (answer.i64(), answer.i64());
        let aborted = answer.i32().max(0);
        let aborted = (0..aborted).map(|_| (answer.i64(), answer.i64())).collect();
        let size = answer.i32().max(0) as usize;
        let records = answer.bytes[answer.at..answer.at + size].to_vec();
        answer.at += size;
        answer.end();
        Fetched { error, high_watermark, aborted, records }
    }

    /// Everything from an offset on, batch by whole batch as a consumer reads it, `most` bytes at a
    /// time.
    pub fn read_all(&mut self, topic: &str, partition: i32, from: i64, most: i32) -> Vec<u8> {
        let (mut offset, mut all) = (from, Vec::new());
        loop {
            let fetched = self.fetch(topic, partition, offset, most, 0);
            assert_eq!(fetched.error, 0, "{topic}-{partition} at {offset}");
            let whole = frames(&fetched.records);
            let Some(last) = whole.last() else {
                assert!(fetched.records.is_empty(), "{topic}-{partition} at {offset}: a part");
                assert_eq!(offset, fetched.high_watermark, "{topic}-{partition} ends early");
                return all;
            };
            offset = last_offset(&fetched.records[last.position..]) + 1;
            all.extend(&fetched.records[..last.end()]);
        }
    }
}

/// The body of a Fetch of version 10.
pub fn fetch_body(topic: &str, partition: i32, offset: i64, most: i32, level: i8) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1i32).to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(most.to_be_bytes());
    body.push(level as u8);
    // No session.
    body.extend(0i32.to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    body.extend(1i32.to_be_bytes());
    string(&mut body, topic);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend((-1i64).to_be_bytes());
    body.extend(most.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body
}

/// Of the batch or message that begins here.
pub fn last_offset(batch: &[u8]) -> i64 {
    let base = i64::from_be_bytes(batch[..8].try_into().unwrap());
    match batch[16] {
        2 => base + i64::from(i32::from_be_bytes(batch[23..27].try_into().unwrap())),
        _ => base,
    }
}
