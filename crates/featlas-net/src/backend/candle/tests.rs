use super::*;
use crate::backend::tests::{small_batch, small_model};
use crate::testing::assert_close;

/// Neighbors in a batch change nothing beyond the last bits, and passes of any length give all rows.
#[test]
fn rows_depend_on_their_own_image() {
    let model = small_model();
    let mut backend = CandleBackend::new(&model).unwrap();
    let taps = model.resolve_taps(&[]).unwrap();
    let batch = small_batch(5);
    let whole = backend.forward(&batch, &taps).unwrap();
    for images_per_pass in [1, 2, 3] {
        backend.images_per_pass = images_per_pass;
        let cut = backend.forward(&batch, &taps).unwrap();
        let as_f64 = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        assert_close("features", &cut.features, &as_f64(&whole.features), 1e-5, 1.0);
        assert_close("maxima", &cut.convs[0].max, &as_f64(&whole.convs[0].max), 1e-5, 1.0);
        assert_eq!(cut.logits.len(), whole.logits.len());
    }
}

/// Passes are as short as the largest activations demand.
#[test]
fn passes_are_bounded() {
    let images = |largest: usize| (PASS_BYTES / (2 * largest * 4)).max(1);
    assert_eq!(images(64 * 224 * 224), 10);
    let backend = CandleBackend::new(&Model::open("alexnet-lite", None).unwrap()).unwrap();
    assert_eq!(backend.images_per_pass, images(48 * 55 * 55));
}
