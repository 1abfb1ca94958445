use super::*;
use crate::arch::{Builder, Op};
use crate::testing::{architecture_of, f16_file, formula_tensors};
use safetensors::tensor::TensorView;

fn tiny() -> Architecture {
    let mut net = Builder::new();
    let conv = Op::Conv { out_channels: 2, kernel: 3, stride: 1, padding: 0, groups: 1 };
    net.op_relu("conv1", "relu1", conv, Some("features.0")).op("flatten", Op::Flatten);
    net.layer("fc2", Op::Linear { out: 5 }, vec![net.last()], Some("classifier.0".to_owned()));
    architecture_of(net, 4, 5, "fc2")
}

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

fn check(change: impl FnOnce(&mut Tensors)) -> Result<Naming, NetError> {
    let mut tensors = formula_tensors(&tiny());
    change(&mut tensors);
    let bytes = f16_file(&tensors, &[]);
    Weights::from_bytes(Cow::Owned(bytes), Path::new("dir/w.safetensors"))?.check(&tiny())
}

fn refused(change: impl FnOnce(&mut Tensors)) -> String {
    check(change).unwrap_err().to_string()
}

#[test]
fn good_weights_pass_in_both_namings() {
    assert_eq!(check(|_| {}).unwrap(), Naming::Torchvision);
    let lecture = |tensors: &mut Tensors| {
        for (name, _, _) in tensors {
            *name = name.replace("features.0", "conv1").replace("classifier.0", "fc2");
        }
    };
    assert_eq!(check(lecture).unwrap(), Naming::Lecture);
}

#[test]
fn misfits_name_the_tensor() {
    assert_eq!(
        refused(|tensors| drop(tensors.remove(1))),
        "tensor `features.0.bias` is missing: expected [2] in `dir/w.safetensors`"
    );
    assert_eq!(
        refused(|tensors| tensors.push(("bn.weight".to_owned(), vec![1], vec![0.0]))),
        "tensor `bn.weight` is unknown to model `tiny` in `dir/w.safetensors`"
    );
    assert_eq!(
        refused(|tensors| tensors[2].1 = vec![8, 5]),
        "tensor `classifier.0.weight` has the wrong shape: expected [5, 8], got [8, 5] in `dir/w.safetensors`"
    );
    assert_eq!(
        refused(|tensors| tensors[0].2[7] = f32::INFINITY),
        "tensor `features.0.weight` holds `inf` at index 7 in `dir/w.safetensors`"
    );
    assert_eq!(
        refused(|tensors| tensors[3].2[4] = f32::NAN),
        "tensor `classifier.0.bias` holds `NaN` at index 4 in `dir/w.safetensors`"
    );
    // One tensor in the other naming is a missing one.
    assert_eq!(
        refused(|tensors| tensors[0].0 = "conv1.weight".to_owned()),
        "tensor `features.0.weight` is missing: expected [2, 3, 3, 3] in `dir/w.safetensors`"
    );
}

