//! The layout of a shared type, built while compiling, and its encoding in segments and binaries.
//!
//! A [`Schema`] is a tree of constants: a struct's parts, an array's element, an enum's variants. It is written, in
//! pre-order, as *nodes*: a fixed head of 32 bytes, then the name, the type's name and the doc line (`docs/format.md`,
//! "Schema node"). The **fingerprint** hashes what two builds must agree on (names of fields, kinds, offsets, sizes)
//! and leaves out what only people read (type names, doc lines).

pub(crate) mod decode;
pub(crate) mod difference;
#[allow(unreachable_pub)] // `__c` exports it.
pub mod tables;

/// The layout of one type: kind, size, alignment, parts.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The type's name as its author wrote it, without generic arguments. Not in the fingerprint.
    pub type_name: &'static str,
    /// What sort of value it is.
    pub kind: Kind,
    /// Whether every access to it is one atomic access.
    pub is_atomic: bool,
    /// Size in bytes, padding included.
    pub size_bytes: usize,
    /// Alignment in bytes.
    pub align_bytes: usize,
    /// Number of elements of an array, capacity of a list or text; 0 for others.
    pub array_len: usize,
    /// Fields of a struct, the element of an array, variants of an enum.
    pub parts: &'static [Part],
}

/// A field, an array's element, or a variant.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The field's or variant's name; empty for an array's element.
    pub name: &'static str,
    /// A field's offset in bytes; a variant's discriminant (as two's complement).
    pub at: u64,
    /// The first line of its documentation. Not in the fingerprint.
    pub doc: &'static str,
    /// Its own layout; `None` for a variant, which is only a name and a number.
    pub schema: Option<&'static Schema>,
}

/// What sort of value a type is. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Unsigned integer.
    Unsigned = 1,
    /// Signed integer, two's complement.
    Signed = 2,
    /// IEEE 754 number.
    Float = 3,
    /// One byte, 0 or 1.
    Bool = 4,
    /// A Unicode scalar value in four bytes.
    Char = 5,
    /// A field-less enum: an integer and names for its values.
    Enum = 6,
    /// Named parts at offsets.
    Struct = 7,
    /// `array_len` elements of one type.
    Array = 8,
    /// [`value::Text`](crate::value::Text): a length and UTF-8 bytes.
    Text = 9,
    /// [`value::Array`](crate::value::Array): a length and that many elements of a fixed capacity.
    List = 10,
    /// [`value::Optional`](crate::value::Optional): a flag and a value.
    Optional = 11,
    /// [`sync::Mutex`](crate::sync::Mutex): a lock word and the value that it guards.
    Mutex = 12,
    /// A named value of an enum; only ever a part.
    Variant = 13,
    /// [`sync::RwLock`](crate::sync::RwLock): a writer's word, cells of readers, and the value that they guard.
    RwLock = 14,
    /// [`sync::Condvar`](crate::sync::Condvar): one word.
    Condvar = 15,
    /// [`sync::Once`](crate::sync::Once): a flag and a lock word.
    Once = 16,
    /// [`sync::OnceCell`](crate::sync::OnceCell): a flag, a lock word, and a value if the flag says so.
    OnceCell = 17,
    /// [`sync::Semaphore`](crate::sync::Semaphore): a number of permits, and cells of their holders.
    Semaphore = 18,
    /// [`sync::Barrier`](crate::sync::Barrier): a lock word, a generation, and cells of who has arrived.
    Barrier = 19,
    /// [`sync::Event`](crate::sync::Event): one word, whose lowest bit says whether it is set.
    Event = 20,
    /// [`sync::Leader`](crate::sync::Leader): a lock word and a term.
    Leader = 21,
    /// [`PerProcess`](crate::per_process::PerProcess): cells that threads of all processes change, and owners of some.
    PerProcess = 22,
    /// [`metrics::Counter`](crate::metrics::Counter): cells of which the sum counts.
    Counter = 23,
    /// [`metrics::Gauge`](crate::metrics::Gauge): a value of each process, or one of all.
    Gauge = 24,
    /// [`metrics::Histogram`](crate::metrics::Histogram): cells of a sum and buckets.
    Histogram = 25,
    /// [`metrics::Metrics`](crate::metrics::Metrics): a head, and a table of named metrics in the bytes behind it.
    Metrics = 26,
    /// [`limit::RateLimiter`](crate::limit::RateLimiter) and
    /// [`limit::KeyedRateLimiter`](crate::limit::KeyedRateLimiter): a rate, and the times up to which it is used up.
    RateLimiter = 27,
    /// A cache: a head, and its entries in the bytes behind it.
    Cache = 28,
    /// [`published::Published`](crate::published::Published): the newest snapshot's number, a lock word, a bell, and
    /// buffers of snapshots.
    Published = 32,
    /// [`published::PublishedBytes`](crate::published::PublishedBytes): as `Published`, the buffers in the bytes behind
    /// it.
    PublishedBytes = 33,
    /// [`channel::Queue`](crate::channel::Queue): a head, and a ring of records in the bytes behind it.
    Queue = 36,
}

impl Kind {
    /// Whether a value of this kind is the head of an *area*: an object that has bytes behind its value, as many as its
    /// maker chose.
    pub const fn is_area(self) -> bool {
        matches!(self, Kind::Metrics | Kind::Cache | Kind::PublishedBytes | Kind::Queue)
    }
}

