use super::*;
use crate::error::NetError;
use crate::testing::{assert_close, checksum, floats, golden, picture};
use proptest::prelude::*;

const TORCHVISION: &str = "RGB; shorter side to 256, antialiased bilinear; centre crop 224; /255; \
                           mean 0.485 0.456 0.406; std 0.229 0.224 0.225";
const CAFFE: &str = "caffe: warp to 256x256 (bilinear), centre crop 227, BGR, 0-255, minus 104/117/123";

#[test]
fn published_texts_are_the_presets() {
    assert_eq!(Preprocess::parse(TORCHVISION).unwrap(), Preprocess::torchvision());
    assert_eq!(Preprocess::parse(CAFFE).unwrap(), Preprocess::caffe());
    assert_eq!(
        Preprocess::torchvision().describe(),
        "RGB; shorter side to 256, antialiased bilinear; center crop 224; /255; mean 0.485 0.456 0.406; \
         std 0.229 0.224 0.225"
    );
}

#[test]
fn wrong_texts_are_refused_with_the_clause() {
    let refused = |text: &str| Preprocess::parse(text).unwrap_err().to_string();
    assert_eq!(
        refused("RGB; shorter side to 256; center crop 224; /255; gamma 2.2"),
        "cannot read preprocessing clause `gamma 2.2`: not in the grammar in \
         `RGB; shorter side to 256; center crop 224; /255; gamma 2.2`"
    );
    assert!(refused("RGB; BGR; warp to 8x8; center crop 8; /255").contains("`BGR`: it stands twice"));
    assert!(refused("RGB; warp to 8x9; center crop 8; /255").contains("the two sides differ"));
    assert!(refused("RGB; warp to 0x0; center crop 8; /255").contains("between 1 and 4096"));
    assert!(refused("RGB; warp to 8x8; center crop 99999; /255").contains("between 1 and 4096"));
    assert!(refused("RGB; warp to 8x8; center crop x; /255").contains("no whole number"));
    assert!(refused("RGB; warp to 8x8; center crop 8; /255; mean 1 2").contains("expected three numbers"));
    assert!(
        refused("RGB; warp to 8x8; center crop 8; /255; mean 1 2 nan").contains("a number cannot be read")
    );
    assert!(refused("RGB; warp to 8x8; center crop 8; /255; std 1 0 1").contains("not positive"));
    assert!(refused("RGB; warp to 8x8 (bilinear); bilinear; center crop 8; /255").contains("stands twice"));
    assert_eq!(
        refused("RGB; shorter side to 256; /255"),
        "preprocessing names no crop: `RGB; shorter side to 256; /255`"
    );
    assert!(matches!(Preprocess::parse("").unwrap_err(), NetError::PreprocessClause { .. }));
}

proptest! {
    #[test]
    fn text_form_round_trips(
        side in 1_u32..=4096,
        crop in 1_u32..=4096,
        warp in any::<bool>(),
        bgr in any::<bool>(),
        bytes in any::<bool>(),
        mean in prop::array::uniform3(-300.0_f32..300.0),
        std in prop::array::uniform3(1e-6_f32..300.0),
    ) {
        let preprocess = Preprocess {
            resize: if warp { Resize::Warp(side) } else { Resize::ShorterSide(side) },
            crop_px: crop,
            planes: if bgr { Planes::Bgr } else { Planes::Rgb },
            scale: if bytes { Scale::Bytes } else { Scale::Unit },
            mean,
            std,
        };
        prop_assert_eq!(Preprocess::parse(&preprocess.describe()).unwrap(), preprocess);
    }

    /// A point of the crop taken back to the original and forward again is where it was.
    #[test]
    fn original_rectangles_are_the_inverse_of_the_crop(
        width in 1_u32..600,
        height in 1_u32..600,
        preset in any::<bool>(),
        point in prop::array::uniform2(-40.0_f64..260.0),
    ) {
        prop_assume!(width.max(height) / width.min(height) < MAX_ASPECT);
        let preprocess = if preset { Preprocess::torchvision() } else { Preprocess::caffe() };
        let [x, y] = point;
        let input = RectF { left: x, top: y, right: x + 10.0, bottom: y + 20.0 };
        let back = preprocess.to_original(input, width, height);
        let (resized_w, resized_h) = preprocess.placement(width, height).resized;
        let (offset_x, offset_y) = preprocess.placement(width, height).offset;
        let forward_x = back.left * f64::from(resized_w) / f64::from(width) - offset_x as f64;
        let forward_y = back.bottom * f64::from(resized_h) / f64::from(height) - offset_y as f64;
        prop_assert!((forward_x - x).abs() < 1e-6 && (forward_y - (y + 20.0)).abs() < 1e-6);
    }
}

