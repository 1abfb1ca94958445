//! The one-line text form of a preprocessing.
//!
//! ```text
//! text    = ["caffe:"] clause { (";" | ",") clause }
//! clause  = "RGB" | "BGR"
//!         | "shorter side to" N  |  "warp to" N "x" N ["(bilinear)"]
//!         | ["antialiased"] "bilinear"
//!         | ("center" | "centre") "crop" N
//!         | "/255" | "0-255"
//!         | ("mean" | "minus" | "std") X sep X sep X        sep = " " | "/"
//! ```
//! Every clause stands at most once; color, resize, crop and scale must stand; without a mean nothing is
//! taken off, without a standard deviation nothing is divided.

use super::{Planes, Preprocess, Resize, Scale};
use crate::error::NetError;

/// No side of a picture on its way into a network is longer than this.
const MAX_SIDE_PX: u32 = 4096;

/// What the clauses said so far.
#[derive(Debug, Default)]
struct Clauses {
    resize: Option<Resize>,
    filter: Option<()>,
    crop_px: Option<u32>,
    planes: Option<Planes>,
    scale: Option<Scale>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
}

const UNKNOWN: &str = "not in the grammar";

impl Preprocess {
    /// Reads the text form: the clauses `RGB` or `BGR`, `shorter side to N` or `warp to NxN`,
    /// `center crop N`, `/255` or `0-255`, `mean a b c` (or `minus a/b/c`), `std a b c`, separated by
    /// semicolons or commas.
    ///
    /// # Errors
    /// [`NetError::PreprocessClause`] for a clause that is unknown or repeated or has a number out of
    /// range, [`NetError::PreprocessIncomplete`] for a text that leaves something open.
    pub fn parse(text: &str) -> Result<Self, NetError> {
        let body = text.trim();
        let body = body.strip_prefix("caffe:").unwrap_or(body);
        let mut clauses = Clauses::default();
        for clause in body.split([';', ',']).map(str::trim) {
            clauses.read(clause).map_err(|reason| NetError::PreprocessClause {
                clause: clause.to_owned(),
                reason,
                text: text.to_owned(),
            })?;
        }
        let missing = |missing| NetError::PreprocessIncomplete { missing, text: text.to_owned() };
        Ok(Self {
            resize: clauses.resize.ok_or_else(|| missing("resize"))?,
            crop_px: clauses.crop_px.ok_or_else(|| missing("crop"))?,
            planes: clauses.planes.ok_or_else(|| missing("color order"))?,
            scale: clauses.scale.ok_or_else(|| missing("scale"))?,
            mean: clauses.mean.unwrap_or([0.0; 3]),
            std: clauses.std.unwrap_or([1.0; 3]),
        })
    }

    /// The text form; [`Preprocess::parse`] reads it back to an equal value.
    pub fn describe(&self) -> String {
        let planes = match self.planes {
            Planes::Rgb => "RGB",
            Planes::Bgr => "BGR",
        };
        let resize = match self.resize {
            Resize::ShorterSide(side) => format!("shorter side to {side}, antialiased bilinear"),
            Resize::Warp(side) => format!("warp to {side}x{side}, antialiased bilinear"),
        };
        let scale = match self.scale {
            Scale::Unit => "/255",
            Scale::Bytes => "0-255",
        };
        let three = |[a, b, c]: [f32; 3]| format!("{a} {b} {c}");
        format!(
            "{planes}; {resize}; center crop {}; {scale}; mean {}; std {}",
            self.crop_px,
            three(self.mean),
            three(self.std)
        )
    }
}

impl Clauses {
    fn read(&mut self, clause: &str) -> Result<(), &'static str> {
        match clause {
            "RGB" => return once(&mut self.planes, Planes::Rgb),
            "BGR" => return once(&mut self.planes, Planes::Bgr),
            "/255" => return once(&mut self.scale, Scale::Unit),
            "0-255" => return once(&mut self.scale, Scale::Bytes),
            "bilinear" | "antialiased bilinear" => return once(&mut self.filter, ()),
            _ => {}
        }
        if let Some(rest) = clause.strip_prefix("shorter side to ") {
            return once(&mut self.resize, Resize::ShorterSide(side(rest)?));
        }
        if let Some(rest) = clause.strip_prefix("warp to ") {
            let size = match rest.strip_suffix("(bilinear)") {
                Some(size) => {
                    once(&mut self.filter, ())?;
                    size
                }
                None => rest,
            };
            let (width, height) = size.trim_end().split_once('x').ok_or(UNKNOWN)?;
            if side(width)? != side(height)? {
                return Err("the two sides differ");
            }
            return once(&mut self.resize, Resize::Warp(side(width)?));
        }
        if let Some(rest) =
            clause.strip_prefix("center crop ").or_else(|| clause.strip_prefix("centre crop "))
        {
            return once(&mut self.crop_px, side(rest)?);
        }
        if let Some(rest) = clause.strip_prefix("mean ").or_else(|| clause.strip_prefix("minus ")) {
            return once(&mut self.mean, three(rest)?);
        }
        if let Some(rest) = clause.strip_prefix("std ") {
            let std = three(rest)?;
            if std.iter().any(|&s| s <= 0.0) {
                return Err("a standard deviation is not positive");
            }
            return once(&mut self.std, std);
        }
        Err(UNKNOWN)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    if slot.replace(value).is_some() { Err("it stands twice or against another one") } else { Ok(()) }
}

fn side(text: &str) -> Result<u32, &'static str> {
    match text.trim().parse() {
        Ok(side @ 1..=MAX_SIDE_PX) => Ok(side),
        Ok(_) => Err("the side is not between 1 and 4096"),
        Err(_) => Err("the side is no whole number"),
    }
}

fn three(text: &str) -> Result<[f32; 3], &'static str> {
    let numbers = text
        .split([' ', '/'])
        .filter(|word| !word.is_empty())
        .map(|word| word.parse::<f32>().ok().filter(|v| v.is_finite()))
        .collect::<Option<Vec<f32>>>()
        .ok_or("a number cannot be read")?;
    numbers.try_into().map_err(|_wrong_count| "expected three numbers")
}