/// Bytes of a node before its three texts.
pub const NODE_HEAD_BYTES: usize = 32;
/// The deepest nesting that is encoded and read: a bound for hostile input.
pub const MAX_DEPTH: usize = 32;

impl Schema {
    /// A type without parts.
    pub const fn leaf<T>(type_name: &'static str, kind: Kind) -> Schema {
        Schema::compound::<T>(type_name, kind, &[])
    }

    /// An atomic integer or flag.
    pub const fn atomic<T>(type_name: &'static str, kind: Kind) -> Schema {
        let mut schema = Schema::leaf::<T>(type_name, kind);
        schema.is_atomic = true;
        schema
    }

    /// An array of `len` elements, described by its only part.
    pub const fn array<T>(type_name: &'static str, len: usize, parts: &'static [Part]) -> Schema {
        let mut schema = Schema::compound::<T>(type_name, Kind::Array, parts);
        schema.array_len = len;
        schema
    }

    /// What a node's `count` says: elements of an array, else parts.
    pub const fn count(&self) -> u32 {
        let count =
            if matches!(self.kind, Kind::Array | Kind::List | Kind::Text) { self.array_len } else { self.parts.len() };
        assert!(count <= u32::MAX as usize, "a shared array has more than 4,294,967,295 elements");
        count as u32
    }

    /// A type with parts.
    pub const fn compound<T>(type_name: &'static str, kind: Kind, parts: &'static [Part]) -> Schema {
        Schema {
            type_name,
            kind,
            is_atomic: false,
            size_bytes: size_of::<T>(),
            align_bytes: align_of::<T>(),
            array_len: 0,
            parts,
        }
    }
}

/// Bytes that [`encode`] needs for a variable of this name and type.
pub const fn encoded_bytes(part: &Part) -> usize {
    let mut total = NODE_HEAD_BYTES + part.name.len() + part.doc.len();
    if let Some(schema) = part.schema {
        total += schema.type_name.len();
        let mut i = 0;
        while i < schema.parts.len() {
            total += encoded_bytes(&schema.parts[i]);
            i += 1;
        }
    }
    total
}

/// Writes the node of `part`, and those below it, at `at`; gives the position after them.
pub const fn encode(out: &mut [u8], at: usize, part: &Part) -> usize {
    let (kind, is_atomic, size, align, count, type_name) = match part.schema {
        Some(s) => (s.kind, s.is_atomic, s.size_bytes, s.align_bytes, s.count(), s.type_name),
        None => (Kind::Variant, false, 0, 0, 0, ""),
    };
    let texts = [part.name, type_name, part.doc];
    out[at] = kind as u8;
    out[at + 1] = is_atomic as u8;
    put(out, at + 8, &(size as u64).to_le_bytes());
    put(out, at + 16, &part.at.to_le_bytes());
    put(out, at + 24, &count.to_le_bytes());
    put(out, at + 28, &(align as u32).to_le_bytes());
    let mut next = at + NODE_HEAD_BYTES;
    let mut i = 0;
    while i < texts.len() {
        assert!(texts[i].len() <= u16::MAX as usize, "a name or doc line of a shared variable is over 65,535 bytes");
        put(out, at + 2 + 2 * i, &(texts[i].len() as u16).to_le_bytes());
        put(out, next, texts[i].as_bytes());
        next += texts[i].len();
        i += 1;
    }
    if let Some(schema) = part.schema {
        let mut i = 0;
        while i < schema.parts.len() {
            next = encode(out, next, &schema.parts[i]);
            i += 1;
        }
    }
    next
}

const fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    let mut i = 0;
    while i < bytes.len() {
        out[at + i] = bytes[i];
        i += 1;
    }
}

/// The start of a fingerprint (FNV-1a, 64 bit: Fowler, Noll, Vo, 1991), with the word size and byte order in it.
pub const FINGERPRINT_SEED: u64 = fingerprint_seed(size_of::<usize>() as u8, cfg!(target_endian = "little"));

/// The start of FNV-1a, 64 bit.
pub(crate) const FNV_SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// [`FINGERPRINT_SEED`] of a system with such pointers and byte order.
pub(crate) const fn fingerprint_seed(pointer_bytes: u8, is_little_endian: bool) -> u64 {
    hash(hash(FNV_SEED, &[pointer_bytes]), if is_little_endian { b"LE" } else { b"BE" })
}

/// Goes on hashing with the layout of `part`: what two builds must agree on to share bytes.
pub const fn fingerprint(seed: u64, part: &Part) -> u64 {
    let mut h = hash(seed, &(part.name.len() as u64).to_le_bytes());
    h = hash(h, part.name.as_bytes());
    h = hash(h, &part.at.to_le_bytes());
    let Some(schema) = part.schema else {
        return hash(h, &[Kind::Variant as u8]);
    };
    h = hash(h, &[schema.kind as u8, schema.is_atomic as u8]);
    h = hash(h, &(schema.size_bytes as u64).to_le_bytes());
    h = hash(h, &(schema.align_bytes as u64).to_le_bytes());
    h = hash(h, &schema.count().to_le_bytes());
    let mut i = 0;
    while i < schema.parts.len() {
        h = fingerprint(h, &schema.parts[i]);
        i += 1;
    }
    h
}

/// Goes on with a fingerprint over `bytes`.
pub const fn hash(mut h: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        h = (h ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    h
}
