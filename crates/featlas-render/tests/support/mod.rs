//! What several test files need: nasty names, a strict reader of our pages, golden pictures.

#![expect(dead_code, reason = "every test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

pub(crate) mod page;

use featlas_core::RgbImage;
use fs_err as fs;
use std::path::PathBuf;

/// Forty names that have broken somebody's page, sheet or terminal.
pub(crate) fn nasty_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "<script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "</style><img src=x onerror=alert(1)>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg onload=alert(1)>",
        "\" onmouseover=\"alert(1)",
        "' onfocus='alert(1)' autofocus='",
        "` onclick=`alert(1)",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example/x.png",
        "///evil.example/x.png",
        "../../etc/passwd",
        "a/../../b.png",
        "?query=1#fragment",
        "100%.png",
        "%3Cscript%3E",
        "&lt;script&gt;",
        "&#60;b&#62;",
        "&amp",
        "<!-- comment",
        "--><b>",
        "<![CDATA[ x ]]>",
        "<!doctype html>",
        "<",
        ">",
        "a\nb\r\nc.png",
        "\ttab and  two spaces ",
        "null\0byte.png",
        "\u{1b}[31mred\u{1b}[0m.png",
        "\u{7f}\u{80}\u{9f}.png",
        "\u{202e}gpj.exe",
        "\u{2066}isolate\u{2069}\u{200b}\u{feff}.png",
        "line\u{2028}separator\u{2029}.png",
        "שלום עולם.png",
        "مرحبا.jpeg",
        "not utf-8: \u{fffd}\u{fffd}.png",
        "emoji 👩\u{200d}🚀 flag 🏴\u{e0067}\u{e007f}.png",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("n".repeat(251) + ".png");
    names.push("e\u{301}".repeat(85));
    assert_eq!(names.len(), 40);
    names
}

/// Compares `image` with `tests/golden/NAME.png`, within `per_channel` levels but for `outliers` pixels.
///
/// `UPDATE_GOLDEN=1` rewrites the golden picture. A failure leaves expected, actual and amplified difference
/// side by side in one picture, and says where.
pub(crate) fn check_image(name: &str, image: &RgbImage, per_channel: u8, outliers: usize) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.png"));
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&golden, featlas_image::encode_png(image).unwrap()).unwrap();
        return;
    }
    let expected =
        read_png(&fs::read(&golden).expect("run with UPDATE_GOLDEN=1 to write new golden pictures"));
    let same_size = (expected.width(), expected.height()) == (image.width(), image.height());
    let differing = expected
        .data()
        .chunks(3)
        .zip(image.data().chunks(3))
        .filter(|(a, b)| (0..3).any(|c| a[c].abs_diff(b[c]) > per_channel))
        .count();
    if same_size && differing <= outliers {
        return;
    }
    let (width, height) = (expected.width().max(image.width()), expected.height().max(image.height()));
    let mut strip = RgbImage::filled(width * 3, height, [255, 0, 255]);
    strip.paste(&expected, 0, 0);
    strip.paste(image, i64::from(width), 0);
    for y in 0..expected.height().min(image.height()) {
        for x in 0..expected.width().min(image.width()) {
            let (a, b) = (expected.pixel(x, y), image.pixel(x, y));
            strip.set_pixel(2 * width + x, y, std::array::from_fn(|c| a[c].abs_diff(b[c]).saturating_mul(8)));
        }
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}-expected-actual-difference.png"));
    fs::write(&path, featlas_image::encode_png(&strip).unwrap()).unwrap();
    panic!(
        "`{name}`: {differing} of {} pixels differ by more than {per_channel} (allowed {outliers}), \
         {}x{} expected, {}x{} drawn; see {}",
        image.data().len() / 3,
        expected.width(),
        expected.height(),
        image.width(),
        image.height(),
        path.display()
    );
}

pub(crate) fn read_png(bytes: &[u8]) -> RgbImage {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    RgbImage::new(info.width, info.height, pixels).unwrap()
}

/// A picture with a gradient and an edge, different for every `seed`.
pub(crate) fn tile(width: u32, height: u32, seed: u32) -> RgbImage {
    let mut image = RgbImage::filled(width, height, [0, 0, 0]);
    for y in 0..height {
        for x in 0..width {
            let level = |v: u32| u8::try_from(v % 256).unwrap();
            let edge = if (x + y + seed).is_multiple_of(11) { 60 } else { 0 };
            image.set_pixel(
                x,
                y,
                [level(x * 255 / width / 2 + edge), level(y * 255 / height), level(seed * 67 + 40)],
            );
        }
    }
    image
}
