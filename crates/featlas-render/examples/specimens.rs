//! Draws one of everything this crate draws, from made-up values, into a folder to look at.
//!
//! ```text
//! cargo run -p featlas-render --example specimens -- FOLDER
//! ```

use featlas_core::{RgbImage, Silent};
use featlas_render::color::{NIGHT, mix};
use featlas_render::{
    AccuracyView, ChannelEntry, Colormap, Figure, FollowsView, GalleryParams, GridPoster, Heat,
    HeatmapParams, NamedImage, Patch, PointsPoster, RecallPoint, RecallView, RejectRow, RenderError,
    ReportView, ScatterPoster, SheetItem, SheetParams, SheetRow, StageRow, channel_sheet, contact_sheet, fit,
    gallery_index_html, grid_picture, overlay, overview_sheet, palette, points_picture, report_html,
    scatter_picture, with_color_bar, write_png,
};
use fs_err as fs;
use std::f32::consts::{PI, TAU};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

const CLASSES: [&str; 12] = [
    "banded",
    "chequered",
    "cloudy",
    "dotted",
    "ringed",
    "striped",
    "wavy",
    "woven",
    "zigzag",
    "grainy",
    "radiant",
    "plain",
];
const NASTY: &str = "<script>alert(1)</script> \"quoted\" \u{202e}gpj.\nexe & 'more' � 🦀 שלום/IMG_0001.jpeg";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: specimens FOLDER")?);
    fs::create_dir_all(out.join("gallery"))?;
    fs::create_dir_all(out.join("report"))?;
    let world = World::new(1_440);
    let posters = posters(&world, &out)?;
    let sheet = sheet(&world, &out)?;
    let overview = gallery(&world, &out)?;
    heat(&world, &out)?;
    specimen_colors(&out)?;
    report(&world, &out, posters, sheet, overview)?;
    Ok(())
}

/// Textures on a map of islands.
struct World {
    tiles: Vec<RgbImage>,
    labels: Vec<Option<String>>,
    map: Vec<f32>,
    cells: Vec<usize>,
    columns: usize,
    rows: usize,
}

impl World {
    fn new(n: usize) -> Self {
        let mut random = Random(7);
        let (mut tiles, mut labels, mut map) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..n {
            let class = i % CLASSES.len();
            tiles.push(texture(class, &mut random));
            labels.push((i % 97 != 0).then(|| CLASSES[class].to_owned()));
            let angle = class as f32 * 2.4;
            let reach = 3.2 * (class as f32 + 1.0).sqrt();
            let (spread, turn) = (random.next().sqrt() * 3.1, random.next() * TAU);
            map.push(reach * angle.cos() + spread * turn.cos());
            map.push(reach * angle.sin() * 0.8 + spread * turn.sin());
        }
        // A rough grid: rows by height, columns by side within a row.
        let (columns, rows) = (48, n.div_ceil(48));
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| map[2 * b + 1].total_cmp(&map[2 * a + 1]));
        let mut cells = vec![0; n];
        for (row, images) in order.chunks_mut(columns).enumerate() {
            images.sort_by(|&a, &b| map[2 * a].total_cmp(&map[2 * b]));
            for (column, &image) in images.iter().enumerate() {
                cells[image] = row * columns + column;
            }
        }
        Self { tiles, labels, map, cells, columns, rows }
    }
}

