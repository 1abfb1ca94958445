//! The point plot: every image a dot, colored by label, with a legend.

use super::DEFAULT_SIZE_PX;
use super::frame::{Heading, margin_px, whole};
use super::legend::{Legend, LegendLayout};
use super::order::shuffled;
use super::place::{Bounds, Extent, Places};
use crate::RenderError;
use crate::canvas::Canvas;
use crate::color::{Color, PAPER};
use crate::picture::{Picture, check_size};

/// Opacity of a dot, so that crowds look denser than strays.
const ALPHA: f32 = 0.82;
/// The least side that holds a heading, a legend and a few dots.
const LEAST_SIZE_PX: u32 = 160;

/// A point plot, described.
#[derive(Debug, Clone, PartialEq)]
pub struct PointsPoster {
    /// Longer side of the poster, in pixels.
    pub size_px: u32,
    /// Radius of a dot, in pixels; by default it follows from how dense the map is.
    pub radius_px: Option<f32>,
    /// The color under everything.
    pub background: Color,
    /// The line at the top.
    pub title: Option<String>,
    /// A quieter line under it.
    pub subtitle: Option<String>,
    /// Whether a list beside the map says which label has which color.
    pub legend: bool,
    /// Decides which of two overlapping dots lies above.
    pub seed: u64,
}

impl Default for PointsPoster {
    fn default() -> Self {
        Self {
            size_px: DEFAULT_SIZE_PX,
            radius_px: None,
            background: PAPER,
            title: None,
            subtitle: None,
            legend: true,
            seed: 0,
        }
    }
}

/// The point plot as a [`Picture`]; `points` is the map, `(n, 2)` row-major, `labels` one per image.
///
/// Dots are drawn in shuffled order, so that no label lies above all others. Without any label there is no
/// legend and all dots are gray.
///
/// # Errors
/// [`RenderError::NoImages`], [`RenderError::Count`], [`RenderError::NotFinite`], [`RenderError::TooSmall`] and
/// [`RenderError::TooLarge`].
pub fn points_picture<'a>(
    points: &[f32],
    labels: &[Option<String>],
    params: &'a PointsPoster,
) -> Result<impl Picture + use<'a>, RenderError> {
    Plot::new(points, labels, params)
}

struct Plot<'a> {
    params: &'a PointsPoster,
    places: Places,
    order: Vec<usize>,
    colors: Vec<Color>,
    legend: Option<LegendLayout>,
    heading: Heading,
    margin: f32,
    width: u32,
    height: u32,
    radius: f32,
}

impl<'a> Plot<'a> {
    fn new(points: &[f32], labels: &[Option<String>], params: &'a PointsPoster) -> Result<Self, RenderError> {
        let extent = Extent::of(points, labels.len())?;
        let size_px = params.size_px;
        check_size(u64::from(size_px), u64::from(size_px))?;
        if size_px < LEAST_SIZE_PX {
            let what = "a point plot".to_owned();
            return Err(RenderError::TooSmall { size_px, needed_px: u64::from(LEAST_SIZE_PX), what });
        }
        let size = size_px as f32;
        let heading =
            Heading::new(params.title.as_deref(), params.subtitle.as_deref(), size, params.background);
        let margin = margin_px(size) as f32;
        let head = heading.height_px() as f32;
        let names = Legend::of(labels);
        // The legend may be as long as the map is high, which is not known before the legend's width is.
        let aspect = extent.aspect();
        let list_px = (size - 2.0 * margin - head) * aspect.min(1.0) * 0.8;
        let legend = params.legend.then(|| names.layout(size, list_px)).flatten();
        let legend_px = legend.as_ref().map_or(0.0, |legend| legend.width_px as f32 + margin);
        let around = (2.0 * margin + legend_px, 2.0 * margin + head);
        let width = (size - around.0).min((size - around.1) / aspect);
        let height = width * aspect;

        let whole_box = Bounds { left: margin, top: margin + head, width, height };
        let draft = extent.place(points, whole_box);
        let radius = params.radius_px.unwrap_or_else(|| {
            let own = draft.covered_area(whole_box) * 0.3 / labels.len() as f32;
            (own / std::f32::consts::PI).sqrt().clamp(size / 1_600.0, size / 130.0)
        });
        let inset = (radius + 1.0).min(width / 2.0).min(height / 2.0);
        let places = extent.place(points, whole_box.inset(inset));
        Ok(Self {
            params,
            order: shuffled(labels.len(), params.seed),
            colors: (0..labels.len()).map(|i| names.color_of(i)).collect(),
            places,
            legend,
            heading,
            margin,
            width: whole(width + around.0).min(size_px),
            height: whole(height + around.1).min(size_px),
            radius,
        })
    }
}

