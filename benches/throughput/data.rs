//! The bytes that are moved, and the two programs at the far ends of the pipes.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
};

use rustix::pipe::{SpliceFlags, splice};

use crate::common::Result;

/// What is written and read at once: it stays in a core's cache.
const CHUNK: usize = 256 << 10;

const PAGE: usize = 4096;

/// Writes the bytes: noise, and on each page its number, so that no two pages are alike.
pub(crate) fn generate(bytes: u64, mut to: impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    blake3::Hasher::new().finalize_xof().fill(&mut chunk);
    let mut page = 0_u64;
    let mut left = bytes;
    while left > 0 {
        for at in chunk.chunks_exact_mut(PAGE) {
            for (byte, stamp) in at.iter_mut().zip(page.to_le_bytes()) {
                *byte = stamp;
            }
            page += 1;
        }
        let len = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        to.write_all(chunk.get(..len).unwrap_or(&chunk))?;
        left -= len as u64;
    }
    Ok(())
}

/// How many bytes there are, and their digest.
pub(crate) fn digest(mut from: impl Read) -> io::Result<(u64, String)> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let len = from.read(&mut chunk)?;
        let Some(some) = chunk.get(..len).filter(|some| !some.is_empty()) else {
            return Ok((hasher.count(), hasher.finalize().to_hex().to_string()));
        };
        hasher.update(some);
    }
}

/// The same of a whole file.
pub(crate) fn digest_of(mut file: &File) -> io::Result<(u64, String)> {
    file.rewind()?;
    digest(file)
}

/// The program that fills the sender's pipe from a file on its standard input. It splices as pv(1)
/// does, because whoever copied here would take from the tools the processors that they share.
pub(crate) fn produce() -> Result<()> {
    let (from, to) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    while splice(from, None, to, None, 1 << 20, SpliceFlags::MOVE)? > 0 {}
    Ok(())
}

/// The program that empties the receiver's output, and tells how much it was.
pub(crate) fn consume(with_digest: bool) -> Result<()> {
    let mut input = unbuffered(rustix::stdio::stdin())?;
    if with_digest {
        let (count, digest) = digest(input)?;
        println!("{count} {digest}");
        return Ok(());
    }
    let mut chunk = vec![0; CHUNK];
    let mut count = 0;
    loop {
        match input.read(&mut chunk)? {
            0 => break,
            len => count += len as u64,
        }
    }
    println!("{count}");
    Ok(())
}

/// The standard streams of std have buffers of their own, which would copy once more.
fn unbuffered(fd: rustix::fd::BorrowedFd<'_>) -> io::Result<File> {
    Ok(fd.try_clone_to_owned()?.into())
}