fn posters(world: &World, out: &Path) -> Result<Vec<Figure>, Box<dyn std::error::Error>> {
    let mut figures = Vec::new();
    let mut add =
        |name: &str, caption: &str, draw: &dyn Fn(&mut BufWriter<fs::File>) -> Result<(), RenderError>| {
            let path = out.join(name);
            let mut file = BufWriter::new(fs::File::create(&path)?);
            draw(&mut file)?;
            drop(file);
            let image = read_png(&path)?;
            let link = Some(Path::new("..").join(name));
            figures.push(Figure { caption: caption.to_owned(), link, image });
            Ok::<(), Box<dyn std::error::Error>>(())
        };
    let subtitle = Some("1,440 images · alexnet-lite fc7 · t-SNE, perplexity 30, seed 0".to_owned());
    add("grid.png", "Every image in a cell of its own, neighbors beside neighbors.", &|file| {
        let params = GridPoster {
            columns: world.columns,
            rows: world.rows,
            cell_of: world.cells.clone(),
            size_px: Some(2_400),
            title: Some("Textures".to_owned()),
            subtitle: subtitle.clone(),
            ..GridPoster::default()
        };
        write_png(&grid_picture(&params, &world.tiles)?, &Silent, file)
    })?;
    add("scatter.png", "Thumbnails at their places on the map.", &|file| {
        let params = ScatterPoster {
            size_px: 2_400,
            title: Some("Textures".to_owned()),
            subtitle: subtitle.clone(),
            ..ScatterPoster::default()
        };
        write_png(&scatter_picture(&world.map, &world.tiles, &params)?, &Silent, file)
    })?;
    add("points.png", "Each image a dot, colored by its label.", &|file| {
        let params = PointsPoster {
            size_px: 2_000,
            title: Some("Textures by label".to_owned()),
            subtitle: subtitle.clone(),
            ..PointsPoster::default()
        };
        write_png(&points_picture(&world.map, &world.labels, &params)?, &Silent, file)
    })?;
    add("points-night.png", "The same at night.", &|file| {
        let params = PointsPoster { size_px: 1_000, background: NIGHT, ..PointsPoster::default() };
        let many: Vec<Option<String>> =
            (0..world.labels.len()).map(|i| Some(format!("class {}", i % 57))).collect();
        write_png(&points_picture(&world.map, &many, &params)?, &Silent, file)
    })?;
    figures.truncate(3);
    Ok(figures)
}

fn sheet(world: &World, out: &Path) -> Result<RgbImage, Box<dyn std::error::Error>> {
    let rows: Vec<SheetRow> = (0..3)
        .map(|query| SheetRow {
            title: if query == 1 {
                NASTY.to_owned()
            } else {
                format!("{}/image_{query:04}.png · fc7", CLASSES[query])
            },
            query: Some(world.tiles[query].clone()),
            items: (1..=8)
                .map(|rank| SheetItem {
                    image: world.tiles[query + rank * CLASSES.len()].clone(),
                    caption: format!("{:.3}", 0.08 * (rank as f32).sqrt() + 0.1),
                    sub: if rank == 3 {
                        NASTY.to_owned()
                    } else {
                        format!("{}/a/long/way/down/image_{rank:04}.png", CLASSES[query])
                    },
                })
                .collect(),
        })
        .collect();
    let params = SheetParams {
        title: Some("Nearest neighbors".to_owned()),
        subtitle: Some("cosine distance between fc7 features".to_owned()),
        ..SheetParams::default()
    };
    let sheet = contact_sheet(&rows, &params)?;
    save_png(&out.join("sheet.png"), &sheet)?;
    Ok(sheet)
}

fn gallery(world: &World, out: &Path) -> Result<RgbImage, Box<dyn std::error::Error>> {
    let params = GalleryParams::default();
    let patches = |channel: usize, k: usize| -> Vec<Patch> {
        (0..k)
            .map(|rank| Patch {
                image: world.tiles[(channel * 7 + rank * CLASSES.len()) % world.tiles.len()].clone(),
                guided: None,
                value: 14.2 / (1.0 + rank as f32 * 0.09),
                caption: format!("{}/image_{:04}.png", CLASSES[channel * 7 % CLASSES.len()], rank * 12),
            })
            .collect()
    };
    let mut entries = Vec::new();
    for channel in 0..24 {
        let count = if channel % 11 == 5 { 0 } else { 9 };
        let sheet = channel_sheet("conv5", channel, &patches(channel, count), &params)?;
        let file = PathBuf::from(format!("channel {channel:03}.png"));
        save_png(&out.join("gallery").join(&file), &sheet)?;
        entries.push(ChannelEntry {
            channel,
            file,
            size_px: (sheet.width(), sheet.height()),
            max: if count == 0 { 0.0 } else { 14.2 },
            count: count as u64 * 113,
            note: if channel == 2 {
                NASTY.to_owned()
            } else {
                CLASSES[channel * 7 % CLASSES.len()].to_owned()
            },
        });
    }
    let all: Vec<(usize, Vec<Patch>)> =
        (0..128).map(|channel| (channel, patches(channel, if channel % 11 == 5 { 0 } else { 4 }))).collect();
    let overview = overview_sheet("conv5", &all, &params)?;
    save_png(&out.join("gallery/overview.png"), &overview)?;
    let page = gallery_index_html("conv5", &entries, Some(Path::new("overview.png")));
    fs::write(out.join("gallery/index.html"), page)?;
    Ok(overview)
}

