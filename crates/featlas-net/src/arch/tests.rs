use super::*;
use crate::testing::{golden, sizes};

#[test]
fn unknown_name_lists_the_known_ones() {
    let err = architecture("resnet").unwrap_err();
    assert_eq!(
        err.to_string(),
        "unknown model `resnet`: expected one of alexnet-lite, alexnet, caffenet, bvlc-alexnet, vgg11, vgg13, \
         vgg16, vgg19, squeezenet1_0, squeezenet1_1"
    );
    assert_eq!(err.hint(), Some("`featlas models list` shows all models"));
}

#[test]
fn every_architecture_is_consistent() {
    for name in architectures() {
        let arch = architecture(name).unwrap();
        assert_eq!(arch.name, name);
        let mut names = arch.layer_names();
        names.extend(arch.aliases.iter().map(|(alias, _)| alias.as_str()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{name} has two layers of one name");
        for (index, layer) in arch.layers.iter().enumerate() {
            let earlier = |id: &LayerId| id.index().is_none_or(|source| source < index);
            assert!(layer.inputs.iter().all(earlier), "{name}: {} reads a later layer", layer.name);
        }
        let shapes = arch.shapes(arch.preprocess.input_px()).unwrap();
        assert_eq!(*shapes.last().unwrap(), Shape { c: arch.num_classes, h: 1, w: 1 }, "{name}");
        assert!(
            arch.find(&arch.feature.0).is_some() && arch.conv_layers().contains(&arch.default_conv.as_str())
        );
        for (_, layer) in &arch.aliases {
            assert!(arch.find(layer).is_some(), "{name} has an alias for nothing");
        }
    }
}

/// Names and shapes of every tensor, from torchvision itself.
#[test]
fn tensors_are_torchvisions() {
    let lists = golden("tensors.json");
    for (name, expected) in lists.as_object().unwrap() {
        let expected: Vec<(String, Vec<usize>)> = expected
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry[0].as_str().unwrap().to_owned(), sizes(&entry[1])))
            .collect();
        let arch = architecture(name).unwrap();
        assert_eq!(arch.tensor_list(Naming::Torchvision).unwrap().unwrap(), expected, "{name}");
    }
    assert_eq!(lists.as_object().unwrap().len(), 7);
}

#[test]
fn the_lecture_names_its_own_tensors() {
    let list = architecture("alexnet-lite").unwrap().tensor_list(Naming::Lecture).unwrap().unwrap();
    assert!(list.contains(&("fc6.down.weight".to_owned(), vec![96, 4608])));
    assert!(list.contains(&("conv5.bias".to_owned(), vec![128])));
    assert_eq!(architecture("caffenet").unwrap().tensor_list(Naming::Torchvision).unwrap(), None);
    let grouped = architecture("caffenet").unwrap().tensor_list(Naming::Lecture).unwrap().unwrap();
    assert!(grouped.contains(&("conv4.weight".to_owned(), vec![384, 192, 3, 3])));
}

#[test]
fn a_relu_shared_by_others_is_not_the_reading_place() {
    let arch = architecture("squeezenet1_0").unwrap();
    let read = |name: &str| arch.layer(arch.read_at(arch.find(name).unwrap())).unwrap().name.clone();
    assert_eq!(read("fire2/squeeze1x1"), "fire2/relu_squeeze1x1");
    assert_eq!(read("fire2"), "fire2");
    assert_eq!(read("fire2/relu_squeeze1x1"), "fire2/relu_squeeze1x1");
}

#[test]
fn layer_lists_serialize_for_listings() {
    let text = serde_json::to_string(&architecture("alexnet").unwrap().layers[0]).unwrap();
    assert!(text.contains(r#""op":{"op":"conv","out_channels":64,"kernel":11"#), "{text}");
}
