//! Guided backpropagation of the patches of a gallery: which pixels of each excite its channel.

use crate::PipelineError;
use featlas_core::{ImageId, RgbImage, Silent};
use featlas_explain::guided::{Unit, guided_units};
use featlas_explain::{Maps, Network, Placement, ReadLayer, ReluRule};
use featlas_extract::{ChannelTop, PatchCutter};
use featlas_net::{Batch, LayerId, Model};
use featlas_render::figure::rgb_picture;
use featlas_store::ImageRecord;
use std::collections::BTreeMap;

/// Passes at a time: bounds the memory to this many maps of the input's size.
const UNITS_AT_A_TIME: usize = 48;
/// Shorter side of the picture that maps are cut from, near the networks' own inputs.
const MAP_SIDE_PX: u32 = 256;

/// The pictures of guided passes by image, cell and channel.
pub(super) type GuidedPatches = BTreeMap<(ImageId, u16, usize), RgbImage>;

/// Goes back from the places of a gallery.
pub(super) struct GuidedCutter<'a> {
    pub(super) network: &'a Network<f32>,
    pub(super) layer: ReadLayer,
    pub(super) cutter: PatchCutter<'a>,
    pub(super) records: &'a BTreeMap<ImageId, ImageRecord>,
    /// Columns of cells of the layer.
    pub(super) map_width: u32,
}

impl GuidedCutter<'_> {
    /// The guided pass of every place of `group`, whose first channel is `first`, cut to the field of its cell just as
    /// its patch is. Originals that are gone are left out.
    pub(super) fn cut(&self, first: usize, group: &[ChannelTop]) -> Result<GuidedPatches, PipelineError> {
        let mut wanted: BTreeMap<ImageId, Vec<(u16, usize)>> = BTreeMap::new();
        for (channel, top) in (first..).zip(group) {
            for place in &top.places {
                wanted.entry(place.image).or_default().push((place.cell, channel));
            }
        }
        let mut patches = GuidedPatches::new();
        let (mut originals, mut places) = (Vec::new(), Vec::new());
        for (image, some) in
            wanted.iter().flat_map(|(image, all)| all.chunks(UNITS_AT_A_TIME).map(move |some| (image, some)))
        {
            let Some(original) = self.records.get(image).and_then(|record| self.cutter.open(record).ok())
            else {
                continue;
            };
            if places.len() + some.len() > UNITS_AT_A_TIME {
                self.pass(&originals, &places, &mut patches)?;
                originals.clear();
                places.clear();
            }
            places.extend(some.iter().map(|&(cell, channel)| Place {
                at: originals.len(),
                image: *image,
                cell,
                channel,
            }));
            originals.push(original);
        }
        self.pass(&originals, &places, &mut patches)?;
        Ok(patches)
    }

    fn pass(
        &self,
        originals: &[RgbImage],
        places: &[Place],
        patches: &mut GuidedPatches,
    ) -> Result<(), PipelineError> {
        if places.is_empty() {
            return Ok(());
        }
        let model: &Model = self.cutter.model;
        let mut batch = Batch::new(originals.len(), model.preprocess().input_px());
        for (i, original) in originals.iter().enumerate() {
            model.preprocess().write_input(original, batch.slot(i));
        }
        let units: Vec<Unit> = places.iter().map(|place| self.unit(place)).collect();
        let found = guided_units(self.network, &batch, &self.layer, &units, &[ReluRule::Guided], &Silent)?;
        for (i, place) in places.iter().enumerate() {
            let picture = self.over_original(&found.maps[0], i, &originals[place.at]);
            let patch = self.cutter.cut(&picture, &self.layer.name, self.map_width, place.cell).image;
            patches.insert((place.image, place.cell, place.channel), patch);
        }
        Ok(())
    }

    fn unit(&self, place: &Place) -> Unit {
        let (y, x) = (u32::from(place.cell) / self.map_width, u32::from(place.cell) % self.map_width);
        Unit { image: place.at, channel: place.channel, cell: Some((y as usize, x as usize)) }
    }

    /// Map `i` as a picture of the original's shape, so that it is cut as the original is; zero is gray.
    fn over_original(&self, maps: &Maps, i: usize, original: &RgbImage) -> RgbImage {
        let short = original.width().min(original.height());
        let scaled = |side: u32| {
            let exact = f64::from(side) * f64::from(MAP_SIDE_PX) / f64::from(short);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let whole = exact.round() as u32;
            // A picture that is thousands of times as long as wide is seen in its middle only.
            whole.clamp(1, 64 * MAP_SIDE_PX)
        };
        let (width, height) = (scaled(original.width()), scaled(original.height()));
        let placement = Placement::new(self.cutter.model.preprocess(), width, height);
        let reach = maps.image(i).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let reach = if reach > 0.0 { reach } else { 1.0 };
        let px = self.network.shape(LayerId::INPUT).h;
        let plane = |c| placement.over_original(maps.channel(i, c), (px, px));
        let values: Vec<f32> =
            (0..3).flat_map(plane).map(|value| if value.is_nan() { 0.0 } else { value }).collect();
        rgb_picture(&values, width as usize, height as usize, (-reach, reach))
    }
}

/// Where a pass begins.
struct Place {
    /// Which of the pass's originals.
    at: usize,
    image: ImageId,
    cell: u16,
    channel: usize,
}