fn heat(world: &World, out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let image = fit(&world.tiles[4], 448, 336, featlas_render::Fit::Crop);
    let values: Vec<f32> = (0..13 * 13)
        .map(|i| {
            let (x, y) = ((i % 13) as f32 - 8.0, (i / 13) as f32 - 5.0);
            (-(x * x + y * y) / 9.0).exp()
        })
        .collect();
    let heat = Heat::new(&values, 13, 13)?;
    let params = HeatmapParams::default();
    let shown = overlay(&image, &heat, &params);
    let framed =
        with_color_bar(&shown, "occlusion · class probability lost", heat.range(&params), params.colormap)?;
    save_png(&out.join("heatmap.png"), &framed)?;
    let signed: Vec<f32> = values.iter().enumerate().map(|(i, v)| v - 0.6 * ((i % 7) as f32 / 7.0)).collect();
    let params = HeatmapParams { colormap: Colormap::Diverging, opacity: 0.95, ..params };
    let heat = Heat::new(&signed, 13, 13)?;
    let shown = overlay(&image, &heat, &params);
    let framed = with_color_bar(&shown, "saliency · signed", heat.range(&params), params.colormap)?;
    save_png(&out.join("heatmap-signed.png"), &framed)?;
    Ok(())
}

/// All color maps as ramps, and the palette as chips.
fn specimen_colors(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut image = RgbImage::filled(1_024, 5 * 48 + 80, [255, 255, 255]);
    let maps = [Colormap::Viridis, Colormap::Magma, Colormap::Inferno, Colormap::Diverging, Colormap::Gray];
    for (i, map) in (0_u32..).zip(maps) {
        for x in 0..1_024 {
            for y in 0..44 {
                image.set_pixel(x, i * 48 + y, map.color(x as f32 / 1_023.0));
            }
        }
    }
    for i in 0..40_u32 {
        let chip = RgbImage::filled(46, 36, palette::color(i as usize));
        image.paste(&chip, i64::from(i % 20) * 51, 5 * 48 + i64::from(i / 20) * 40);
    }
    save_png(&out.join("colors.png"), &image)
}

#[expect(clippy::too_many_lines, reason = "one value for each part of the page")]
fn report(
    world: &World,
    out: &Path,
    posters: Vec<Figure>,
    sheet: RgbImage,
    overview: RgbImage,
) -> Result<(), Box<dyn std::error::Error>> {
    let stage = |name: &str, secs: f64, rate: &str, note: &str| StageRow {
        name: name.to_owned(),
        secs,
        rate: rate.to_owned(),
        note: note.to_owned(),
    };
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let view = ReportView {
        title: "Textures".to_owned(),
        subtitle: "1,440 images as alexnet-lite sees them: features of fc7, maxima of conv5.".to_owned(),
        facts: vec![
            fact("Images", "1,440"),
            fact("Left out", "3"),
            fact("Model", "alexnet-lite"),
            fact("Feature", "fc7, 4,096 numbers"),
            fact("Tapped layers", "conv5 (128 channels)"),
            fact("Recall@10", "0.998"),
            fact("Map quality", "KL 1.41, 43 % of the ten nearest kept"),
            fact("Peak memory", "612 MiB"),
        ],
        warnings: vec!["3 of 1,443 images could not be used (0.2 %; allowed 1 %).".to_owned()],
        posters,
        zoom: None,
        neighbors: vec![Figure {
            caption: "Three images and their nearest neighbors by fc7.".to_owned(),
            link: Some(PathBuf::from("../sheet.png")),
            image: sheet,
        }],
        galleries: vec![Figure {
            caption: "conv5: the strongest patches of each of its 128 channels.".to_owned(),
            link: Some(PathBuf::from("../gallery/index.html")),
            image: overview,
        }],
        explained: Vec::new(),
        recall: Some(RecallView {
            k: 10,
            queries: 500,
            chosen: 64,
            points: [
                (16, 0.931, 9_120.0),
                (32, 0.974, 6_480.0),
                (64, 0.992, 4_011.0),
                (128, 0.9982, 2_260.0),
                (256, 0.9996, 1_180.0),
            ]
            .map(|(ef_search, recall, queries_per_sec)| RecallPoint {
                ef_search,
                recall,
                recall_at_1: recall.sqrt(),
                recall_at_100: recall * recall,
                queries_per_sec,
            })
            .to_vec(),
        }),
        follows: Some(FollowsView {
            accuracies: [("the network's features", 0.71), ("raw pixels", 0.33)]
                .map(|(space, share)| AccuracyView {
                    space: space.to_owned(),
                    share,
                    images: 2_000,
                    voters: 10,
                })
                .to_vec(),
            duplicate_limit: 0.02,
            duplicate_groups: 2,
            duplicates: vec![
                (0..9).map(|i| format!("dotted/{i:03}.jpg")).collect(),
                vec![NASTY.to_owned(), "striped/004.jpg".to_owned()],
            ],
            outliers: vec![NamedImage { path: NASTY.to_owned(), distance: 0.61 }],
        }),
        labels: CLASSES
            .iter()
            .map(|class| ((*class).to_owned(), (world.tiles.len() / CLASSES.len()) as u64))
            .chain([(NASTY.to_owned(), 1)])
            .collect(),
        classes: (0..40).map(|i| (format!("class number {i}"), 200 / (i + 1))).collect(),
        stages: vec![
            stage("extract", 41.6, "34.6 images/s", "limited by the network"),
            stage("index", 3.2, "450 images/s", ""),
            stage("pca", 1.1, "", "64 components, 91 % of the variance"),
            stage("tsne", 12.4, "80.6 iterations/s", "KL 1.41"),
            stage("poster", 6.0, "720 images/s", ""),
            stage("gallery", 8.9, "14.4 channels/s", ""),
        ],
        rejects: vec![
            RejectRow {
                path: "dotted/broken.jpg".into(),
                reason: "truncated".into(),
                message: "expected 20,481 bytes, got 8,192".into(),
            },
            RejectRow {
                path: NASTY.into(),
                reason: "unknown_format".into(),
                message: "no known magic bytes: `<html>`".into(),
            },
            RejectRow { path: "empty.png".into(), reason: "empty".into(), message: "no bytes".into() },
        ],
        reject_count: 3,
        footer: "featlas 0.1.0 · fingerprint 5f0c 91aa · generation 1".to_owned(),
    };
    fs::write(out.join("report/index.html"), report_html(&view))?;
    Ok(())
}