/// Every crop's pixels equal torchvision's on Pillow's, to the bit.
#[test]
fn crops_equal_torchvisions() {
    let golden = golden("preprocess.json");
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let number = |key: &str| u32::try_from(case[key].as_u64().unwrap()).unwrap();
        let preprocess = Preprocess::parse(case["preprocess"].as_str().unwrap()).unwrap();
        let image = picture(number("width"), number("height"), number("seed"));
        let crop = preprocess.crop(&image);
        let what = format!("{}x{}, {}", image.width(), image.height(), preprocess.describe());
        assert_eq!((crop.width(), crop.height()), (number("px"), number("px")), "{what}");
        let first: Vec<u64> = crop.pixel(0, 0).map(u64::from).to_vec();
        let expected: Vec<u64> =
            case["first"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert_eq!(first, expected, "{what}");
        assert_eq!(checksum(crop.data()).to_string(), case["sum"].as_str().unwrap(), "{what}");
        if let Some(values) = case.get("values") {
            let px = preprocess.input_px() as usize;
            let mut input = vec![0.0; 3 * px * px];
            preprocess.write_input(&image, &mut input);
            let at = |c: usize, y: usize| &input[(c * px + y) * px + 100..][..3];
            let got: Vec<f32> = (0..3).flat_map(|c| at(c, 100).to_vec()).collect();
            assert_close(&what, &got, &floats(values), 1e-7, 1.0);
        }
    }
    assert_eq!(cases.len(), 13 * 6);
}

/// A strip of 20,000 to 1 would be resized to five million pixels in a row.
#[test]
fn long_strips_stay_small() {
    let preprocess = Preprocess::torchvision();
    for (width, height) in [(20_000, 1), (1, 20_000)] {
        let placement = preprocess.placement(width, height);
        assert_eq!(placement.resized.0.max(placement.resized.1), 256 * MAX_ASPECT);
        let crop = preprocess.crop(&picture(width, height, 0));
        assert_eq!((crop.width(), crop.height()), (224, 224));
        let whole =
            preprocess.to_original(RectF { left: 0.0, top: 0.0, right: 224.0, bottom: 224.0 }, width, height);
        let middle = f64::from(width.max(height)) / 2.0;
        let (start, end) = if width > height { (whole.left, whole.right) } else { (whole.top, whole.bottom) };
        assert!(start < middle && middle < end && end - start < 1.0, "{whole:?}");
    }
}

/// The middle of a strip shows the middle of the picture.
#[test]
fn long_strips_are_cropped_in_the_middle() {
    let mut strip = RgbImage::filled(2001, 4, [10, 20, 30]);
    for y in 0..4 {
        (999..1002).for_each(|x| strip.set_pixel(x, y, [250, 250, 250]));
    }
    let crop = Preprocess::torchvision().crop(&strip);
    assert_eq!(crop.pixel(112, 112), [250, 250, 250]);
    assert_eq!(crop.pixel(2, 112), [10, 20, 30]);
}

#[test]
fn whole_input_maps_to_the_center_of_the_original() {
    let input = RectF { left: 0.0, top: 0.0, right: 224.0, bottom: 224.0 };
    let original = Preprocess::torchvision().to_original(input, 512, 256);
    assert_eq!(original, RectF { left: 144.0, top: 16.0, right: 368.0, bottom: 240.0 });
    let input = RectF { left: 0.0, top: 0.0, right: 227.0, bottom: 227.0 };
    let original = Preprocess::caffe().to_original(input, 512, 256);
    assert_eq!(original, RectF { left: 28.0, top: 14.0, right: 482.0, bottom: 241.0 });
}
