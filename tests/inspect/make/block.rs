//! A block of `shared!` as a compiler lays it out, for systems that this test does not run on.
//!
//! The fingerprint is worked out here once more, from docs/format.md.

use cotenant::schema::{Kind, Part, Schema, encode, encoded_bytes};

use super::elf::{self, ALLOC, Elf, PROGBITS, WRITE};
use super::pe::{self, Pe};
use super::{Bytes, Target};

const fn schema(type_name: &'static str, kind: Kind, size: usize, align: usize, parts: &'static [Part]) -> Schema {
    Schema { type_name, kind, is_atomic: false, size_bytes: size, align_bytes: align, array_len: 0, parts }
}

const fn array(schema: Schema, len: usize) -> Schema {
    Schema { array_len: len, ..schema }
}

const fn part(name: &'static str, at: u64, schema: &'static Schema) -> Part {
    Part { name, at, doc: "", schema: Some(schema) }
}

const ATOMIC: Schema = Schema { is_atomic: true, ..schema("AtomicU64", Kind::Unsigned, 8, 8, &[]) };
const U16: Schema = schema("u16", Kind::Unsigned, 2, 2, &[]);
const U32: Schema = schema("u32", Kind::Unsigned, 4, 4, &[]);
const U64: Schema = schema("u64", Kind::Unsigned, 8, 8, &[]);
const I16: Schema = schema("i16", Kind::Signed, 2, 2, &[]);
const I32: Schema = schema("i32", Kind::Signed, 4, 4, &[]);
const F64: Schema = schema("f64", Kind::Float, 8, 8, &[]);
const BOOL: Schema = schema("bool", Kind::Bool, 1, 1, &[]);
const CHAR: Schema = schema("char", Kind::Char, 4, 4, &[]);
const LIMITS: Schema =
    schema("Limits", Kind::Struct, 16, 8, &[part("rate", 0, &U32), part("burst", 4, &U32), part("ratio", 8, &F64)]);
const IDLE: Part = Part { name: "Idle", at: 0, doc: "", schema: None };
const BUSY: Part = Part { name: "Busy", at: (-1i64) as u64, doc: "", schema: None };
const STATE: Schema = schema("State", Kind::Enum, 1, 1, &[IDLE, BUSY]);
const PORTS: Schema = array(schema("[u16; 20]", Kind::Array, 40, 2, &[part("", 0, &U16)]), 20);
const TEXT: Schema = array(schema("Text", Kind::Text, 16, 4, &[]), 12);
const OPTIONAL: Schema = schema("Optional", Kind::Optional, 8, 4, &[part("value", 4, &I32)]);
const MUTEX: Schema = schema("Mutex", Kind::Mutex, 16, 8, &[part("word", 0, &U64), part("value", 8, &U32)]);
const LIST: Schema = array(schema("Array", Kind::List, 12, 4, &[part("", 4, &U16)]), 4);

/// One of each kind.
pub const VARIABLES: [Part; 11] = [
    Part { name: "COUNT", at: 0, doc: " Served by all.", schema: Some(&ATOMIC) },
    part("LIMITS", 8, &LIMITS),
    part("STATE", 24, &STATE),
    part("PORTS", 26, &PORTS),
    part("GREETING", 68, &TEXT),
    part("CHOICE", 84, &OPTIONAL),
    part("IS_OPEN", 92, &BOOL),
    part("LETTER", 96, &CHAR),
    part("COLD", 100, &I16),
    part("GUARDED", 104, &MUTEX),
    part("QUEUE", 120, &LIST),
];

/// What the variables hold at first: the text after each equals sign of [`INITIAL`].
fn values(target: Target) -> Vec<u8> {
    let mut out = Bytes::new(target);
    out.u64(42).u32(100).u32(20).u64(1.5f64.to_bits()).raw(&[255, 0]);
    for port in 0..20 {
        out.u16(8000 + port);
    }
    out.pad_to(68).u32(5).raw(b"hello\0\0\0\0\0\0\0").raw(&[1, 0, 0, 0]).u32(-7i32 as u32).raw(&[1]).pad_to(96);
    out.u32('ß' as u32).u16(-40i16 as u16).pad_to(104).u64(0).u32(9).u32(0).u32(2).u16(3).u16(4).u16(0).u16(0);
    out.pad_to(4096).bytes.clone()
}

/// What is to be shown of [`values`].
pub const INITIAL: [&str; 11] = [
    "42",
    "Limits { rate: 100, burst: 20, ratio: 1.5 }",
    "Busy",
    "[8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007, ... 12 more]",
    "\"hello\"",
    "some(-7)",
    "true",
    "'ß'",
    "-40",
    "Mutex(9)",
    "[3, 4]",
];

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn seed(target: Target) -> u64 {
    fnv(fnv(0xcbf2_9ce4_8422_2325, &[target.bits / 8]), if target.is_big { b"BE" } else { b"LE" })
}

