//! `featlas neighbors` and `featlas duplicates`.

use super::build::one_stage;
use super::query::printable;
use crate::args::{DuplicatesArgs, NeighborsArgs};
use crate::printer::Printer;
use crate::settings::count;
use featlas_pipeline::{DuplicateGroup, Settings, duplicates as groups_of, write_neighbors_to};
use featlas_store::Atlas;
use serde_json::json;

pub(crate) fn neighbors(args: &NeighborsArgs, printer: &Printer) -> anyhow::Result<()> {
    let k = args.k.map(count);
    let Some(out) = &args.out else {
        return one_stage(&args.atlas, &Settings::default(), printer, |atlas| {
            featlas_pipeline::neighbors(atlas, k, printer)
        });
    };
    let images = write_neighbors_to(&Atlas::open(&args.atlas)?, k, out, printer)?;
    printer.say(&format!("neighbors of {images} images -> {}", out.display()));
    Ok(())
}

pub(crate) fn duplicates(args: &DuplicatesArgs, printer: &Printer) -> anyhow::Result<()> {
    let atlas = Atlas::open(&args.atlas)?;
    let groups = groups_of(&atlas, args.distance, printer)?;
    for group in &groups {
        Printer::data(&if args.json { json_line(group) } else { text(group) });
    }
    let images: usize = groups.iter().map(|group| group.images.len()).sum();
    printer.say(&format!(
        "{} groups of {images} images within distance {} of each other",
        groups.len(),
        args.distance
    ));
    Ok(())
}

fn json_line(group: &DuplicateGroup) -> String {
    let images: Vec<_> = group
        .images
        .iter()
        .map(|image| json!({ "image_id": image.image_id, "path": image.display_path, "label": image.label }))
        .collect();
    json!({ "images": images }).to_string()
}

/// The paths of a group, and an empty line.
fn text(group: &DuplicateGroup) -> String {
    group.images.iter().map(|image| printable(&image.display_path) + "\n").collect()
}
