//! Names of classes: which list belongs to which weights.

use crate::error::NetError;
use std::path::Path;

/// `WordNet id <TAB> words`, one class a line, in the order of the ids.
const TINY_IMAGENET: &str = include_str!("../../../data/models/alexnet-lite-classes.txt");
const IMAGENET_1K: &str = include_str!("../../../data/models/imagenet1k-classes.txt");

/// A list of class names that weights can refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClassList {
    /// The 1000 classes of ILSVRC 2012.
    Imagenet1k,
    /// The 200 classes of Tiny ImageNet.
    TinyImagenet,
    /// Classes without names.
    Unnamed,
}

impl ClassList {
    /// The list an architecture's published weights were trained on.
    pub(crate) fn of_count(num_classes: usize) -> Self {
        match num_classes {
            1000 => Self::Imagenet1k,
            200 => Self::TinyImagenet,
            _ => Self::Unnamed,
        }
    }

    /// Reads the `classes` entry of a weights file's metadata.
    ///
    /// Grammar: `SET [, ORDER]`, where SET is `ImageNet-1k`, `the 200 of Tiny ImageNet` or `none`, and
    /// ORDER, which is the order both lists have, is `sorted by WordNet id` or
    /// `in the order of their WordNet ids`, with a file name in parentheses behind it or not.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, NetError> {
        let err = || NetError::Metadata {
            key: "classes".to_owned(),
            expected: "`ImageNet-1k` or `the 200 of Tiny ImageNet` in the order of WordNet ids, or `none`",
            value: text.to_owned(),
            path: path.to_owned(),
        };
        let (set, order) = text.split_once(',').map_or((text, None), |(set, order)| (set, Some(order)));
        if let Some(order) = order {
            let order = match order.split_once('(') {
                None => order,
                Some((order, file)) if file.trim_end().ends_with(')') => order,
                Some(_) => return Err(err()),
            };
            if !["sorted by WordNet id", "in the order of their WordNet ids"].contains(&order.trim()) {
                return Err(err());
            }
        }
        match set.trim() {
            "ImageNet-1k" => Ok(Self::Imagenet1k),
            "the 200 of Tiny ImageNet" => Ok(Self::TinyImagenet),
            "none" if order.is_none() => Ok(Self::Unnamed),
            _ => Err(err()),
        }
    }

    /// The names, in the order of the logits. Underscores are spaces.
    pub(crate) fn names(self) -> Option<Vec<String>> {
        let text = match self {
            Self::Imagenet1k => IMAGENET_1K,
            Self::TinyImagenet => TINY_IMAGENET,
            Self::Unnamed => return None,
        };
        let name = |line: &str| line.split_once('\t').map_or(line, |(_, words)| words).replace('_', " ");
        Some(text.lines().map(name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_length_of_the_logits() {
        assert_eq!(ClassList::of_count(1000).names().unwrap().len(), 1000);
        assert_eq!(ClassList::of_count(200).names().unwrap().len(), 200);
        assert_eq!(ClassList::of_count(10).names(), None);
    }

    #[test]
    fn names_are_words() {
        let names = ClassList::Imagenet1k.names().unwrap();
        assert_eq!((names[0].as_str(), names[2].as_str()), ("tench", "great white shark"));
        assert!(ClassList::TinyImagenet.names().unwrap()[0].starts_with("goldfish"));
    }

    #[test]
    fn both_published_texts_are_understood() {
        let parse = |text| ClassList::parse(text, Path::new("w.safetensors"));
        assert_eq!(parse("ImageNet-1k, sorted by WordNet id").unwrap(), ClassList::Imagenet1k);
        let tiny = "the 200 of Tiny ImageNet, in the order of their WordNet ids (classes.txt)";
        assert_eq!(parse(tiny).unwrap(), ClassList::TinyImagenet);
        assert_eq!(parse("none").unwrap(), ClassList::Unnamed);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["ImageNet-21k", "ImageNet-1k, shuffled", "ImageNet-1k, sorted by WordNet id (x", "", "none, x"]
        {
            let err = ClassList::parse(text, Path::new("w.safetensors")).unwrap_err();
            assert!(err.to_string().starts_with("cannot read weights metadata `classes`"), "{err}");
            assert!(err.to_string().ends_with("in `w.safetensors`"), "{err}");
        }
    }
}
