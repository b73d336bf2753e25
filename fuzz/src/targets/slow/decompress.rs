//! Payloads, decompressed the plain way: by the codecs' crates, lz4 by hand.

use std::io::Read;

/// What comes out, up to `limit` bytes. `None` where the plain way does not read it to its end or
/// there is more: then nothing is known.
pub fn decompress(codec: u8, payload: &[u8], limit: usize) -> Option<Vec<u8>> {
    let content = match codec {
        0 => payload.to_vec(),
        1 => read(flate2::read::MultiGzDecoder::new(payload), limit)?,
        2 => snappy(payload, limit)?,
        3 => lz4(payload, limit)?,
        4 => read(zstd::Decoder::with_buffer(payload).ok()?, limit)?,
        _ => return None,
    };
    Some(content).filter(|content| content.len() <= limit)
}

fn read(mut reader: impl Read, limit: usize) -> Option<Vec<u8>> {
    let (mut content, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Some(content),
            Ok(count) => content.extend_from_slice(&piece[..count]),
            Err(_) => return None,
        }
        if content.len() > limit {
            return None;
        }
    }
}

/// Xerial's stream, or one raw block.
fn snappy(payload: &[u8], limit: usize) -> Option<Vec<u8>> {
    let magic = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
    let Some(rest) = payload.strip_prefix(&magic) else { return raw_snappy(payload, limit) };
    let mut rest = rest.get(8..)?;
    let mut content = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().unwrap()) as usize;
        let block = rest.get(4..4_usize.checked_add(length)?)?;
        content.extend(raw_snappy(block, limit)?);
        if content.len() > limit {
            return None;
        }
        rest = &rest[4 + length..];
    }
    Some(content)
}

fn raw_snappy(block: &[u8], limit: usize) -> Option<Vec<u8>> {
    // The crate allocates what a block claims.
    if snap::raw::decompress_len(block).ok()? > limit {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(block).ok()
}

/// A usual frame of independent blocks; its checksums are not looked at.
fn lz4(payload: &[u8], limit: usize) -> Option<Vec<u8>> {
    let rest = payload.strip_prefix(&[0x04, 0x22, 0x4d, 0x18])?;
    let flags = *rest.first()?;
    let has = |bit: u8| flags & bit != 0;
    // Version 1, independent blocks, no dictionary and nothing reserved.
    if flags & 0xe3 != 0x60 {
        return None;
    }
    let mut rest = rest.get(if has(8) { 11 } else { 3 }..)?;
    let mut content = Vec::new();
    loop {
        let size = u32::from_le_bytes(rest.get(..4)?.try_into().unwrap());
        rest = &rest[4..];
        if size == 0 {
            return Some(content);
        }
        let (block, behind) = rest.split_at_checked((size & 0x7fff_ffff) as usize)?;
        if size >> 31 == 1 {
            content.extend_from_slice(block);
        } else {
            content.extend(lz4_block(block, limit)?);
        }
        rest = behind.get(if has(0x10) { 4 } else { 0 }..)?;
        if content.len() > limit {
            return None;
        }
    }
}

fn lz4_block(mut rest: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut content: Vec<u8> = Vec::new();
    loop {
        let (&token, behind) = rest.split_first()?;
        rest = behind;
        let literals = lz4_length(token >> 4, &mut rest)?;
        content.extend_from_slice(rest.get(..literals)?);
        rest = &rest[literals..];
        if rest.is_empty() {
            return Some(content);
        }
        let distance = usize::from(u16::from_le_bytes(rest.get(..2)?.try_into().unwrap()));
        rest = &rest[2..];
        let length = lz4_length(token & 15, &mut rest)? + 4;
        if distance == 0 || distance > content.len() || content.len() + length > limit {
            return None;
        }
        for _ in 0..length {
            content.push(content[content.len() - distance]);
        }
    }
}

fn lz4_length(short: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(short);
    let mut byte = if short == 15 { 255 } else { 0 };
    while byte == 255 {
        let (&next, behind) = rest.split_first()?;
        (byte, *rest) = (next, behind);
        length += usize::from(byte);
    }
    Some(length)
}
