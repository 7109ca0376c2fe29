//! Random data that repeats itself from a seed, and digests to compare it by.

use std::{
    env,
    fs::File,
    io::{Read, Seek, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Length and hash of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    pub bytes: u64,
    pub hash: blake3::Hash,
}

impl Digest {
    pub fn of(data: &[u8]) -> Self {
        Self {
            bytes: data.len() as u64,
            hash: blake3::hash(data),
        }
    }

    pub fn of_reader(mut source: impl Read) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut bytes = 0;
        loop {
            let n = source
                .read(&mut buffer)
                .expect("reading what is to be digested");
            if n == 0 {
                return Self {
                    bytes,
                    hash: hasher.finalize(),
                };
            }
            hasher.update(buffer.get(..n).unwrap_or_default());
            bytes += n as u64;
        }
    }

    pub fn of_file(path: &Path) -> Self {
        Self::of_reader(File::open(path).expect("opening what is to be digested"))
    }
}

/// `len` random bytes, the same for the same seed.
pub fn random_bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut data = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut data);
    data
}

/// A file without a name, gone with the process whatever happens; opened through its path in
/// `/proc`, so that each reader has an offset of its own.
pub struct RandomFile {
    file: File,
    pub digest: Digest,
}

impl RandomFile {
    pub fn new(len: u64, seed: u64) -> Self {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let mut stream = blake3::Hasher::new()
            .update(&seed.to_le_bytes())
            .finalize_xof();
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut left = len;
        while left > 0 {
            let n = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let chunk = buffer.get_mut(..n).unwrap_or_default();
            stream.fill(chunk);
            hasher.update(chunk);
            file.write_all(chunk).expect("writing test data");
            left -= n as u64;
        }
        file.rewind().expect("rewinding test data");
        Self {
            file,
            digest: Digest {
                bytes: len,
                hash: hasher.finalize(),
            },
        }
    }

    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }
}

/// The size of the large transfers: 64 MiB, or what `OXNC_TEST_BYTES` says.
pub fn large() -> u64 {
    env::var("OXNC_TEST_BYTES").map_or(64 << 20, |n| n.parse().expect("OXNC_TEST_BYTES: a number"))
}
