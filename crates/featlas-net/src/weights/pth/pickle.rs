//! A reader for the few pickle instructions that a PyTorch state dict is made of.
//!
//! A pickle is a program. This reader carries out only those instructions that build dicts, lists,
//! tuples, numbers and strings, and knows by name the handful of Python globals that a state dict refers
//! to; it calls nothing. Any other instruction or global ends the reading with an error that names it.
//!
//! Memory is bounded by the length of the pickle: values live in one arena and refer to one another by
//! index, so shared and nested values cost one entry each, however often they are referred to, and
//! nothing here recurses. Strings are ranges of the input. Every length is compared with the bytes that
//! are there before it is used.

use crate::error::PthError;
use std::collections::HashMap;
use std::ops::Range;

/// Most instructions that are read; a state dict needs about thirty a tensor.
const MAX_INSTRUCTIONS: u64 = 1 << 20;
/// Most dimensions of a tensor.
const MAX_DIMS: usize = 8;

/// A value's place in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ref(usize);

/// The number type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Float,
    Double,
    Half,
    BFloat16,
    /// Numbers that are no weights: their name and their size in bytes.
    Other(&'static str, usize),
}

impl Element {
    pub(super) fn size(self) -> usize {
        match self {
            Self::Float => 4,
            Self::Double => 8,
            Self::Half | Self::BFloat16 => 2,
            Self::Other(_, size) => size,
        }
    }
}

/// The Python objects that a state dict may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    RebuildTensor,
    RebuildTensorV2,
    RebuildParameter,
    Storage(Element),
}

/// A tensor: which storage, and which of its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

/// A reference to numbers outside the pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) element: Element,
    /// The storage's name: a range of the pickle.
    pub(super) key: Range<usize>,
    pub(super) num_elements: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits: a range of the pickle.
    Long(Range<usize>),
    /// A float; no state dict's tensors depend on one.
    Float,
    Str(Range<usize>),
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Global(Global),
    Storage(Storage),
    Tensor(Box<Tensor>),
}

impl Value {
    /// What it is, for error messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Long(_) => "an int",
            Self::Float => "a float",
            Self::Str(_) => "a string",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Global(_) => "a type",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// One pickle, read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    root: Ref,
    /// Where the byte behind it lies.
    pub(super) end: usize,
}

impl Pickle<'_> {
    pub(super) fn root(&self) -> &Value {
        self.get(self.root)
    }

    /// Every storage that is mentioned anywhere.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    pub(super) fn get(&self, at: Ref) -> &Value {
        &self.values[at.0]
    }

    /// The text of a string; `None` if it is no string or not UTF-8.
    pub(super) fn text(&self, value: &Value) -> Option<&str> {
        match value {
            Value::Str(range) => self.str(range),
            _ => None,
        }
    }

    pub(super) fn str(&self, range: &Range<usize>) -> Option<&str> {
        str::from_utf8(&self.bytes[range.clone()]).ok()
    }

    /// The little-endian bytes of a long integer.
    pub(super) fn long(&self, value: &Value) -> Option<&[u8]> {
        match value {
            Value::Long(range) => Some(&self.bytes[range.clone()]),
            _ => None,
        }
    }
}

/// Reads the pickle that begins at byte `start` of `bytes`.
pub(super) fn read(bytes: &[u8], start: usize) -> Result<Pickle<'_>, PthError> {
    let mut machine = Machine {
        bytes,
        at: start,
        opcode_at: start,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
    };
    for _ in 0..MAX_INSTRUCTIONS {
        if let Some(root) = machine.step()? {
            let Machine { values, at, .. } = machine;
            return Ok(Pickle { bytes, values, root, end: at });
        }
    }
    Err(PthError::Limit { what: "pickle instructions", limit: MAX_INSTRUCTIONS })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    opcode_at: usize,
    values: Vec<Value>,
    stack: Vec<Ref>,
    /// Heights of the stack at the marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Ref>,
    /// Entries copied from lists into dicts: the one work that can exceed the length of the pickle.
    copied: u64,
}

