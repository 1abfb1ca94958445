//! JPEG through libjpeg's own code, so that pixels equal those of every program that uses libjpeg-turbo.
//!
//! libjpeg only warns about damaged data and fills the hole with gray. Its error manager is replaced here by one
//! that gives up instead. A missing end never gets that far: the markers are followed to the end first.

mod markers;

use super::convert::Samples;
use super::convert::{cmyk_to_rgb, picture, rgb_from_8};
use super::{Raw, Reject, corrupt, exif_orientation, unsupported};
use crate::limits::Limits;
use crate::reject::RejectReason;
use featlas_core::RgbImage;
use markers::Skeleton;
use mozjpeg::ColorSpace;
use mozjpeg::decompress::DecompressBuilder;
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr};
use std::cell::Cell;
use std::ffi::c_int;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

/// A scan costs a pass over the whole picture; real files have at most 16 or so.
const MAX_SCANS: u32 = 200;
/// Entropy-coded bytes that may be left when every pixel is decoded. Some cameras pad; more of it means that the
/// decoder lost its way.
const MAX_LEFTOVER_BYTES: usize = 4096;
/// The same as a share of the scan: one in so many bytes.
const MAX_LEFTOVER_SHARE: usize = 16;
/// Grain in which the reader notices how far libjpeg came.
const LEFTOVER_GRAIN_BYTES: usize = 64;
/// Rows that are decoded at a time, so that damage can be placed.
const ROWS_AT_A_TIME: usize = 16;

/// Decodes in the memory of `data`; what it held is dropped.
pub(super) fn decode(bytes: &[u8], limits: Limits, data: Vec<u8>) -> Result<Raw, Reject> {
    let skeleton = markers::walk(bytes)?;
    limits.check_size(skeleton.width.into(), skeleton.height.into())?;
    check_kind(&skeleton)?;
    let row = Cell::new(0);
    let image = catch_unwind(AssertUnwindSafe(|| pixels(bytes, &skeleton, &row, data)));
    let image = match image {
        Ok(image) => image?,
        Err(payload) => match payload.downcast_ref::<Stopped>() {
            Some(Stopped::Damage) => {
                let height = skeleton.height;
                return Err(corrupt(format!("damaged data near row {} of {height}", row.get())));
            }
            Some(Stopped::Error) => return Err(corrupt(error_text(bytes))),
            None => resume_unwind(payload),
        },
    };
    Ok(Raw { image, orientation: exif_orientation(skeleton.exif.map(|exif| &bytes[exif])) })
}

fn check_kind(skeleton: &Skeleton) -> Result<(), Reject> {
    if skeleton.precision != 8 {
        return Err(unsupported(format!("JPEG with {} bits a sample is not read", skeleton.precision)));
    }
    if !matches!(skeleton.frame, 0xc0..=0xc2) {
        return Err(unsupported(format!(
            "JPEG with frame {:#04x} (lossless, arithmetic) is not read",
            skeleton.frame
        )));
    }
    if !matches!(skeleton.components, 1 | 3 | 4) {
        return Err(unsupported(format!("JPEG with {} components is not read", skeleton.components)));
    }
    if skeleton.num_scans > MAX_SCANS {
        let message = format!("{} scans; at most {MAX_SCANS} are allowed", skeleton.num_scans);
        return Err(Reject::new(RejectReason::TooLarge, message));
    }
    Ok(())
}

