//! Everything that decides a feature's value, field by field.

use featlas_core::{Digest, Hasher};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The named facts that decide what a feature is: model, weights, preprocessing, taps and so on.
///
/// Keeps the order in which fields were added, for people; two of them are equal, and have one digest,
/// when they hold the same fields in any order.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    // No name occurs twice.
    fields: Vec<(String, String)>,
}

/// One field in which two fingerprints differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field's name.
    pub field: String,
    /// Its value in the fingerprint asked, `(absent)` if it has none.
    pub mine: String,
    /// Its value in the other one, `(absent)` if it has none.
    pub theirs: String,
}

const ABSENT: &str = "(absent)";

impl Fingerprint {
    /// A fingerprint without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field, or replaces its value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(name.into(), value.into());
        self
    }

    /// Adds a field, or replaces its value.
    pub fn set(&mut self, name: String, value: String) {
        match self.fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.0 == name).map(|field| field.1.as_str())
    }

    /// All fields, in the order in which they were added.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The digest of all fields; their order does not matter.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (name, value) in self.sorted() {
            hasher.field(name.as_bytes()).field(value.as_bytes());
        }
        hasher.finish()
    }

    /// Every field whose value is not the same in both, mine first, then those only `other` has.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let difference = |field: &str| {
            let (mine, theirs) = (self.get(field), other.get(field));
            (mine != theirs).then(|| Difference {
                field: field.to_owned(),
                mine: mine.unwrap_or(ABSENT).to_owned(),
                theirs: theirs.unwrap_or(ABSENT).to_owned(),
            })
        };
        let only_theirs = other.fields.iter().filter(|(name, _)| self.get(name).is_none());
        self.fields.iter().chain(only_theirs).filter_map(|(name, _)| difference(name)).collect()
    }

    fn sorted(&self) -> Vec<&(String, String)> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort();
        fields
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for Fingerprint {}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Fingerprint {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        fields.into_iter().fold(Self::new(), |fingerprint, (name, value)| fingerprint.with(name, value))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A derived map type would lose the order of the fields.
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Fingerprint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fingerprint, A::Error> {
                let mut fingerprint = Fingerprint::new();
                while let Some((name, value)) = map.next_entry()? {
                    fingerprint.set(name, value);
                }
                Ok(fingerprint)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, &str); 4] =
        [("weights", "abc"), ("model", "alexnet"), ("preprocess", "224"), ("taps", "conv5")];

    fn fingerprint() -> Fingerprint {
        FIELDS.into_iter().collect()
    }

    #[test]
    fn each_one_field_change_is_seen_and_named() {
        for (name, value) in FIELDS {
            let other = fingerprint().with(name, "other");
            assert_ne!(other.digest(), fingerprint().digest(), "{name}");
            assert_eq!(
                fingerprint().differences(&other),
                [Difference { field: name.into(), mine: value.into(), theirs: "other".into() }]
            );
        }
    }

    #[test]
    fn a_field_only_one_side_has_is_a_difference() {
        let more = fingerprint().with("dtype", "f32");
        let expected = |mine: &str, theirs: &str| Difference {
            field: "dtype".into(),
            mine: mine.into(),
            theirs: theirs.into(),
        };
        assert_eq!(fingerprint().differences(&more), [expected(ABSENT, "f32")]);
        assert_eq!(more.differences(&fingerprint()), [expected("f32", ABSENT)]);
    }

    #[test]
    fn order_is_kept_but_does_not_matter() {
        let reversed: Fingerprint = FIELDS.into_iter().rev().collect();
        assert_eq!(reversed, fingerprint());
        assert_eq!(reversed.digest(), fingerprint().digest());

        let text = serde_json::to_string(&fingerprint()).unwrap();
        assert_eq!(text, r#"{"weights":"abc","model":"alexnet","preprocess":"224","taps":"conv5"}"#);
        let back: Fingerprint = serde_json::from_str(&text).unwrap();
        assert!(back.fields().eq(fingerprint().fields()));
    }

    #[test]
    fn value_and_name_do_not_run_into_each_other() {
        let a = Fingerprint::new().with("ab", "c");
        let b = Fingerprint::new().with("a", "bc");
        assert_ne!(a.digest(), b.digest());
    }
}
