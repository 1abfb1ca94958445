//! The VGG networks without batch normalization (Simonyan and Zisserman 2014), as torchvision has them.

use super::build::conv;
use super::{Architecture, Builder, Op, Pooling};
use crate::preprocess::Preprocess;

/// Channels of the five blocks.
const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];

/// Configuration A.
pub(super) fn vgg11() -> Architecture {
    layout("vgg11", [1, 1, 2, 2, 2])
}

/// Configuration B.
pub(super) fn vgg13() -> Architecture {
    layout("vgg13", [2, 2, 2, 2, 2])
}

/// Configuration D.
pub(super) fn vgg16() -> Architecture {
    layout("vgg16", [2, 2, 3, 3, 3])
}

/// Configuration E.
pub(super) fn vgg19() -> Architecture {
    layout("vgg19", [2, 2, 4, 4, 4])
}

/// `convs` convolutions in each block: `conv1_1 ...`; `conv3` stands for the last one of block 3.
fn layout(name: &str, convs: [usize; 5]) -> Architecture {
    let mut net = Builder::new();
    let mut aliases = Vec::new();
    // torchvision counts ReLUs and pools too.
    let mut index = 0;
    for (block, (convs, channels)) in (1..).zip(convs.into_iter().zip(CHANNELS)) {
        for i in 1..=convs {
            let (name, relu) = (format!("conv{block}_{i}"), format!("relu{block}_{i}"));
            net.op_relu(&name, &relu, conv(channels, 3, 1, 1), Some(&format!("features.{index}")));
            index += 2;
        }
        net.max_pool(&format!("pool{block}"), 2, 2, false);
        index += 1;
        aliases.push((format!("conv{block}"), format!("conv{block}_{convs}")));
    }
    let default_conv = aliases[4].1.clone();
    net.op("avgpool", Op::AvgPool { out: 7 })
        .op("flatten", Op::Flatten)
        .op_relu("fc6", "relu6", Op::Linear { out: 4096 }, Some("classifier.0"))
        .op_relu("fc7", "relu7", Op::Linear { out: 4096 }, Some("classifier.3"));
    net.layer("fc8", Op::Linear { out: 1000 }, vec![net.last()], Some("classifier.6".to_owned()));
    let net = net.build(name, Preprocess::torchvision(), 1000, ("fc7", Pooling::None), &default_conv);
    Architecture { aliases, ..net }
}
