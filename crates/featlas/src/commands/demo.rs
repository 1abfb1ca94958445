//! The demo: drawn images, every stage, and where to look.

use super::build::{duration, run_all};
use crate::args::DemoArgs;
use crate::printer::Printer;
use featlas_pipeline::{Ask, DemoSettings, QuerySettings, Settings, Space, draw_demo, query, query_sheet};
use featlas_store::Atlas;
use std::time::Instant;

/// Images whose neighbors the demo shows, one of each of these classes.
const QUERIES: usize = 4;

pub(crate) fn demo(args: &DemoArgs, printer: &Printer) -> anyhow::Result<()> {
    let start = Instant::now();
    let images = args.out.join("images");
    let drawn = draw_demo(
        &DemoSettings {
            images: images.clone(),
            seed: args.seed,
            per_class: args.per_class.unwrap_or(featlas_pipeline::DEFAULT_DEMO_IMAGES_PER_CLASS),
        },
        printer,
    )?;
    printer.say(&format!(
        "{:>10}  {} images in {} classes -> {}",
        "draw",
        drawn.images,
        drawn.classes,
        images.display()
    ));
    let atlas_root = args.out.join("atlas");
    let settings = Settings { images: vec![images.clone()], out: atlas_root.clone(), ..Settings::default() };
    run_all(&settings, printer)?;

    let atlas = Atlas::open(&atlas_root)?;
    let sheet = args.out.join("neighbors.png");
    if !sheet.is_file() {
        let records = atlas.images()?;
        let step = (records.len() / QUERIES).max(1);
        let asked: Vec<_> = records
            .iter()
            .step_by(step)
            .take(QUERIES)
            .map(|record| Ask::File(images.join(&record.display_path)))
            .collect();
        let settings = QuerySettings {
            k: records.len().min(8),
            spaces: vec![Space::Fc7, Space::Pixels],
            keep_images: true,
            ..QuerySettings::default()
        };
        let answers = query(&atlas, &asked, &settings, printer)?;
        featlas_pipeline::write_picture(&query_sheet(&atlas, &answers)?, &sheet)?;
    }
    printer.say(&format!("\ndone in {}. Look at:", duration(start.elapsed().as_secs_f64())));
    for (path, what) in [
        (atlas_root.join("report/index.html"), "everything, in a browser"),
        (atlas_root.join("posters/grid.png"), "the images, alike beside alike"),
        (atlas_root.join("posters/scatter.png"), "the t-SNE map"),
        (atlas_root.join("galleries/conv5/index.html"), "what excites each conv5 channel"),
        (sheet, "neighbors: what the network sees, what raw pixels see"),
    ] {
        Printer::data(&path.display().to_string());
        printer.say(&format!("            {what}"));
    }
    Ok(())
}
