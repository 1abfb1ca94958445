use super::*;
use proptest::prelude::*;

/// A small assembler for pickles.
#[derive(Default, Clone)]
struct Asm(Vec<u8>);

impl Asm {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }

    fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    fn text(self, text: &str) -> Self {
        let len = u32::try_from(text.len()).unwrap().to_le_bytes();
        self.op(b"X").op(&len).op(text.as_bytes())
    }

    fn int(self, int: u8) -> Self {
        self.op(&[b'K', int])
    }

    fn storage(self, kind: &str, key: &str, count: u8) -> Self {
        self.op(b"(").text("storage").global("torch", kind).text(key).text("cpu").int(count).op(b"tQ")
    }

    /// `_rebuild_tensor_v2` of `count` floats in one dimension.
    fn tensor(self, key: &str, count: u8) -> Self {
        self.global("torch._utils", "_rebuild_tensor_v2")
            .op(b"(")
            .storage("FloatStorage", key, count)
            .int(0)
            .int(count)
            .op(&[0x85])
            .int(1)
            .op(&[0x85, 0x89])
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }

    fn read(&self) -> Result<Pickle<'_>, PthError> {
        read(&self.0, 0)
    }

    fn refused(&self) -> String {
        self.read().map(|pickle| pickle.end).unwrap_err().to_string()
    }
}

#[test]
fn a_state_dict_is_read() {
    let asm = Asm::new().op(b"}(").text("w").tensor("0", 3).text("b").tensor("1", 2).op(b"u.");
    let pickle = asm.read().unwrap();
    let Value::Dict(entries) = pickle.root() else { panic!("no dict") };
    let names: Vec<_> = entries.iter().map(|(key, _)| pickle.text(pickle.get(*key)).unwrap()).collect();
    assert_eq!(names, ["w", "b"]);
    let Value::Tensor(tensor) = pickle.get(entries[0].1) else { panic!("no tensor") };
    assert_eq!((tensor.shape.as_slice(), tensor.stride.as_slice(), tensor.offset), (&[3][..], &[1][..], 0));
    assert_eq!((tensor.storage.element, tensor.storage.num_elements), (Element::Float, 3));
    assert_eq!(pickle.end, asm.0.len());
    assert_eq!(pickle.storages().count(), 2);
}

#[test]
fn integers_of_every_length_are_read() {
    let long = |bytes: &[u8]| Asm::new().op(&[0x8a, u8::try_from(bytes.len()).unwrap()]).op(bytes).op(b".");
    let value = |asm: Asm| asm.read().unwrap().root().clone();
    assert_eq!(value(long(&[])), Value::Int(0));
    assert_eq!(value(long(&[0xff])), Value::Int(-1));
    assert_eq!(value(long(&[0xff, 0])), Value::Int(255));
    assert_eq!(value(long(&i64::MIN.to_le_bytes())), Value::Int(i64::MIN));
    assert!(matches!(value(long(&[1; 9])), Value::Long(_)));
    assert_eq!(value(Asm::new().op(b"J").op(&(-7_i32).to_le_bytes()).op(b".")), Value::Int(-7));
    assert_eq!(value(Asm::new().op(b"M\x10\x27.")), Value::Int(10_000));
}

#[test]
fn foreign_code_is_named_and_not_run() {
    let canary = tempfile::tempdir().unwrap();
    let path = canary.path().join("owned");
    let command = format!("touch {}", path.display());
    for (module, name) in
        [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("torch.serialization", "load")]
    {
        let asm = Asm::new().global(module, name).text(&command).op(&[0x85]).op(b"R.");
        assert_eq!(asm.refused(), format!("refused pickle global `{module}.{name}`"));
    }
    assert!(!path.exists());
    let long = "x".repeat(10_000);
    assert!(Asm::new().global(&long, "y").op(b".").refused().len() < 200);
}

