use super::*;
use crate::arch::Builder;
use crate::testing::{architecture_of, f16_file, formula_tensors};
use std::borrow::Cow;

fn tiny() -> Architecture {
    let mut net = Builder::new();
    let conv = |out_channels| Op::Conv { out_channels, kernel: 3, stride: 1, padding: 0, groups: 1 };
    net.op_relu("conv1", "relu1", conv(4), Some("features.0"))
        .max_pool("pool1", 3, 2, false)
        .op("flatten", Op::Flatten);
    net.layer("fc2", Op::Linear { out: 200 }, vec![net.last()], Some("classifier.0".to_owned()));
    architecture_of(net, 12, 200, "fc2")
}

fn open(metadata: &[(&str, &str)]) -> Result<Model, NetError> {
    open_as(&tiny(), metadata)
}

/// Weights that fit `layout`, opened as the tiny architecture.
fn open_as(layout: &Architecture, metadata: &[(&str, &str)]) -> Result<Model, NetError> {
    let bytes = f16_file(&formula_tensors(layout), metadata);
    let weights = Weights::from_bytes(Cow::Owned(bytes), Path::new("w.safetensors"))?;
    Model::new(tiny(), weights)
}

#[test]
fn embedded_model_opens_without_a_file() {
    let model = Model::open("alexnet-lite", None).unwrap();
    assert_eq!(model.name(), "alexnet-lite");
    assert_eq!(*model.preprocess(), Preprocess::torchvision());
    assert_eq!(model.classes().unwrap().len(), 200);
    assert_eq!(model.class_label(0), "goldfish, Carassius auratus");
    assert_eq!(model.class_label(200), "class 200");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/models/alexnet-lite.safetensors");
    assert_eq!(model.weights_digest(), Digest::of(&fs_err::read(&path).unwrap()));
    let readme = fs_err::read_to_string(path.with_file_name("README.md")).unwrap();
    assert!(
        readme.contains(&model.weights_digest().to_string()),
        "README.md names {}",
        model.weights_digest()
    );
    let from_file = Model::open("alexnet-lite", Some(&path)).unwrap();
    assert_eq!(from_file.fingerprint_fields(), model.fingerprint_fields());
}

#[test]
fn models_without_weights_say_what_to_do() {
    let err = Model::open("vgg16", None).unwrap_err();
    assert_eq!(err.to_string(), "model `vgg16` has no embedded weights");
    assert!(err.hint().unwrap().contains("featlas models pull"));
    assert!(matches!(Model::open("vgg15", None).unwrap_err(), NetError::UnknownModel { .. }));
}

#[test]
fn weights_of_another_model_are_refused() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/models/alexnet-lite.safetensors");
    let err = Model::open("alexnet", Some(&path)).unwrap_err();
    assert!(
        err.to_string()
            .starts_with("weights are for another model: expected `alexnet`, got `alexnet-lite` in `"),
        "{err}"
    );
}

#[test]
fn metadata_overrides_preprocessing_and_layers() {
    let plain = open(&[]).unwrap();
    assert_eq!(plain.shapes()[0], Shape { c: 4, h: 10, w: 10 });
    assert_eq!(plain.shapes()[2], Shape { c: 4, h: 4, w: 4 });

    let layout = {
        let mut arch = tiny();
        apply_layer_option(&mut arch, "conv1_pad", "2", Path::new("w")).unwrap();
        apply_layer_option(&mut arch, "pooling", "ceil mode", Path::new("w")).unwrap();
        arch.preprocess = Preprocess::parse("BGR; warp to 12x12; center crop 11; 0-255").unwrap();
        arch
    };
    let options = [
        ("conv1_pad", "2"),
        ("pooling", "ceil mode"),
        ("preprocess", "BGR; warp to 12x12; center crop 11; 0-255"),
        ("classes", "the 200 of Tiny ImageNet, in the order of their WordNet ids (classes.txt)"),
        ("note", "any remark"),
    ];
    let model = open_as(&layout, &options).unwrap();
    assert_eq!(model.shapes()[0], Shape { c: 4, h: 13, w: 13 });
    assert_eq!(model.shapes()[2], Shape { c: 4, h: 6, w: 6 });
    let fields = model.fingerprint_fields();
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["model", "weights", "preprocess", "layer_options"]);
    assert_eq!(
        fields[2].1,
        "BGR; warp to 12x12, antialiased bilinear; center crop 11; 0-255; mean 0 0 0; std 1 1 1"
    );
    assert_eq!(fields[3].1, "conv1_pad=2; pooling=ceil mode");
    assert_eq!(plain.fingerprint_fields()[3].1, "none");
    assert_ne!(plain.fingerprint_fields()[1], fields[1]);
}

#[test]
fn metadata_that_makes_no_sense_is_refused() {
    let refused = |key, value| open(&[(key, value)]).unwrap_err().to_string();
    assert_eq!(
        refused("pooling", "round up"),
        "cannot read weights metadata `pooling`: expected `ceil mode` or `floor mode`, got `round up` in \
         `w.safetensors`"
    );
    assert!(refused("conv9_pad", "1").contains("the name of a convolution"));
    assert!(refused("fc2_pad", "1").contains("the name of a convolution"));
    assert!(refused("conv1_pad", "99").contains("a padding between 0 and the side of the kernel"));
    assert!(refused("conv1_pad", "-1").contains("a padding between 0 and the side of the kernel"));
    assert_eq!(
        refused("preprocess", "nonsense"),
        "cannot read weights metadata `preprocess` in `w.safetensors`"
    );
    assert!(refused("classes", "pets").starts_with("cannot read weights metadata `classes`"));
    assert_eq!(
        refused("classes", "ImageNet-1k"),
        "wrong number of class names: expected 200, got 1000 for `w.safetensors`"
    );
    assert!(refused("architecture", "alexnet").starts_with("weights are for another model"));
}

#[test]
fn layer_tensors_come_in_either_naming() {
    let torchvision = open(&[]).unwrap();
    let renamed: Vec<_> = formula_tensors(&tiny())
        .into_iter()
        .map(|(name, shape, values)| {
            (name.replace("features.0", "conv1").replace("classifier.0", "fc2"), shape, values)
        })
        .collect();
    let bytes = f16_file(&renamed, &[]);
    let weights = Weights::from_bytes(Cow::Owned(bytes), Path::new("w")).unwrap();
    let lecture = Model::new(tiny(), weights).unwrap();
    let id = lecture.find_layer("conv1").unwrap();
    assert_eq!(lecture.layer_tensors(id), torchvision.layer_tensors(id));
    let tensors = lecture.layer_tensors(id);
    assert_eq!(tensors[0].parameter.shape, [4, 3, 3, 3]);
    assert_eq!((tensors[0].parameter.suffix, tensors[1].parameter.suffix), ("weight", "bias"));
    assert!(lecture.layer_tensors(lecture.find_layer("pool1").unwrap()).is_empty());
    assert!(lecture.layer_tensors(LayerId::INPUT).is_empty());
}

#[test]
fn top_classes_are_sorted_and_ties_go_to_the_lower() {
    assert_eq!(top_k_classes(&[0.5, 2.0, 2.0, -1.0], 3), [(1, 2.0), (2, 2.0), (0, 0.5)]);
    assert_eq!(top_k_classes(&[1.0], 5), [(0, 1.0)]);
}
