//! JSON files that carry a digest of their own bytes, so that any flipped bit is found.
//!
//! The last member is `"digest"`: the BLAKE3 digest of every byte before it. It is compared as bytes, not
//! as parsed text, so there is no bit of the file whose change goes unseen.

use crate::error::StoreError;
use featlas_core::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The version of everything this crate writes. A file of another version is refused.
pub const FORMAT_VERSION: u32 = 1;

const TAIL_START: &str = ",\n  \"digest\": \"";
const TAIL_END: &str = "\"\n}\n";
const TAIL_LEN: usize = TAIL_START.len() + 64 + TAIL_END.len();

/// Formats one of our own records and seals it; the digest is the one at its end.
pub(crate) fn seal(value: &impl Serialize) -> (Vec<u8>, Digest) {
    try_seal(value).expect("records hold only text, numbers and lists of them")
}

/// Formats `value`, a struct or map with at least one member, and seals it.
pub(crate) fn try_seal(value: &impl Serialize) -> Result<(Vec<u8>, Digest), serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    let body = text.strip_suffix("\n}").expect("only structs and maps with members are sealed").as_bytes();
    let digest = Digest::of(body);
    let text = digest.to_string();
    Ok(([body, TAIL_START.as_bytes(), text.as_bytes(), TAIL_END.as_bytes()].concat(), digest))
}

/// The digest at the end of a sealed file, once it fits the bytes before it.
fn sealed_digest(bytes: &[u8]) -> Option<Digest> {
    let (body, tail) = bytes.split_at_checked(bytes.len().checked_sub(TAIL_LEN)?)?;
    let digest = Digest::of(body);
    let expected = [TAIL_START, &digest.to_string(), TAIL_END].concat();
    (tail == expected.as_bytes()).then_some(digest)
}

/// Verifies the seal and the format version, then parses. `what` says what the file should be.
pub(crate) fn unseal<T: DeserializeOwned>(
    bytes: &[u8],
    path: &Path,
    what: &'static str,
) -> Result<(T, Digest), StoreError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format_version: u64,
    }
    let digest = sealed_digest(bytes).ok_or_else(|| StoreError::BrokenSeal { path: path.to_owned() })?;
    let json = |source| StoreError::Json { what, path: path.to_owned(), source };
    let version: Version = serde_json::from_slice(bytes).map_err(json)?;
    if version.format_version != u64::from(FORMAT_VERSION) {
        return Err(StoreError::FormatVersion {
            expected: FORMAT_VERSION,
            got: version.format_version,
            path: path.to_owned(),
        });
    }
    Ok((serde_json::from_slice(bytes).map_err(json)?, digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sealed() -> Vec<u8> {
        seal(&BTreeMap::from([("format_version", 1), ("b", 2)])).0
    }

    #[test]
    fn a_sealed_file_is_json_with_a_digest() {
        let value: serde_json::Value = serde_json::from_slice(&sealed()).unwrap();
        assert_eq!(value["b"], 2);
        assert_eq!(value["digest"].as_str().unwrap().len(), 64);
        let (back, _) = unseal::<serde_json::Value>(&sealed(), Path::new("x"), "a record").unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn every_single_flipped_bit_breaks_the_seal() {
        let bytes = sealed();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(sealed_digest(&damaged).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_breaks_the_seal() {
        let bytes = sealed();
        for len in 0..bytes.len() {
            assert!(sealed_digest(&bytes[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn another_format_version_is_refused_before_its_fields_are_read() {
        let (bytes, _) = seal(&BTreeMap::from([("format_version", 2)]));
        let err = unseal::<Vec<u8>>(&bytes, Path::new("x.json"), "a record").unwrap_err();
        assert_eq!(err.to_string(), "expected format version 1, got 2: `x.json`");
    }
}