#[test]
fn instructions_outside_the_list_are_named() {
    // INST, OBJ, NEWOBJ, STACK_GLOBAL, EXT1, BINBYTES, FRAME, PERSID, DUP, POP.
    for opcode in [b'i', b'o', 0x81, 0x93, 0x82, b'B', 0x95, b'P', b'2', b'0'] {
        let asm = Asm::new().op(&[opcode, 0, 0, 0, 0, 0, 0, 0, 0, b'.']);
        assert_eq!(asm.refused(), format!("refused pickle opcode `0x{opcode:02x}` at byte 2"));
    }
    assert_eq!(Asm(vec![0x80, 4, b'N', b'.']).refused(), "malformed pickle: its protocol is not 2 at byte 0");
}

#[test]
fn short_and_wrong_arguments_are_errors() {
    let rebuild = |args: &dyn Fn(Asm) -> Asm| {
        args(Asm::new().global("torch._utils", "_rebuild_tensor_v2").op(b"(")).op(b"tR.").refused()
    };
    assert!(rebuild(&|asm| asm).contains("wrong number of arguments"));
    assert!(rebuild(&|asm| asm.int(1)).contains("wrong number of arguments"));
    let filled = |asm: Asm| asm.int(0).int(1).op(&[0x85]).int(1).op(&[0x85]).op(b"NN");
    assert!(rebuild(&|asm| filled(asm.op(b"N"))).contains("no storage"));
    let stored = |asm: Asm| asm.storage("FloatStorage", "0", 1);
    assert!(rebuild(&|asm| stored(asm).op(b"N))NN")).contains("offset, shape or stride is no number"));
    assert!(rebuild(&|asm| stored(asm).int(0).op(b"NNNN")).contains("no tuple"));
    assert!(rebuild(&|asm| stored(asm).int(0).int(1).op(&[0x85]).op(b")NN")).contains("differ in length"));
    let negative = |asm: Asm| asm.op(b"J\xff\xff\xff\xff");
    assert!(rebuild(&|asm| negative(stored(asm)).op(b")))N")).contains("negative"));
    assert!(
        rebuild(&|asm| stored(asm).int(0).op(b"(").op(&[b'N'; 9]).op(b"t)NN"))
            .contains("too many dimensions")
    );

    let storage = |items: &dyn Fn(Asm) -> Asm| items(Asm::new().op(b"(")).op(b"tQ.").refused();
    assert!(storage(&|asm| asm).contains("wrong length"));
    assert!(storage(&|asm| asm.op(b"NNNNN")).contains("other things"));
    let view = |asm: Asm| asm.text("storage").global("torch", "FloatStorage").text("0").text("cpu").int(1);
    assert!(storage(&|asm| view(asm).op(b")")).contains("a view of another one"));
    assert!(Asm::new().op(b"NQ.").refused().contains("named by no tuple"));
    assert!(Asm::new().op(b"N)R.").refused().contains("no known type"));
    assert!(Asm::new().global("collections", "OrderedDict").op(b"NR.").refused().contains("no tuple"));
    assert!(Asm::new().global("torch", "FloatStorage").op(b")R.").refused().contains("wrong number"));
    assert!(Asm::new().op(b"N}b.").refused().contains("sets the state"));
    assert!(Asm::new().op(b"}Nb.").refused().contains("sets the state"));
    assert!(Asm::new().op(b"]NNs.").refused().contains("no dict"));
    assert!(Asm::new().op(b"}(Nu.").refused().contains("a key has no value"));
    assert!(Asm::new().op(b"}Na.").refused().contains("no list"));
    assert!(Asm::new().op(b"h\x00.").refused().contains("never remembered"));
}

#[test]
fn the_stack_below_a_mark_is_out_of_reach() {
    assert!(Asm::new().op(b"NN(\x86.").refused().contains("empty stack"));
    assert!(Asm::new().op(b"N(.").refused().contains("empty stack"));
    assert!(Asm::new().op(b"N(q\x00").refused().contains("empty stack"));
    assert!(Asm::new().op(b".").refused().contains("empty stack"));
    assert!(Asm::new().op(b"t").refused().contains("no mark"));
}

