//! `alexnet-lite`: one tower of the original AlexNet, the model that is compiled in.

use super::build::conv;
use super::{Architecture, Builder, Op, Pooling};
use crate::preprocess::Preprocess;

/// The model whose weights are compiled in.
pub const EMBEDDED_MODEL: &str = "alexnet-lite";

/// Rank of the two factored fully connected layers.
const RANK: usize = 96;

/// 48-128-192-192-128 channels, so that conv5 is the lecture's 128x13x13; fc6 and fc7 are 4096-d
/// through factors of rank 96; 200 classes.
pub(super) fn alexnet_lite() -> Architecture {
    let mut net = Builder::new();
    net.op_relu("conv1", "relu1", conv(48, 11, 4, 2), None)
        .max_pool("pool1", 3, 2, false)
        .op_relu("conv2", "relu2", conv(128, 5, 1, 2), None)
        .max_pool("pool2", 3, 2, false)
        .op_relu("conv3", "relu3", conv(192, 3, 1, 1), None)
        .op_relu("conv4", "relu4", conv(192, 3, 1, 1), None)
        .op_relu("conv5", "relu5", conv(128, 3, 1, 1), None)
        .max_pool("pool5", 3, 2, false)
        .op("flatten", Op::Flatten)
        .op_relu("fc6", "relu6", Op::LowRankLinear { rank: RANK, out: 4096 }, None)
        .op_relu("fc7", "relu7", Op::LowRankLinear { rank: RANK, out: 4096 }, None)
        .op("fc8", Op::Linear { out: 200 });
    net.build(EMBEDDED_MODEL, Preprocess::torchvision(), 200, ("fc7", Pooling::None), "conv5")
}