fn pixels(
    bytes: &[u8],
    skeleton: &Skeleton,
    row: &Cell<usize>,
    mut data: Vec<u8>,
) -> Result<RgbImage, Reject> {
    let handed = Cell::new(0);
    let scan = skeleton.first_scan.clone();
    let leftover = MAX_LEFTOVER_BYTES.min(scan.len() / MAX_LEFTOVER_SHARE);
    let mut reader = Tail { bytes, at: 0, fine: 0..0, handed: &handed };
    if skeleton.is_single_scan() {
        reader.fine = scan.end.saturating_sub(leftover + LEFTOVER_GRAIN_BYTES)..scan.end;
    }

    // Warnings about the header are about matters of taste. With one scan, no pixel data is touched before rows
    // are asked for; with several, all of it is.
    STRICT.set(false);
    let builder = DecompressBuilder::new().with_err(giving_up());
    let header = builder.from_reader(reader).map_err(|err| corrupt(err.to_string()))?;
    STRICT.set(!skeleton.is_single_scan());
    let space = match skeleton.components {
        1 => ColorSpace::JCS_GRAYSCALE,
        3 => ColorSpace::JCS_RGB,
        _ => ColorSpace::JCS_CMYK,
    };
    let mut rows = header.to_colorspace(space).map_err(|err| corrupt(err.to_string()))?;
    STRICT.set(true);
    let (width, height) = (rows.width(), rows.height());
    if (width, height) != (usize::from(skeleton.width), usize::from(skeleton.height)) {
        return Err(corrupt(format!("two sizes stated; the second is {width}x{height}")));
    }
    let components = usize::from(skeleton.components);
    data.clear();
    data.reserve_exact(width * height * 3);
    let mut block = vec![0u8; width * components * ROWS_AT_A_TIME];
    while row.get() < height {
        let count = ROWS_AT_A_TIME.min(height - row.get());
        let block = &mut block[..width * components * count];
        rows.read_scanlines_into(block).map_err(|err| corrupt(err.to_string()))?;
        match components {
            1 => data.extend(rgb_from_8(block.to_vec(), Samples::Gray { extra: 0 })),
            3 => data.extend_from_slice(block),
            // As Pillow does, all CMYK is taken to be stored inverted, which is Adobe's way.
            _ => data
                .extend(block.as_chunks().0.iter().flat_map(|cmyk| cmyk_to_rgb(cmyk.map(|ink| 255 - ink)))),
        }
        row.set(row.get() + count);
    }
    if skeleton.is_single_scan() && scan.end.saturating_sub(handed.get()) > leftover {
        let left = scan.end - handed.get();
        return Err(corrupt(format!("{left} bytes of data are left after the last row")));
    }
    picture(skeleton.width.into(), skeleton.height.into(), data)
}

/// Hands the file to libjpeg: at once, except that the end of the scan comes in small pieces, so that it can be
/// told how much of it was used.
struct Tail<'a> {
    bytes: &'a [u8],
    at: usize,
    fine: std::ops::Range<usize>,
    handed: &'a Cell<usize>,
}

impl BufRead for Tail<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let end = if self.at < self.fine.start {
            self.fine.start
        } else if self.at < self.fine.end {
            self.fine.end.min(self.at + LEFTOVER_GRAIN_BYTES)
        } else {
            self.bytes.len()
        };
        self.handed.set(end);
        Ok(&self.bytes[self.at..end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.bytes.len());
    }
}

impl Read for Tail<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(out)?;
        self.consume(amount);
        Ok(amount)
    }
}

/// What unwinds out of libjpeg.
enum Stopped {
    /// It warned about the data.
    Damage,
    /// It cannot go on.
    Error,
}

thread_local! {
    /// Whether a warning of libjpeg on this thread is now the end of the image.
    static STRICT: Cell<bool> = const { Cell::new(false) };
}

/// An error manager that unwinds at errors and, when [`STRICT`], at warnings.
fn giving_up() -> jpeg_error_mgr {
    jpeg_error_mgr {
        error_exit: Some(on_error),
        emit_message: Some(on_message),
        output_message: Some(on_nothing),
        format_message: None,
        reset_error_mgr: Some(on_nothing),
        msg_code: 0,
        msg_parm: mozjpeg_sys::msg_parm_union::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

extern "C-unwind" fn on_error(_common: &mut jpeg_common_struct) {
    resume_unwind(Box::new(Stopped::Error));
}

/// Levels below zero are warnings; the others tell what goes on.
extern "C-unwind" fn on_message(_common: &mut jpeg_common_struct, level: c_int) {
    if level < 0 && STRICT.get() {
        resume_unwind(Box::new(Stopped::Damage));
    }
}

extern "C-unwind" fn on_nothing(_common: &mut jpeg_common_struct) {}

/// The words of libjpeg for an error. Only its own manager has them, so the file is decoded once more.
fn error_text(bytes: &[u8]) -> String {
    let again = catch_unwind(|| {
        let mut rows = DecompressBuilder::new().from_mem(bytes)?.grayscale()?;
        let mut row = vec![0u8; rows.width()];
        for _ in 0..rows.height() {
            rows.read_scanlines_into(&mut row)?;
        }
        Ok::<(), io::Error>(())
    });
    match again {
        Err(payload) => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => "libjpeg gave up".to_owned(),
        },
        Ok(_) => "libjpeg gave up".to_owned(),
    }
}