/// A picture of one of the classes, of a random shape, in random colors.
fn texture(class: usize, random: &mut Random) -> RgbImage {
    let shape = [(96, 96), (96, 72), (72, 96), (96, 64)];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below four")]
    let (width, height) = shape[(random.next() * 4.0) as usize];
    let hue = palette::color(class);
    let dark = mix([20, 22, 30], hue, 0.25 + 0.4 * random.next());
    let light = mix([250, 246, 236], hue, 0.15 + 0.5 * random.next());
    let (scale, turn, phase) = (0.12 + 0.25 * random.next(), random.next() * PI, random.next() * TAU);
    let mut image = RgbImage::filled(width, height, light);
    for y in 0..height {
        for x in 0..width {
            let (px, py) = (x as f32 - 48.0, y as f32 - 36.0);
            let (u, v) = (px * turn.cos() + py * turn.sin(), py * turn.cos() - px * turn.sin());
            let radius = px.hypot(py);
            let value = match class {
                0 => (v * scale).sin(),
                1 => (u * scale).sin() * (v * scale).sin() * 3.0,
                2 => (u * 0.05 + phase).sin() + (v * 0.07).cos() * (u * 0.03).sin(),
                3 => 1.2 - ((u * scale).rem_euclid(TAU) - PI).hypot((v * scale).rem_euclid(TAU) - PI),
                4 => (radius * scale * 1.4 + phase).sin(),
                5 => ((u * scale * 1.3).sin() * 4.0).tanh(),
                6 => (u * scale + (v * 0.12).sin() * 2.0).sin(),
                7 => {
                    if (u * scale).sin() * (v * scale).sin() > 0.0 {
                        (u * scale * 4.0).sin()
                    } else {
                        (v * scale * 4.0).sin()
                    }
                }
                8 => (u * scale + ((v * 0.1 + phase).rem_euclid(2.0) - 1.0).abs() * 5.0).sin() * 2.0,
                9 => random.next() * 2.0 - 1.0,
                10 => (py.atan2(px) * 9.0 + phase).sin(),
                _ => py / 60.0,
            };
            image.set_pixel(x, y, mix(dark, light, value.mul_add(0.5, 0.5)));
        }
    }
    image
}

fn save_png(path: &Path, image: &RgbImage) -> Result<(), Box<dyn std::error::Error>> {
    let mut encoder =
        png::Encoder::new(BufWriter::new(fs::File::create(path)?), image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(image.data())?;
    Ok(())
}

fn read_png(path: &Path) -> Result<RgbImage, Box<dyn std::error::Error>> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path)?)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let info = reader.next_frame(&mut pixels)?;
    Ok(RgbImage::new(info.width, info.height, pixels)?)
}

/// xorshift64*, in `[0, 1)`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u64 << 24) as f32
    }
}
