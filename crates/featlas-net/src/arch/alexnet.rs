//! torchvision's AlexNet: the one-tower network of Krizhevsky 2014 ("One weird trick").

use super::build::conv;
use super::{Architecture, Builder, Op, Pooling};
use crate::preprocess::Preprocess;

/// 64-192-384-256-256 channels, no groups, no LRN; dropout does nothing outside training.
pub(super) fn alexnet() -> Architecture {
    let mut net = Builder::new();
    net.op_relu("conv1", "relu1", conv(64, 11, 4, 2), Some("features.0"))
        .max_pool("pool1", 3, 2, false)
        .op_relu("conv2", "relu2", conv(192, 5, 1, 2), Some("features.3"))
        .max_pool("pool2", 3, 2, false)
        .op_relu("conv3", "relu3", conv(384, 3, 1, 1), Some("features.6"))
        .op_relu("conv4", "relu4", conv(256, 3, 1, 1), Some("features.8"))
        .op_relu("conv5", "relu5", conv(256, 3, 1, 1), Some("features.10"))
        .max_pool("pool5", 3, 2, false)
        .op("avgpool", Op::AvgPool { out: 6 })
        .op("flatten", Op::Flatten)
        .op_relu("fc6", "relu6", Op::Linear { out: 4096 }, Some("classifier.1"))
        .op_relu("fc7", "relu7", Op::Linear { out: 4096 }, Some("classifier.4"));
    net.layer("fc8", Op::Linear { out: 1000 }, vec![net.last()], Some("classifier.6".to_owned()));
    net.build("alexnet", Preprocess::torchvision(), 1000, ("fc7", Pooling::None), "conv5")
}
