//! What lies out of focus behind a subject.

use crate::canvas::{Bounds, Canvas};
use crate::color::{Rgb, gray, hex, mix};
use crate::dice::Dice;
use crate::math::{V2, lerp, smooth, v2};

/// A garden out of focus: soft greens and disks of light.
pub(crate) fn garden(dice: &mut Dice, canvas: &mut Canvas) {
    let half = canvas.half();
    let (deep, light) = dice.pick(&[
        (0x1f_3a_1e, 0x8f_b4_5a),
        (0x2a_4a_2a, 0xb8_cc_7a),
        (0x24_40_2f, 0x7f_ae_88),
        (0x3a_4a_1c, 0xc8_c0_60),
        (0x1c_30_38, 0x6a_9a_9a),
        (0x40_38_2a, 0xb0_9a_68),
    ]);
    let (deep, light) = (dice.near(hex(deep), 0.06), dice.near(hex(light), 0.06));
    let (noise, toward) = (dice.noise(), V2::polar(dice.unit()) * 0.3);
    canvas.wash(|p| {
        let wave = 0.5 + 0.7 * noise.fbm(p * 0.8, 3) + p.dot(toward);
        mix(deep, light, smooth(0.0, 1.1, wave))
    });
    for _ in 0..dice.whole(6, 26) {
        let at = v2(dice.around(0.0, half.x), dice.around(0.0, half.y));
        let radius = dice.within(0.06, 0.26);
        let color = mix(light, gray(1.0), dice.within(0.0, 0.5));
        let opacity = dice.within(0.05, 0.28);
        // Out of focus, a point of light is a disk with a brighter rim.
        canvas.glaze(Bounds::around(at, radius * 1.1), |p| {
            let away = (p - at).length() / radius;
            (color, opacity * smooth(1.03, 0.93, away) * lerp(0.7, 1.1, smooth(0.6, 0.95, away)))
        });
    }
}

/// A plain ground with a soft light on it.
pub(crate) fn plain(dice: &mut Dice, canvas: &mut Canvas, color: Rgb) {
    let half = canvas.half();
    let at = v2(dice.around(0.0, half.x * 0.5), dice.around(-0.2, half.y * 0.4));
    let (bright, dark) = (dice.within(0.02, 0.2), dice.within(0.65, 0.95));
    let noise = dice.noise();
    canvas.wash(|p| {
        let near = smooth(1.9, 0.0, (p - at).length());
        let paper = 1.0 + 0.02 * noise.plane(p * 30.0);
        mix(color * dark, mix(color, gray(1.0), bright), near) * paper
    });
}
