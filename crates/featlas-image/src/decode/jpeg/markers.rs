//! The skeleton of a JPEG file: where its segments lie, and whether it goes on to its end.

use super::super::{Reject, corrupt, truncated};
use std::ops::Range;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP1: u8 = 0xe1;
const EXIF: &[u8] = b"Exif\0\0";

/// What the markers of a file say, up to the end of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Bits a sample.
    pub(super) precision: u8,
    pub(super) components: u8,
    /// The frame's marker: 0xc0 to 0xcf.
    pub(super) frame: u8,
    pub(super) num_scans: u32,
    /// Components in the first scan.
    pub(super) first_scan_components: u8,
    /// Entropy-coded bytes of the first scan.
    pub(super) first_scan: Range<usize>,
    /// Content of the first EXIF segment, introduction included.
    pub(super) exif: Option<Range<usize>>,
}

impl Skeleton {
    /// Whether all pixels come from one scan, which libjpeg decodes while rows are asked for.
    pub(super) fn is_single_scan(&self) -> bool {
        let progressive = matches!(self.frame & 0x03, 2);
        !progressive && self.first_scan_components == self.components
    }
}

/// Follows the markers from the start of the file to the end-of-image marker.
///
/// Skips, as libjpeg does, bytes between segments that belong to none. What follows the end of the image is not
/// looked at.
pub(super) fn walk(bytes: &[u8]) -> Result<Skeleton, Reject> {
    let mut skeleton: Option<Skeleton> = None;
    let mut exif = None;
    let mut at = 2;
    loop {
        let (marker, body) = next_marker(bytes, at)?;
        at = body;
        match marker {
            EOI => break,
            // A second start makes libjpeg give up, with a message of its own.
            SOI | 0x01 | 0xd0..=0xd7 => continue,
            _ => {}
        }
        let segment = segment(bytes, body, marker)?;
        let content = &bytes[segment.clone()];
        at = segment.end;
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                if skeleton.is_some() {
                    return Err(corrupt("two frame headers"));
                }
                skeleton = Some(frame(content, marker)?);
            }
            SOS => {
                let end = end_of_scan(bytes, at)?;
                let skeleton = skeleton.as_mut().ok_or_else(|| corrupt("a scan before the frame header"))?;
                if skeleton.num_scans == 0 {
                    skeleton.first_scan_components = *content.first().unwrap_or(&0);
                    skeleton.first_scan = at..end;
                }
                skeleton.num_scans += 1;
                at = end;
            }
            APP1 if exif.is_none() && content.starts_with(EXIF) => exif = Some(segment),
            _ => {}
        }
    }
    match skeleton {
        Some(skeleton) if skeleton.num_scans > 0 => Ok(Skeleton { exif, ..skeleton }),
        _ => Err(corrupt("no scan in the file")),
    }
}

fn cut() -> Reject {
    truncated("the file ends before the end-of-image marker")
}

/// The next marker at or after `at`, and where its body begins.
fn next_marker(bytes: &[u8], mut at: usize) -> Result<(u8, usize), Reject> {
    loop {
        let rest = bytes.get(at..).ok_or_else(cut)?;
        at += rest.iter().position(|&byte| byte == 0xff).ok_or_else(cut)? + 1;
        match *bytes.get(at).ok_or_else(cut)? {
            0x00 => at += 1,
            // Any number of 0xff may come before a marker.
            0xff => {}
            marker => return Ok((marker, at + 1)),
        }
    }
}

/// The content of the segment whose length field lies at `at`.
fn segment(bytes: &[u8], at: usize, marker: u8) -> Result<Range<usize>, Reject> {
    let Some(&[high, low]) = bytes.get(at..at + 2) else { return Err(cut()) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len < 2 {
        return Err(corrupt(format!("segment {marker:#04x} states a length of {len}")));
    }
    if at + len > bytes.len() {
        return Err(truncated(format!(
            "segment {marker:#04x} needs {} bytes, the file has {}",
            at + len,
            bytes.len()
        )));
    }
    Ok(at + 2..at + len)
}

fn frame(content: &[u8], marker: u8) -> Result<Skeleton, Reject> {
    let &[precision, h1, h0, w1, w0, components, ..] = content else {
        return Err(corrupt("the frame header is too short"));
    };
    Ok(Skeleton {
        width: u16::from_be_bytes([w1, w0]),
        height: u16::from_be_bytes([h1, h0]),
        precision,
        components,
        frame: marker,
        num_scans: 0,
        first_scan_components: 0,
        first_scan: 0..0,
        exif: None,
    })
}

/// Where the entropy-coded bytes from `at` on end: at a marker that is neither stuffing nor a restart.
fn end_of_scan(bytes: &[u8], mut at: usize) -> Result<usize, Reject> {
    loop {
        let rest = bytes.get(at..).ok_or_else(cut)?;
        at += rest.iter().position(|&byte| byte == 0xff).ok_or_else(cut)?;
        match *bytes.get(at + 1).ok_or_else(cut)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Ok(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::RejectReason;

    /// Start, frame of 3x2 gray pixels, one scan with a stuffed byte and a restart, end, garbage.
    const FILE: &[u8] = &[
        0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0, 0xff, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63,
        0, 7, 0xff, 0, 9, 0xff, 0xd0, 5, 0xff, 0xd9, 1, 2, 3,
    ];

    #[test]
    fn skeleton_of_a_small_file() {
        let skeleton = walk(FILE).unwrap();
        assert_eq!((skeleton.width, skeleton.height), (3, 2));
        assert_eq!((skeleton.components, skeleton.num_scans), (1, 1));
        assert_eq!(&FILE[skeleton.first_scan.clone()], [7, 0xff, 0, 9, 0xff, 0xd0, 5]);
        assert!(skeleton.is_single_scan());
    }

    #[test]
    fn every_cut_before_the_end_marker_is_noticed() {
        for len in 2..FILE.len() - 3 {
            assert_eq!(walk(&FILE[..len]).unwrap_err().reason, RejectReason::Truncated, "{len}");
        }
    }
}