/// Thirty doublings would be a billion entries if anything were copied.
#[test]
fn doubling_through_the_memo_costs_nothing() {
    let mut asm = Asm::new().op(b"]q\x00");
    for _ in 0..200 {
        asm = asm.op(b"h\x00h\x00\x86q\x00");
    }
    let pickle = asm.op(b".");
    assert!(pickle.read().unwrap().values.len() < 1000);
}

#[test]
fn nesting_and_cycles_are_no_danger() {
    let mut asm = Asm::new();
    for _ in 0..100_000 {
        asm = Asm(asm.0).op(b"]");
    }
    asm = asm.op(&[b'a'].repeat(99_999)).op(b".");
    assert!(matches!(asm.read().unwrap().root(), Value::List(items) if items.len() == 1));
    let cycle = Asm::new().op(b"]q\x00h\x00a.");
    assert!(matches!(cycle.read().unwrap().root(), Value::List(items) if items.len() == 1));
}

/// A list of many pairs that is made into a dict again and again would grow with the square.
#[test]
fn repeated_copies_are_bounded() {
    let mut asm = Asm::new().op(b"]q\x00(");
    for _ in 0..20_000 {
        asm = Asm(asm.0).op(b"NN\x86");
    }
    asm = asm.op(b"e0").clone();
    asm.0.pop(); // Keep the list on the stack.
    asm = asm.global("collections", "OrderedDict").op(b"q\x01");
    for _ in 0..100 {
        asm = Asm(asm.0).op(b"h\x01h\x00\x85R");
    }
    assert_eq!(asm.op(b".").refused(), "too many copied entries: expected at most 1048576");
}

#[test]
fn endless_programs_end() {
    let asm = Asm::new().op(&b"N".repeat(usize::try_from(MAX_INSTRUCTIONS).unwrap()));
    assert_eq!(asm.refused(), "too many pickle instructions: expected at most 1048576");
}

#[test]
fn lengths_are_compared_with_what_is_there() {
    for opcode in [b'X', b'T'] {
        let asm = Asm::new().op(&[opcode, 0xff, 0xff, 0xff, 0xff, b'a']);
        assert_eq!(asm.refused(), "the pickle ends early, at byte 8");
    }
    assert!(Asm::new().op(b"U\xffa").refused().contains("ends early"));
    assert!(Asm::new().op(&[0x8a, 200, 1]).refused().contains("ends early"));
    assert!(Asm::new().op(b"cos\nsystem").refused().contains("ends early"));
}

#[test]
fn every_truncation_is_an_error() {
    let asm = Asm::new().op(b"}(").text("w").tensor("0", 3).op(b"u.");
    for len in 0..asm.0.len() {
        assert!(read(&asm.0[..len], 0).is_err(), "cut to {len} bytes");
    }
}

proptest! {
    /// No bytes make it panic; a cheap fuzz over valid instructions.
    #[test]
    fn no_program_panics(
        choices in prop::collection::vec(0_usize..40, 0..120),
        noise in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let pieces: Vec<Vec<u8>> = [
            &b"("[..], b"t", b")", b"]", b"}", b"N", b"\x88", b"K\x01", b"K\x00", b"q\x00", b"h\x00", b"q\x01", b"h\x01",
            b"R", b"b", b"Q", b"s", b"u", b"a", b"e", b"\x85", b"\x86", b"\x87", b"ccollections\nOrderedDict\n",
            b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n",
            b"ctorch\nSize\n", b"X\x07\x00\x00\x00storage", b"X\x01\x00\x00\x000", b".", b"J\xff\xff\xff\xff",
            b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b"G\x00\x00\x00\x00\x00\x00\x00\x00",
        ].iter().map(|piece| piece.to_vec()).collect();
        let mut program = vec![0x80, 2];
        for choice in choices {
            match pieces.get(choice) {
                Some(piece) => program.extend_from_slice(piece),
                None => program.extend(Asm::default().tensor("0", 3).0),
            }
        }
        drop(read(&program, 0));
        drop(read(&noise, 0));
    }
}
