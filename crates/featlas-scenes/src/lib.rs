//! The demo's images, drawn by code from a seed.
//!
//! Twenty-five kinds of pictures, from lit solids over textures and landscapes to butterflies and faces: varied enough
//! within a kind (colors, pose, scale, light, background, grain) and different enough between kinds that
//! neighbors, maps and galleries of a network's features mean something without any download.
//!
//! [`draw`] is a function of its three arguments and nothing else: the same numbers give the same bytes, whatever
//! was drawn before and on however many threads. Bytes may differ between machines whose mathematical
//! libraries round differently.
//!
//! ```
//! let class = featlas_scenes::classes().iter().position(|name| *name == "leopard").unwrap();
//! let image = featlas_scenes::draw(class, 7, 0);
//! assert_eq!(image, featlas_scenes::draw(class, 7, 0));
//! assert!(image.width() >= 200 && image.height() <= 300);
//! ```

mod canvas;
mod color;
mod dice;
mod landscapes;
mod living;
mod math;
mod noise;
mod patterns;
mod sky;
mod solids;
mod textures;
mod view;

use canvas::Canvas;
use dice::Dice;
use featlas_core::RgbImage;

/// How many images of each class the demo draws unless told otherwise: 1,600 in all.
pub const DEFAULT_IMAGES_PER_CLASS: u64 = 64;

type Painter = fn(&mut Dice) -> Canvas;

const NUM_CLASSES: usize = 25;

/// The names, sorted: a class is its place here.
const NAMES: [&str; NUM_CLASSES] = [
    "beach",
    "bricks",
    "butterflies",
    "checkers",
    "city",
    "cones",
    "cubes",
    "dots",
    "fabric",
    "faces",
    "flowers",
    "forest",
    "leaves",
    "leopard",
    "marble",
    "mountains",
    "night",
    "rings",
    "snow",
    "spheres",
    "sunset",
    "tori",
    "water",
    "wood",
    "zebra",
];

/// Who draws the class of the same place.
const PAINTERS: [Painter; NUM_CLASSES] = [
    landscapes::beach,
    textures::bricks,
    living::butterflies,
    patterns::checkers,
    landscapes::city,
    solids::cones,
    solids::cubes,
    patterns::dots,
    textures::fabric,
    living::faces,
    living::flowers,
    landscapes::forest,
    living::leaves,
    textures::leopard,
    textures::marble,
    landscapes::mountains,
    landscapes::night,
    patterns::rings,
    landscapes::snow,
    solids::spheres,
    landscapes::sunset,
    solids::tori,
    textures::water,
    textures::wood,
    textures::zebra,
];

/// The names of the classes, sorted; each is a plain lower-case word, fit for a folder's name and a label.
pub fn classes() -> &'static [&'static str] {
    &NAMES
}

/// Draws image number `index` of a class; sides are 192 to 300 pixels long.
///
/// Every triple of arguments gives a picture of its own; `index` and `seed` have no bounds. A picture does not change when
/// classes are added: its randomness comes from the class's name.
///
/// # Panics
/// If `class` is not below the number of [`classes`].
pub fn draw(class: usize, index: u64, seed: u64) -> RgbImage {
    let mut dice = Dice::new(NAMES[class], index, seed);
    PAINTERS[class](&mut dice).finish(&mut dice)
}

#[cfg(test)]
mod tests;