#[test]
fn all_three_types_are_widened_and_others_refused() {
    let bytes_of = |dtype| -> Vec<u8> {
        let values = [1.5_f32, -0.25];
        match dtype {
            Dtype::F16 => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
            Dtype::BF16 => values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    };
    for (dtype, known) in [(Dtype::F32, true), (Dtype::F16, true), (Dtype::BF16, true), (Dtype::I32, false)] {
        let data = bytes_of(dtype);
        let view = TensorView::new(dtype, vec![2], &data).unwrap();
        let bytes = safetensors::serialize([("conv1.bias", view)], None).unwrap();
        let weights = Weights::from_bytes(Cow::Owned(bytes), Path::new("w")).unwrap();
        assert_eq!(weights.tensor("conv1.bias"), known.then(|| vec![1.5, -0.25].into()), "{dtype:?}");
        assert_eq!(weights.tensor("conv2.bias"), None);
    }
    let mut tensors = formula_tensors(&tiny());
    let ints = vec![0_u8; 8];
    let encoded: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .drain(..)
        .map(|(name, shape, values)| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = encoded.iter().map(|(name, shape, bytes)| {
        let is_int = name == "features.0.bias";
        let (dtype, bytes) = if is_int { (Dtype::I32, &ints) } else { (Dtype::F32, bytes) };
        (name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let err = Weights::from_bytes(Cow::Owned(bytes), Path::new("w")).unwrap().check(&tiny()).unwrap_err();
    assert_eq!(
        err.to_string(),
        "tensor `features.0.bias` has the wrong type: expected f32, f16 or bf16, got i32 in `w`"
    );
}

/// Whatever bytes come: an error or sound weights, never a panic.
#[test]
fn damaged_files_are_errors() {
    let good = f16_file(&formula_tensors(&tiny()), &[("architecture", "tiny")]);
    let load = |bytes: Vec<u8>| {
        Weights::from_bytes(Cow::Owned(bytes), Path::new("w")).and_then(|weights| weights.check(&tiny()))
    };
    assert!(load(good.clone()).is_ok());
    for len in 0..good.len() {
        let err = load(good[..len].to_vec()).unwrap_err();
        assert!(matches!(err, NetError::NotSafetensors { .. }), "cut to {len} bytes: {err}");
    }
    let header = 8 + usize::try_from(u64::from_le_bytes(good[..8].try_into().unwrap())).unwrap();
    for at in 0..header {
        for bit in [0, 3, 7] {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            drop(load(bytes));
        }
    }
    let mut longer = good;
    longer.push(0);
    assert!(matches!(load(longer).unwrap_err(), NetError::NotSafetensors { .. }));
}

#[test]
fn files_are_read_only_when_they_can_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.safetensors");
    let limit = tiny().num_parameters().unwrap() * 4 + HEADER_ROOM_BYTES;
    fs_err::File::create(&path).unwrap().set_len(limit + 1).unwrap();
    let err = Weights::open(&path, &tiny()).unwrap_err();
    assert!(matches!(err, NetError::TooLarge { got, .. } if got == limit + 1), "{err}");
    let err = Weights::open(folder.path(), &tiny()).unwrap_err();
    assert_eq!(err.to_string(), format!("cannot read weights from `{}`", folder.path().display()));
    let err = Weights::open(&folder.path().join("none"), &tiny()).unwrap_err();
    assert!(matches!(err, NetError::Read { .. }));
}

#[test]
fn written_files_are_read_back_and_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.safetensors");
    let tensor = |name: &str, dtype, shape: &[usize], data: Vec<u8>| NewTensor {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        data,
    };
    let tensors = [
        tensor("half", Dtype::F16, &[3], [1.0, 2.0, 3.0].map(|v| f16::from_f32(v).to_le_bytes()).concat()),
        tensor("single", Dtype::F32, &[1, 2], [4.0_f32, 5.0].map(f32::to_le_bytes).concat()),
    ];
    let metadata: BTreeMap<String, String> =
        ["b", "a", "c"].map(|key| (key.to_owned(), format!("{key} \"quoted\""))).into();
    let digest = write_safetensors(&path, &tensors, &metadata).unwrap();
    let bytes = fs_err::read(&path).unwrap();
    assert_eq!(Digest::of(&bytes), digest);
    let weights = Weights::from_bytes(Cow::Owned(bytes), &path).unwrap();
    assert_eq!(*weights.metadata(), metadata);
    assert_eq!(*weights.tensor("half").unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(*weights.tensor("single").unwrap(), [4.0, 5.0]);
    assert_eq!(weights.shapes()["single"], [1, 2]);
    assert_eq!(write_safetensors(&path, &tensors, &metadata).unwrap(), digest);
    let names: Vec<_> = fs_err::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["out.safetensors"], "nothing temporary is left");
    let missing = folder.path().join("no/such/folder/out.safetensors");
    assert!(matches!(write_safetensors(&missing, &tensors, &metadata), Err(NetError::Write { .. })));
}
