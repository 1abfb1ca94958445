//! Fetching a file whose SHA-256 is known beforehand. The only place that uses the network, and only
//! when `featlas models pull` asks for it.

use crate::errors::InputError;
use featlas_core::{Progress, Stage};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write as _};
use std::path::Path;
use std::time::Duration;

const CHUNK_BYTES: usize = 1 << 16;
/// No public weights are larger; a server that sends more is not the one we mean.
const MAX_BYTES: u64 = 1 << 30;

/// Fetches `url` to `path`: first into `path.partial`, which takes the name only if its SHA-256 begins
/// with `sha256_prefix`.
pub(crate) fn fetch(
    url: &str,
    sha256_prefix: &str,
    path: &Path,
    progress: &dyn Progress,
) -> anyhow::Result<()> {
    let unreachable = |err: ureq::Error| {
        InputError::with_hint(
            format!("cannot fetch `{url}`: {err}"),
            format!("fetch it by other means and run `featlas models import {}`", path.display()),
        )
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_mins(1)))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(unreachable)?;
    let total = response.body().content_length();
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    progress.begin(Stage::Fetch, total);
    let outcome = copy(&mut response.body_mut().as_reader(), partial, progress);
    progress.end(Stage::Fetch);
    let digest = outcome.inspect_err(|_err| drop(fs_err::remove_file(partial)))?;
    if !digest.starts_with(sha256_prefix) {
        fs_err::remove_file(partial)?;
        return Err(InputError::with_hint(
            format!("the file has another SHA-256: expected {sha256_prefix}…, got {digest}: `{url}`"),
            "it was not kept; a proxy may have sent a page instead of the file",
        )
        .into());
    }
    fs_err::rename(partial, path)?;
    Ok(())
}

/// Copies everything into a new file and returns its SHA-256 in hexadecimal.
fn copy(from: &mut dyn Read, to: &Path, progress: &dyn Progress) -> anyhow::Result<String> {
    let mut file = fs_err::File::create(to)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut copied = 0;
    loop {
        if progress.is_cancelled() {
            return Err(featlas_pipeline::PipelineError::Interrupted.into());
        }
        let n = from.read(&mut chunk)?;
        if n == 0 {
            break;
        }
        copied += n as u64;
        if copied > MAX_BYTES {
            return Err(InputError::new(format!("the server sent more than {MAX_BYTES} bytes")).into());
        }
        hash.update(&chunk[..n]);
        file.write_all(&chunk[..n])?;
        progress.advance(Stage::Fetch, n as u64);
    }
    file.sync_all()?;
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16).unwrap_or('?'));
    Ok(hash.finalize().iter().flat_map(digits).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use featlas_core::Silent;
    use std::net::TcpListener;
    use std::thread::{Builder, JoinHandle};

    /// Serves `body` once on loopback and returns the address.
    fn serve(body: &'static [u8]) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/weights.pth", listener.local_addr().unwrap());
        let serve = move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).unwrap();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
        };
        (url, Builder::new().name("serve".to_owned()).spawn(serve).unwrap())
    }

    // SHA-256 of "abc", from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea";

    #[test]
    fn a_file_with_the_right_hash_takes_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        let (url, server) = serve(b"abc");
        fetch(&url, ABC, &path, &Silent).unwrap();
        server.join().unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"abc");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_with_another_hash_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (url, server) = serve(b"<html>");
        let err = fetch(&url, ABC, &folder.path().join("weights.pth"), &Silent).unwrap_err();
        server.join().unwrap();
        assert!(err.to_string().contains("expected ba7816bf8f01cfea"), "{err}");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }
}
