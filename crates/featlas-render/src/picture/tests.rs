use super::*;
use featlas_core::{Progress, Rect, Silent, Stage, Stopped};
use std::io::Write;

struct Stripes {
    width: u32,
    height: u32,
    cuts: Vec<u32>,
}

impl Picture for Stripes {
    fn width(&self) -> u32 {
        self.width
    }
    fn height(&self) -> u32 {
        self.height
    }
    fn background(&self) -> Color {
        [1, 2, 3]
    }
    fn num_images(&self) -> u64 {
        10
    }
    fn good_cuts(&self) -> Vec<u32> {
        self.cuts.clone()
    }
    fn draw(&self, canvas: &mut Canvas) {
        for top in (0..i64::from(self.height)).step_by(7) {
            canvas.fill(Rect { left: top, top, right: top + 50, bottom: top + 3 }, [200, 100, 50]);
        }
    }
}

#[test]
fn strips_cover_every_row_once_and_end_at_good_cuts() {
    for cuts in [vec![], vec![0, 40, 700, 701, 1_300, 2_000], (0..2_000).step_by(90).collect()] {
        let picture = Stripes { width: 5_000, height: 2_000, cuts };
        let strips = strips(&picture);
        assert_eq!(strips[0].0, 0);
        assert_eq!(strips[strips.len() - 1].1, 2_000);
        assert!(strips.windows(2).all(|w| w[0].1 == w[1].0));
        assert!(strips.iter().all(|(top, bottom)| top < bottom));
        assert!(strips.len() > 2, "{strips:?}");
        if !picture.cuts.is_empty() {
            assert!(strips.iter().all(|(_, end)| *end == 2_000 || picture.cuts.contains(end)));
        }
    }
}

#[test]
fn no_strip_outgrows_its_memory() {
    for (width, cuts) in [(60_000, vec![6_000, 12_000]), (60_000, vec![]), (300, vec![30_000])] {
        let picture = Stripes { width, height: 60_000, cuts };
        let strips = strips(&picture);
        assert!(strips.windows(2).all(|w| w[0].1 == w[1].0) && strips[strips.len() - 1].1 == 60_000);
        let largest = strips.iter().map(|(top, bottom)| (bottom - top) * width).max();
        assert!(largest <= Some(MOST_STRIP_PIXELS), "{width}: {largest:?}");
    }
    assert_eq!([1, 64, 1_000, 60_000].map(batch_size), [1_024, 1_024, 33, 2]);
}

#[test]
fn the_streamed_png_holds_the_pixels_drawn_at_once() {
    let picture = Stripes { width: 300, height: 1_400, cuts: vec![] };
    let mut bytes = Vec::new();
    write_png(&picture, &Silent, &mut bytes).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert!(strips(&picture).len() > 1);
    assert_eq!(pixels, render(&picture).into_data());
}

#[test]
fn the_streamed_jpeg_shows_the_pixels_drawn_at_once() {
    let picture = Stripes { width: 300, height: 1_400, cuts: vec![] };
    let mut bytes = Vec::new();
    write_jpeg(&picture, 95, &Silent, &mut bytes).unwrap();
    let read = featlas_image::decode(&bytes, &featlas_image::DecodeOptions::default()).unwrap().image;
    let drawn = render(&picture);
    assert_eq!((read.width(), read.height()), (300, 1_400));
    let off: u64 = read.data().iter().zip(drawn.data()).map(|(a, &b)| u64::from(a.abs_diff(b))).sum();
    assert!(off < 8 * 300 * 1_400 * 3, "{off}");
}

#[test]
fn a_jpeg_beyond_its_format_is_refused_before_it_is_drawn() {
    let picture = Stripes { width: 65_501, height: 1, cuts: vec![] };
    let mut bytes = Vec::new();
    let err = write_jpeg(&picture, 90, &Silent, &mut bytes).unwrap_err();
    assert_eq!(err.to_string(), "a JPEG of 65501x1 px is too large: expected at most 65500 px a side");
    assert!(bytes.is_empty() && err.hint().unwrap().contains(".png"));
}

#[test]
fn progress_ends_at_the_number_of_images() {
    use std::sync::atomic::{AtomicU64, Ordering};
    #[derive(Default)]
    struct Sum(AtomicU64);
    impl Progress for Sum {
        fn begin(&self, _: Stage, total: Option<u64>) {
            assert_eq!(total, Some(10));
        }
        fn advance(&self, _: Stage, n: u64) {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
        fn end(&self, _: Stage) {
            assert_eq!(self.0.load(Ordering::Relaxed), 10);
        }
        fn warn(&self, _: &str) {}
    }
    let sum = Sum::default();
    write_png(&Stripes { width: 64, height: 2_000, cuts: vec![] }, &sum, &mut Vec::new()).unwrap();
    assert_eq!(sum.0.into_inner(), 10);
}

#[test]
fn a_cancelled_run_stops() {
    let err = write_png(&Stripes { width: 64, height: 64, cuts: vec![] }, &Stopped, &mut Vec::new());
    assert!(matches!(err, Err(RenderError::Cancelled)));
}

#[test]
fn a_full_disk_is_an_error() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let picture = Stripes { width: 500, height: 1_400, cuts: vec![] };
    for room in [0, 40, 200, 2_000] {
        let err = write_png(&picture, &Silent, &mut Full(room)).unwrap_err();
        assert!(matches!(err, RenderError::Write { .. }), "{room}: {err}");
    }
}

#[test]
fn sizes_beyond_the_limit_are_refused() {
    assert_eq!(check_size(65_535, 1).unwrap(), (65_535, 1));
    for (width, height) in [(65_536, 10), (10, 65_536), (u64::MAX, 1), (0, 5)] {
        assert!(matches!(check_size(width, height), Err(RenderError::TooLarge { .. })));
    }
}

#[test]
fn a_preview_is_the_mean_of_the_blocks() {
    let picture = Stripes { width: 305, height: 1_403, cuts: vec![] };
    let previewed = Previewed::new(&picture, 150);
    let mut bytes = Vec::new();
    write_png(&previewed, &Silent, &mut bytes).unwrap();
    let (preview, whole) = (previewed.preview(), render(&picture));
    assert_eq!((preview.width(), preview.height()), (31, 141));
    for (x, y) in [(0, 0), (4, 3), (5, 70), (30, 17), (30, 140)] {
        let (across, down) = ((305 - x * 10).min(10), (1_403 - y * 10).min(10));
        let sum: u32 = (0..across)
            .flat_map(|dx| (0..down).map(move |dy| (x * 10 + dx, y * 10 + dy)))
            .map(|(x, y)| u32::from(whole.pixel(x, y)[0]))
            .sum();
        let mean = f64::from(sum) / f64::from(across * down);
        assert!((f64::from(preview.pixel(x, y)[0]) - mean).abs() <= 0.51, "({x}, {y})");
    }
}