impl Picture for Plot<'_> {
    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }

    fn background(&self) -> Color {
        self.params.background
    }

    fn num_images(&self) -> u64 {
        self.places.at.len() as u64
    }

    fn draw(&self, canvas: &mut Canvas) {
        let (width, margin) = (self.width as f32, self.margin);
        self.heading.draw(canvas, margin, margin, width - 2.0 * margin);
        for &i in &self.order {
            let (x, y) = self.places.at[i];
            canvas.disc(x, y, self.radius, self.colors[i], ALPHA);
        }
        if let Some(legend) = &self.legend {
            let top = margin + self.heading.height_px() as f32;
            legend.draw(canvas, width - margin - legend.width_px as f32, top, self.params.background);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette;
    use crate::picture::render;
    use proptest::prelude::*;

    #[test]
    fn each_dot_has_the_color_of_its_label() {
        let points = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let labels = ["b", "a", "a", "a"].map(|name| Some(name.to_owned()));
        let params = PointsPoster { size_px: 400, radius_px: Some(6.0), ..PointsPoster::default() };
        let plot = Plot::new(&points, &labels, &params).unwrap();
        let picture = render(&plot);
        for (i, &(x, y)) in plot.places.at.iter().enumerate() {
            let wanted = palette::color(usize::from(i == 0));
            let at = |v: f32| u32::try_from(crate::canvas::floor(v)).unwrap();
            let got = picture.pixel(at(x), at(y));
            for c in 0..3 {
                let over = f32::from(wanted[c]) * ALPHA + f32::from(PAPER[c]) * (1.0 - ALPHA);
                assert!((f32::from(got[c]) - over).abs() <= 1.0, "dot {i}: {got:?}");
            }
        }
    }

    #[test]
    fn labels_and_points_must_match() {
        let err = points_picture(&[0.0; 4], &[None], &PointsPoster::default()).err().unwrap();
        assert_eq!(err.to_string(), "expected 2 map coordinates, got 4");
    }

    proptest! {
        #[test]
        fn all_dots_stay_clear_of_border_and_legend(
            points in prop::collection::vec(-50.0_f32..50.0, 2..120),
            size_px in LEAST_SIZE_PX..900, num_labels in 1_usize..60,
        ) {
            let n = points.len() / 2;
            let labels: Vec<Option<String>> =
                (0..n).map(|i| (i % 7 != 6).then(|| format!("a label {}", i % num_labels))).collect();
            let params = PointsPoster { size_px, title: Some("Title".into()), ..PointsPoster::default() };
            let plot = Plot::new(&points[..n * 2], &labels, &params).unwrap();
            prop_assert!(plot.width.max(plot.height) <= size_px);
            let legend = plot.legend.as_ref().map_or(0.0, |legend| legend.width_px as f32 + plot.margin);
            for (x, y) in &plot.places.at {
                prop_assert!(*x - plot.radius >= plot.margin - 0.5);
                prop_assert!(*x + plot.radius <= plot.width as f32 - plot.margin - legend + 1.5);
                prop_assert!(*y + plot.radius <= plot.height as f32 - plot.margin + 1.5);
            }
        }
    }
}
