//! Caffe's two reference networks after Krizhevsky et al. 2012: two groups, LRN, 227 px.

use super::{Architecture, Builder, Op, Pooling};
use crate::preprocess::Preprocess;

const LRN: Op = Op::Lrn { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };

/// `bvlc_reference_caffenet`: pooling before normalization.
pub(super) fn caffenet() -> Architecture {
    layout("caffenet", true)
}

/// `bvlc_alexnet`: normalization before pooling, as in the paper.
pub(super) fn bvlc_alexnet() -> Architecture {
    layout("bvlc-alexnet", false)
}

fn layout(name: &str, pool_first: bool) -> Architecture {
    let conv = |out_channels, kernel, stride, padding, groups| Op::Conv {
        out_channels,
        kernel,
        stride,
        padding,
        groups,
    };
    let pool_and_norm = |net: &mut Builder, n: usize| {
        let (pool, norm) = (format!("pool{n}"), format!("norm{n}"));
        if pool_first {
            net.max_pool(&pool, 3, 2, true).op(&norm, LRN);
        } else {
            net.op(&norm, LRN).max_pool(&pool, 3, 2, true);
        }
    };
    let mut net = Builder::new();
    net.op_relu("conv1", "relu1", conv(96, 11, 4, 0, 1), None);
    pool_and_norm(&mut net, 1);
    net.op_relu("conv2", "relu2", conv(256, 5, 1, 2, 2), None);
    pool_and_norm(&mut net, 2);
    net.op_relu("conv3", "relu3", conv(384, 3, 1, 1, 1), None)
        .op_relu("conv4", "relu4", conv(384, 3, 1, 1, 2), None)
        .op_relu("conv5", "relu5", conv(256, 3, 1, 1, 2), None)
        .max_pool("pool5", 3, 2, true)
        .op("flatten", Op::Flatten)
        .op_relu("fc6", "relu6", Op::Linear { out: 4096 }, None)
        .op_relu("fc7", "relu7", Op::Linear { out: 4096 }, None)
        .op("fc8", Op::Linear { out: 1000 });
    net.build(name, Preprocess::caffe(), 1000, ("fc7", Pooling::None), "conv5")
}
