//! SqueezeNet 1.0 and 1.1 (Iandola et al. 2016), as torchvision has them.
//!
//! The network has no fully connected layer; its feature is the spatial mean of fire9, 512 values.

use super::build::conv;
use super::{Architecture, Builder, Op, Pooling};
use crate::preprocess::Preprocess;

/// A fire module: squeeze channels, channels of each of the two expansions, index in torchvision.
type Fire = (usize, usize, usize);

const NUM_CLASSES: usize = 1000;

/// Version 1.0: conv1 7x7, pools after conv1, fire4 and fire8.
pub(super) fn squeezenet1_0() -> Architecture {
    let mut net = Builder::new();
    net.op_relu("conv1", "relu_conv1", conv(96, 7, 2, 0), Some("features.0")).max_pool("pool1", 3, 2, true);
    fires(&mut net, 2, &[(16, 64, 3), (16, 64, 4), (32, 128, 5)]);
    net.max_pool("pool4", 3, 2, true);
    fires(&mut net, 5, &[(32, 128, 7), (48, 192, 8), (48, 192, 9), (64, 256, 10)]);
    net.max_pool("pool8", 3, 2, true);
    fires(&mut net, 9, &[(64, 256, 12)]);
    head(net, "squeezenet1_0")
}

/// Version 1.1: conv1 3x3, pools earlier, 2.4 times less work.
pub(super) fn squeezenet1_1() -> Architecture {
    let mut net = Builder::new();
    net.op_relu("conv1", "relu_conv1", conv(64, 3, 2, 0), Some("features.0")).max_pool("pool1", 3, 2, true);
    fires(&mut net, 2, &[(16, 64, 3), (16, 64, 4)]);
    net.max_pool("pool3", 3, 2, true);
    fires(&mut net, 4, &[(32, 128, 6), (32, 128, 7)]);
    net.max_pool("pool5", 3, 2, true);
    fires(&mut net, 6, &[(48, 192, 9), (48, 192, 10), (64, 256, 11), (64, 256, 12)]);
    head(net, "squeezenet1_1")
}

/// Appends fire modules, numbered from `first`; the concatenation is called `fireN`.
fn fires(net: &mut Builder, first: usize, modules: &[Fire]) {
    for (n, &(squeeze, expand, index)) in (first..).zip(modules) {
        let fire = format!("fire{n}");
        let key = |part: &str| Some(format!("features.{index}.{part}"));
        let branch = |net: &mut Builder, part: &str, key_part: &str, op: Op, input| {
            let id = net.layer(&format!("{fire}/{part}"), op, vec![input], key(key_part));
            net.layer(&format!("{fire}/relu_{part}"), Op::Relu, vec![id], None)
        };
        let input = net.last();
        let squeezed = branch(net, "squeeze1x1", "squeeze", conv(squeeze, 1, 1, 0), input);
        let narrow = branch(net, "expand1x1", "expand1x1", conv(expand, 1, 1, 0), squeezed);
        let wide = branch(net, "expand3x3", "expand3x3", conv(expand, 3, 1, 1), squeezed);
        net.layer(&fire, Op::Concat, vec![narrow, wide], None);
    }
}

fn head(mut net: Builder, name: &str) -> Architecture {
    net.op_relu("conv10", "relu_conv10", conv(NUM_CLASSES, 1, 1, 0), Some("classifier.1"))
        .op("pool10", Op::AvgPool { out: 1 })
        .op("flatten", Op::Flatten);
    net.build(name, Preprocess::torchvision(), NUM_CLASSES, ("fire9", Pooling::Mean), "fire9")
}
