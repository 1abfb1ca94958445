//! The convolutions of the networks, one by one: `cargo bench -p featlas-net`.

use criterion::{BenchmarkId, Criterion, Throughput};
use featlas_net::{ConvSizes, PlannedConv, Shape};
use std::hint::black_box;

/// Name, channels and side of the input, channels of the output, kernel, stride, padding.
const LAYERS: [(&str, usize, usize, usize, usize, usize, usize); 8] = [
    ("alexnet conv2", 64, 27, 192, 5, 1, 2),
    ("alexnet conv3", 192, 13, 384, 3, 1, 1),
    ("alexnet conv4", 384, 13, 256, 3, 1, 1),
    ("vgg conv1_2", 64, 224, 64, 3, 1, 1),
    ("vgg conv3_2", 256, 56, 256, 3, 1, 1),
    ("vgg conv5_1", 512, 14, 512, 3, 1, 1),
    ("squeezenet fire4/squeeze1x1", 128, 54, 32, 1, 1, 0),
    ("strided", 64, 56, 128, 3, 2, 1),
];

fn convolutions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv");
    group.sample_size(10);
    for (name, c, side, out_channels, kernel, stride, padding) in LAYERS {
        let input = Shape { c, h: side, w: side };
        let sizes = ConvSizes { input, out_channels, kernel, stride, padding, groups: 1 };
        let numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|i| (i * 2_654_435_761 % 1024) as f32 / 512.0 - 1.0).collect()
        };
        let kernels = numbers(out_channels * c * kernel * kernel);
        let conv = PlannedConv::new(sizes, &kernels, &numbers(out_channels));
        for n in [1, 4] {
            let images = numbers(n * input.len());
            // Multiply-adds of the definition, so that methods can be compared.
            let products = n * conv.output().len() * c * kernel * kernel;
            group.throughput(Throughput::Elements(products as u64));
            group.bench_with_input(BenchmarkId::new(name, n), &images, |bencher, images| {
                bencher.iter(|| conv.run(black_box(images), true));
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    convolutions(&mut criterion);
    criterion.final_summary();
}