fn fingerprint(hash: u64, part: &Part) -> u64 {
    let hash = fnv(fnv(hash, &(part.name.len() as u64).to_le_bytes()), part.name.as_bytes());
    let hash = fnv(hash, &part.at.to_le_bytes());
    let Some(schema) = part.schema else { return fnv(hash, &[13]) };
    let hash = fnv(hash, &[schema.kind as u8, u8::from(schema.is_atomic)]);
    let hash = fnv(fnv(hash, &(schema.size_bytes as u64).to_le_bytes()), &(schema.align_bytes as u64).to_le_bytes());
    schema.parts.iter().fold(fnv(hash, &schema.count().to_le_bytes()), fingerprint)
}

/// Where the parts of a block lie in an image.
#[derive(Clone, Copy)]
pub struct Places {
    pub block: u64,
    pub descriptor: u64,
    pub constants: u64,
}

/// The bytes of a block's descriptor and constants, and where pointers stand in the descriptor.
pub struct Laid {
    pub descriptor: Vec<u8>,
    pub constants: Vec<u8>,
    pub pointers: Vec<(u64, u64)>,
    pub fingerprint_at: usize,
}

pub fn lay_out(target: Target, places: Places, name: &str, variables: &[Part]) -> Laid {
    let mut constants = Bytes::new(target);
    let name_at = constants.raw(name.as_bytes()).at() - name.len() as u64;
    let module = "made::by_hand";
    let module_at = constants.at();
    constants.raw(module.as_bytes()).align(8);
    let objects_at = constants.at();
    let mut schemas = Vec::new();
    for part in variables {
        let mut bytes = vec![0; encoded_bytes(part)];
        encode(&mut bytes, 0, part);
        let size = part.schema.expect("a variable").size_bytes as u64;
        constants.u64(schemas.len() as u64).u32(bytes.len() as u32).u32(1).u64(part.at).u64(size);
        constants.u64(fingerprint(seed(target), part)).u64(0).u64(0).u64(0);
        schemas.extend(bytes);
    }
    let schemas_at = constants.at();
    constants.raw(&schemas);
    let used = variables.iter().map(|part| part.at + part.schema.expect("a variable").size_bytes as u64).max();
    let mut out = Bytes::new(target);
    let mut pointers = Vec::new();
    let count = variables.len() as u64;
    let descriptor_bytes = if target.bits == 64 { 168 } else { 104 };
    out.raw(b"COTBLOCK").u32(descriptor_bytes).u32(count as u32).raw(&[0; 8]).u32(0o600).align(target.word() as usize);
    let mut pointer = |out: &mut Bytes, offset: u64| {
        pointers.push((out.at(), places.constants + offset));
        out.word(places.constants + offset);
    };
    pointer(&mut out, name_at);
    out.word(name.len() as u64);
    pointer(&mut out, name_at);
    out.word(0);
    pointer(&mut out, module_at);
    out.word(module.len() as u64).word(places.block).word(0).word(used.unwrap_or(0)).word(4096).align(8);
    let fingerprint_at = out.bytes.len();
    out.u64(variables.iter().fold(seed(target), fingerprint));
    pointer(&mut out, objects_at);
    out.word(count);
    pointer(&mut out, schemas_at);
    out.word(schemas.len() as u64).word(0).word(places.block);
    out.pad_to(descriptor_bytes as usize);
    pointers.push((if target.bits == 64 { 80 } else { 52 }, places.block));
    Laid { descriptor: out.bytes, constants: constants.bytes, pointers, fingerprint_at }
}

pub const PLACES: Places = Places { block: 0x40_1000, descriptor: 0x40_3000, constants: 0x40_4000 };

/// A program with a named block; `is_pie`: its addresses are in the relocations only.
pub fn elf(target: Target, is_pie: bool, variables: &[Part]) -> Elf {
    let mut elf = Elf::new(target, if is_pie { elf::ET_DYN } else { elf::ET_EXEC });
    let mut laid = lay_out(target, PLACES, "acme.web", variables);
    let mut relas = Bytes::new(target);
    if is_pie {
        let word = target.word() as usize;
        for (at, value) in &laid.pointers {
            laid.descriptor[*at as usize..][..word].fill(0);
            elf::rela(&mut relas, PLACES.descriptor + at, 0, elf::relocation_types(target).0, *value);
        }
    }
    elf.section("cotenant", PROGBITS, ALLOC | WRITE, PLACES.block, &values(target));
    elf.section("cotenant_meta", PROGBITS, ALLOC | WRITE, PLACES.descriptor, &laid.descriptor);
    elf.section(".rodata", PROGBITS, ALLOC, PLACES.constants, &laid.constants);
    if is_pie {
        elf::add_dynamic(&mut elf, &relas.bytes, None, 0, 0);
    }
    elf
}

/// A program with a block in its shared section.
pub fn pe(bits: u8) -> Pe {
    let mut pe = Pe::new(bits);
    let at = |rva: u64| pe.base + rva;
    let places = Places { block: at(0x1000), descriptor: at(0x3000), constants: at(0x4000) };
    let laid = lay_out(pe.target(), places, "", &VARIABLES);
    let values = values(pe.target());
    pe.section(".shared", pe::DATA | pe::SHARED, 0x1000, &values);
    pe.section(".cotmeta", pe::READ_ONLY, 0x3000, &laid.descriptor);
    pe.section(".rdata", pe::READ_ONLY, 0x4000, &laid.constants);
    pe
}
