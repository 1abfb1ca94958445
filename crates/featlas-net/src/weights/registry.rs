//! Checkpoints that are published under a fixed address.
//!
//! This crate only knows where they are and how to tell the right file; fetching is the program's
//! business.

/// A published checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownWeights {
    /// The architecture it belongs to.
    pub model: &'static str,
    /// Where it is published.
    pub url: &'static str,
    /// The first hexadecimal digits of its SHA-256, which torchvision puts into its file names.
    pub sha256_prefix: &'static str,
    /// The file's name.
    pub file: &'static str,
    /// Most bytes it can have: nothing longer needs to be fetched to be refused.
    pub max_bytes: u64,
}

macro_rules! torchvision {
    ($model:literal, $stem:literal, $sha256:literal, $mib:literal) => {
        KnownWeights {
            model: $model,
            url: concat!("https://download.pytorch.org/models/", $stem, "-", $sha256, ".pth"),
            sha256_prefix: $sha256,
            file: concat!($stem, "-", $sha256, ".pth"),
            max_bytes: $mib << 20,
        }
    };
}

/// torchvision's ImageNet checkpoints. The bound is the size of the f32 numbers plus a little.
const KNOWN: [KnownWeights; 7] = [
    torchvision!("alexnet", "alexnet-owt", "7be5be79", 240),
    torchvision!("vgg11", "vgg11", "8a719046", 512),
    torchvision!("vgg13", "vgg13", "19584684", 512),
    torchvision!("vgg16", "vgg16", "397923af", 532),
    torchvision!("vgg19", "vgg19", "dcbb9e9d", 552),
    torchvision!("squeezenet1_0", "squeezenet1_0", "b66bff10", 8),
    torchvision!("squeezenet1_1", "squeezenet1_1", "b8a52dc0", 8),
];

/// The published checkpoint for `model`, if there is one.
pub fn known_weights(model: &str) -> Option<&'static KnownWeights> {
    KNOWN.iter().find(|known| known.model == model)
}

/// All published checkpoints.
pub fn known_weights_list() -> &'static [KnownWeights] {
    &KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::architecture;

    #[test]
    fn every_entry_fits_its_architecture_and_its_name() {
        for known in &KNOWN {
            let numbers = architecture(known.model).unwrap().num_parameters().unwrap();
            assert!(numbers * 4 + 65_536 <= known.max_bytes, "{} needs {} bytes", known.model, numbers * 4);
            assert!(known.max_bytes < numbers * 4 + (16 << 20), "{} is bounded loosely", known.model);
            assert!(known.url.ends_with(known.file) && known.file.contains(known.sha256_prefix));
            assert_eq!(known_weights(known.model), Some(known));
        }
        assert_eq!(known_weights("alexnet-lite"), None);
    }

    #[test]
    fn the_address_is_torchvisions() {
        let known = known_weights("alexnet").unwrap();
        assert_eq!(known.url, "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth");
        assert_eq!(known.sha256_prefix, "7be5be79");
    }
}
