//! The recall curve, drawn as SVG inside the page.

use super::RecallView;
use crate::html::{Attr, Html};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 46.0;

/// Draws recall over `ef_search`, the latter on a logarithmic axis.
pub(super) fn recall_chart(html: &mut Html, recall: &RecallView) {
    use Attr::{Is, Number, Text};
    let points = &recall.points;
    let lowest = points.iter().map(|p| p.recall).fold(1.0, f64::min).clamp(0.0, 1.0);
    // The axis begins at a round value below the lowest point and always ends at 1.
    let step = match 1.0 - lowest {
        span if span <= 0.02 => 0.005,
        span if span <= 0.1 => 0.02,
        span if span <= 0.25 => 0.05,
        _ => 0.2,
    };
    let floor = ((lowest / step).floor() * step - if lowest < 1.0 { 0.0 } else { step }).max(0.0);
    let log = |ef: usize| (ef.max(1) as f64).ln();
    let (first, last) = (log(points[0].ef_search), log(points[points.len() - 1].ef_search));
    let x = |ef: usize| {
        let share = if last > first { (log(ef) - first) / (last - first) } else { 0.5 };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| {
        HEIGHT - BOTTOM - (value.clamp(floor, 1.0) - floor) / (1.0 - floor) * (HEIGHT - TOP - BOTTOM)
    };

    let words = format!("Recall at {} rises with ef_search", recall.k);
    let frame =
        [Is("class", "chart"), Is("viewBox", "0 0 560 290"), Is("role", "img"), Text("aria-label", &words)];
    html.element("svg", &frame, |html| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a dozen steps")]
        let steps = ((1.0 - floor) / step).round() as u32;
        for i in 0..=steps {
            let value = floor + f64::from(i) * step;
            let at = y(value);
            html.element(
                "line",
                &[
                    Is("class", "grid"),
                    Number("x1", LEFT),
                    Number("x2", WIDTH - RIGHT),
                    Number("y1", at),
                    Number("y2", at),
                ],
                |_| {},
            );
            let digits = if step < 0.01 { 3 } else { 2 };
            label(html, "axis", LEFT - 10.0, at + 4.0, "end", &format!("{value:.digits$}"));
        }
        let path: Vec<String> =
            points.iter().map(|p| format!("{:.1},{:.1}", x(p.ef_search), y(p.recall))).collect();
        html.element("polyline", &[Is("class", "curve"), Text("points", &path.join(" "))], |_| {});
        for point in points {
            let (cx, cy) = (x(point.ef_search), y(point.recall));
            html.element(
                "circle",
                &[Is("class", "dot"), Number("cx", cx), Number("cy", cy), Number("r", 4.5)],
                |_| {},
            );
            label(html, "axis", cx, HEIGHT - BOTTOM + 20.0, "middle", &point.ef_search.to_string());
        }
        label(html, "axis", f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 6.0, "middle", "ef_search");
        label(html, "axis", LEFT - 10.0, 12.0, "start", &format!("recall@{}", recall.k));
    });
}

fn label(html: &mut Html, class: &'static str, x: f64, y: f64, anchor: &'static str, words: &str) {
    use Attr::{Is, Number};
    html.words(
        "text",
        &[Is("class", class), Is("text-anchor", anchor), Number("x", x), Number("y", y)],
        words,
    );
}
