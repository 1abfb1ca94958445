//! Writes one contact sheet a class, to look at: `contact_sheets OUT_DIR [SEED] [CLASS…]`.
//!
//! Sheets are PPM files, which most viewers open and every converter reads.

use featlas_core::RgbImage;
use featlas_scenes::{classes, draw};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

const COLUMNS: u32 = 6;
const ROWS: u32 = 4;
const TILE_PX: u32 = 304;

#[expect(clippy::print_stdout, reason = "an example talks to its reader")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let out = PathBuf::from(args.next().ok_or("expected: contact_sheets OUT_DIR [SEED] [CLASS…]")?);
    let seed = args.next().map_or(Ok(0), |text| text.parse())?;
    let wanted: Vec<String> = args.collect();
    fs_err::create_dir_all(&out)?;
    for (class, name) in classes().iter().enumerate() {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let mut sheet = RgbImage::filled(COLUMNS * TILE_PX, ROWS * TILE_PX, [32, 32, 32]);
        let start = Instant::now();
        for index in 0..COLUMNS * ROWS {
            let image = draw(class, u64::from(index), seed);
            let (x, y) = (index % COLUMNS * TILE_PX, index / COLUMNS * TILE_PX);
            sheet.paste(&image, i64::from(x), i64::from(y));
        }
        let each = start.elapsed().as_secs_f64() * 1000.0 / f64::from(COLUMNS * ROWS);
        println!("{name}: {each:.1} ms an image");
        let header = format!("P6\n{} {}\n255\n", sheet.width(), sheet.height());
        fs_err::write(out.join(format!("{name}.ppm")), [header.as_bytes(), sheet.data()].concat())?;
    }
    Ok(())
}