impl Machine<'_> {
    /// Carries out one instruction; gives the result when it is the last.
    fn step(&mut self) -> Result<Option<Ref>, PthError> {
        self.opcode_at = self.at;
        let [opcode] = self.array()?;
        match opcode {
            // PROTO: version 2 is the one PyTorch writes; later ones bring more instructions.
            0x80 => {
                let [version] = self.array()?;
                if version != 2 {
                    return Err(self.malformed("its protocol is not 2"));
                }
            }
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let int = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(int)));
            }
            b'K' => {
                let [int] = self.array()?;
                self.push(Value::Int(i64::from(int)));
            }
            b'M' => {
                let int = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(int)));
            }
            // LONG1
            0x8a => self.long()?,
            b'G' => {
                let _float: [u8; 8] = self.array()?;
                self.push(Value::Float);
            }
            // BINUNICODE, BINSTRING, SHORT_BINSTRING
            b'X' | b'T' => {
                let len = u32::from_le_bytes(self.array()?);
                self.string(len)?;
            }
            b'U' => {
                let [len] = self.array()?;
                self.string(u32::from(len))?;
            }
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items));
            }
            // TUPLE1, TUPLE2, TUPLE3
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            b'q' => {
                let [slot] = self.array()?;
                self.remember(u32::from(slot))?;
            }
            b'r' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.remember(slot)?;
            }
            b'h' => {
                let [slot] = self.array()?;
                self.recall(u32::from(slot))?;
            }
            b'j' => {
                let slot = u32::from_le_bytes(self.array()?);
                self.recall(slot)?;
            }
            b'c' => self.global()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            _ => return Err(PthError::Opcode { opcode, offset: self.opcode_at }),
        }
        Ok(None)
    }

    fn malformed(&self, what: &'static str) -> PthError {
        PthError::Malformed { what, offset: self.opcode_at }
    }

    fn take(&mut self, len: usize) -> Result<Range<usize>, PthError> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(PthError::Truncated { what: "pickle", offset: self.bytes.len() })?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PthError> {
        let range = self.take(N)?;
        Ok(self.bytes[range].try_into().expect("took N bytes"))
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(Ref(self.values.len() - 1));
    }

    /// The height below which the stack belongs to an open mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Ref, PthError> {
        if self.stack.len() <= self.floor() {
            return Err(self.malformed("it takes from an empty stack"));
        }
        Ok(self.stack.pop().expect("the stack is not empty"))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Ref>, PthError> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        let start = start.ok_or_else(|| self.malformed("it takes from an empty stack"))?;
        Ok(self.stack.split_off(start))
    }

    fn pop_mark(&mut self) -> Result<Vec<Ref>, PthError> {
        let start = self.marks.pop().ok_or_else(|| self.malformed("there is no mark"))?;
        Ok(self.stack.split_off(start))
    }

    fn top(&self) -> Result<Ref, PthError> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor());
        top.copied().ok_or_else(|| self.malformed("it looks at an empty stack"))
    }

    fn long(&mut self) -> Result<(), PthError> {
        let [len] = self.array()?;
        let range = self.take(usize::from(len))?;
        let bytes = &self.bytes[range.clone()];
        let value = if bytes.len() <= 8 {
            let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
            let mut full = [sign; 8];
            full[..bytes.len()].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(full))
        } else {
            Value::Long(range)
        };
        self.push(value);
        Ok(())
    }

    fn string(&mut self, len: u32) -> Result<(), PthError> {
        let range = self.take(len as usize)?;
        self.push(Value::Str(range));
        Ok(())
    }

    fn remember(&mut self, slot: u32) -> Result<(), PthError> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), PthError> {
        let value = self.memo.get(&slot).copied();
        let value = value.ok_or_else(|| self.malformed("it recalls what was never remembered"))?;
        self.stack.push(value);
        Ok(())
    }

    fn append(&mut self, items: Vec<Ref>) -> Result<(), PthError> {
        let list = self.top()?;
        match &mut self.values[list.0] {
            Value::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(self.malformed("it appends to what is no list")),
        }
    }

    fn set_items(&mut self, items: &[Ref]) -> Result<(), PthError> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.malformed("a key has no value"));
        }
        let dict = self.top()?;
        match &mut self.values[dict.0] {
            Value::Dict(dict) => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(self.malformed("it sets an item of what is no dict")),
        }
    }

    fn line(&mut self) -> Result<Range<usize>, PthError> {
        let len = self.bytes[self.at..].iter().position(|&byte| byte == b'\n');
        let len = len.ok_or(PthError::Truncated { what: "pickle", offset: self.bytes.len() })?;
        let line = self.take(len + 1)?;
        Ok(line.start..line.end - 1)
    }

    fn global(&mut self) -> Result<(), PthError> {
        let (module, name) = (self.line()?, self.line()?);
        let text = |range: Range<usize>| String::from_utf8_lossy(&self.bytes[range]);
        let (module, name) = (text(module), text(name));
        let global = known_global(&module, &name);
        let refused = || {
            // Long enough to recognize it, short enough for a terminal.
            let name = format!("{module}.{name}").chars().take(120).collect();
            PthError::Global { name }
        };
        let global = global.ok_or_else(refused)?;
        self.push(Value::Global(global));
        Ok(())
    }

    /// Builds what one of the known globals would build from its arguments.
    fn reduce(&mut self) -> Result<(), PthError> {
        let [callable, args] = self.pop_many(2)?.try_into().expect("took two");
        let Value::Global(global) = self.values[callable.0] else {
            return Err(self.malformed("it calls what is no known type"));
        };
        let Value::Tuple(args) = &self.values[args.0] else {
            return Err(self.malformed("the arguments are no tuple"));
        };
        let value = match (global, args.as_slice()) {
            (Global::OrderedDict, []) => Value::Dict(Vec::new()),
            (Global::OrderedDict, &[list]) => self.pairs(list)?,
            // What a parameter or a size holds is all that matters of it.
            (Global::Size, &[only]) | (Global::RebuildParameter, &[only, _, _]) => {
                let fits = match &self.values[only.0] {
                    Value::Tuple(_) => global == Global::Size,
                    Value::Tensor(_) => global == Global::RebuildParameter,
                    _ => false,
                };
                if !fits {
                    return Err(self.malformed("a size is no tuple or a parameter no tensor"));
                }
                self.stack.push(only);
                return Ok(());
            }
            (Global::RebuildTensor, [_, _, _, _]) | (Global::RebuildTensorV2, [_, _, _, _, _, _, ..]) => {
                self.tensor(args)?
            }
            _ => return Err(self.malformed("a call has the wrong number of arguments")),
        };
        self.push(value);
        Ok(())
    }

    /// The entries of an ordered dict that is written as a list of pairs.
    fn pairs(&mut self, list: Ref) -> Result<Value, PthError> {
        let Value::List(items) = &self.values[list.0] else {
            return Err(self.malformed("an ordered dict is made of no list"));
        };
        self.copied += items.len() as u64;
        if self.copied > MAX_INSTRUCTIONS {
            return Err(PthError::Limit { what: "copied entries", limit: MAX_INSTRUCTIONS });
        }
        let pair = |item: &Ref| match &self.values[item.0] {
            Value::List(pair) | Value::Tuple(pair) => match pair.as_slice() {
                &[key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        };
        let pairs = items.iter().map(pair).collect::<Option<Vec<_>>>();
        pairs.map(Value::Dict).ok_or_else(|| self.malformed("an ordered dict is made of no pairs"))
    }

    fn tensor(&self, args: &[Ref]) -> Result<Value, PthError> {
        let value = |i: usize| &self.values[args[i].0];
        let Value::Storage(storage) = value(0) else {
            return Err(self.malformed("a tensor has no storage"));
        };
        let count = |value: &Value| match *value {
            Value::Int(int) => {
                usize::try_from(int).map_err(|_negative| self.malformed("a tensor's number is negative"))
            }
            _ => Err(self.malformed("a tensor's offset, shape or stride is no number")),
        };
        let counts = |value: &Value| match value {
            Value::Tuple(items) if items.len() <= MAX_DIMS => {
                items.iter().map(|item| count(&self.values[item.0])).collect::<Result<Vec<_>, _>>()
            }
            Value::Tuple(_) => Err(PthError::Limit { what: "dimensions", limit: MAX_DIMS as u64 }),
            _ => Err(self.malformed("a tensor's shape or stride is no tuple")),
        };
        let (shape, stride) = (counts(value(2))?, counts(value(3))?);
        if shape.len() != stride.len() {
            return Err(self.malformed("a tensor's shape and stride differ in length"));
        }
        let (storage, offset) = (storage.clone(), count(value(1))?);
        Ok(Value::Tensor(Box::new(Tensor { storage, offset, shape, stride })))
    }

    /// `object.__setstate__(state)`: the attributes of a state dict (its `_metadata`) say nothing about
    /// its tensors and are dropped; on anything else it is refused.
    fn build(&mut self) -> Result<(), PthError> {
        let state = self.pop()?;
        let object = self.top()?;
        match (&self.values[object.0], &self.values[state.0]) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            _ => Err(self.malformed("it sets the state of what is no dict")),
        }
    }

    /// `('storage', type, key, location, elements[, view])`.
    fn persistent(&mut self) -> Result<(), PthError> {
        let id = self.pop()?;
        let Value::Tuple(items) = &self.values[id.0] else {
            return Err(self.malformed("a storage is named by no tuple"));
        };
        let values: Vec<&Value> = items.iter().map(|at| &self.values[at.0]).collect();
        let (tag, element, key, count) = match values.as_slice() {
            [tag, element, key, _location, count] | [tag, element, key, _location, count, Value::None] => {
                (*tag, *element, *key, *count)
            }
            [_, _, _, _, _, _] => return Err(self.malformed("a storage is a view of another one")),
            _ => return Err(self.malformed("a storage is named by a tuple of the wrong length")),
        };
        let (Value::Str(tag), Value::Global(Global::Storage(element)), Value::Str(key), &Value::Int(count)) =
            (tag, element, key, count)
        else {
            return Err(self.malformed("a storage is named by other things than type, key and length"));
        };
        if &self.bytes[tag.clone()] != b"storage" {
            return Err(self.malformed("a persistent object is no storage"));
        }
        let num_elements =
            usize::try_from(count).map_err(|_negative| self.malformed("a storage's length is negative"))?;
        let storage = Storage { element: *element, key: key.clone(), num_elements };
        self.push(Value::Storage(storage));
        Ok(())
    }
}

/// The whole list of what a pickle may refer to.
fn known_global(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch", "Size") => Global::Size,
        ("torch._utils", "_rebuild_tensor") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensorV2,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "FloatStorage") => Global::Storage(Element::Float),
        ("torch", "DoubleStorage") => Global::Storage(Element::Double),
        ("torch", "HalfStorage") => Global::Storage(Element::Half),
        ("torch", "BFloat16Storage") => Global::Storage(Element::BFloat16),
        ("torch", "LongStorage") => Global::Storage(Element::Other("int64", 8)),
        ("torch", "IntStorage") => Global::Storage(Element::Other("int32", 4)),
        ("torch", "ShortStorage") => Global::Storage(Element::Other("int16", 2)),
        ("torch", "CharStorage") => Global::Storage(Element::Other("int8", 1)),
        ("torch", "ByteStorage") => Global::Storage(Element::Other("uint8", 1)),
        ("torch", "BoolStorage") => Global::Storage(Element::Other("bool", 1)),
        ("torch.storage", "_TypedStorage" | "TypedStorage" | "_UntypedStorage" | "UntypedStorage")
        | ("torch", "UntypedStorage") => Global::Storage(Element::Other("untyped bytes", 1)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
