//! A block that a program in C declares: from the constants that `cotenant.h` fills in to the descriptor that a block
//! of `shared!` has, made when the image is loaded.
//!
//! ```text
//! section cotenant_meta:  Declaration -> words, parts (types, offsets), identifier     constants of the image
//!                              |     \--> known: the Descriptor, on the heap, from `register` to `unregister`
//! section cotenant:            +-----> the block, whole pages, mapped over by the segment
//! ```
//!
//! C cannot hash while compiling, so schemas and fingerprints are made here, by the code that reads and compares those
//! of Rust (`schema::decode`). From there on nothing knows in which language a block was declared.

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: the header's names are in docs/c.md.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU64};

use super::attach;
use super::block::{DESCRIPTOR_MAGIC, Descriptor, ObjectEntry, Outcome, StaticSlice, StaticText, Status, Words};
use crate::error::{EXIT_STATUS, Error, ErrorKind, Result};
use crate::schema::FINGERPRINT_SEED;
use crate::schema::decode::{self, Node};
use crate::schema::tables::{self, PartTable};
use crate::segment::options::{SegmentOptions, check_name};
use crate::sys::process;

/// The first bytes of every declaration.
pub const DECLARATION_MAGIC: [u8; 8] = *b"COTCDECL";

/// What a word of a declaration is about. The numbers are part of the ABI.
pub mod word {
    /// `name("acme.web")`: the text.
    pub const NAME: u32 = 1;
    /// `mode(0660)`: the number.
    pub const MODE: u32 = 2;
    /// `group("www-data")`: the text.
    pub const GROUP: u32 = 3;
    /// `keep(...)`: 0 while attached, 1 until removed.
    pub const KEEP: u32 = 4;
    /// 0 at load, 1 by call.
    pub const ATTACH: u32 = 5;
    /// `on_failure(...)`: 0 exit, 1 private.
    pub const ON_FAILURE: u32 = 6;
    /// `on_mismatch(...)`: 0 refuse, 1 separate.
    pub const ON_MISMATCH: u32 = 7;
    /// `when_privileged(...)`: 0 private, 1 share.
    pub const WHEN_PRIVILEGED: u32 = 8;
}

/// A word of a declaration.
#[repr(C)]
pub struct Word {
    /// One of [`word`].
    pub about: u32,
    pub number: u32,
    pub text: *const c_char,
}

/// What `COTENANT_SHARED` makes of a block; docs/format.md draws it.
#[repr(C)]
pub struct Declaration {
    pub magic: [u8; 8],
    pub declaration_bytes: u32,
    pub variable_count: u32,
    pub variables: *const PartTable,
    pub words: *const Word,
    /// The C name of the block.
    pub identifier: *const c_char,
    /// As the code that uses the variables sees it.
    pub block: *const u8,
    /// As of [`Descriptor::pristine`].
    pub pristine: *const u8,
    pub used_bytes: u64,
    pub padded_bytes: u64,
    /// As of [`Descriptor::target`]; null: mapped in place.
    pub target: *const AtomicPtr<u8>,
    /// What this process made of it; null at first.
    pub known: AtomicPtr<Declared>,
    pub word_count: u32,
    /// Of the struct of the variables.
    pub align_bytes: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Word>() == 16 && size_of::<Declaration>() == 96);

// SAFETY: addresses of constants and of the block; what changes is an atomic.
unsafe impl Sync for Declaration {}
// SAFETY: addresses of constants.
unsafe impl Sync for Word {}

/// A declaration's descriptor, and what it refers to. On the heap, because the image holds constants only.
pub struct Declared {
    descriptor: Descriptor,
    status: *mut Status,
    schemas: *mut [u8],
    objects: *mut [ObjectEntry],
    texts: [*mut str; 3],
}

impl Drop for Declared {
    fn drop(&mut self) {
        // SAFETY: from a `Box`; the descriptor, which alone refers to it, goes with `self`.
        drop(unsafe { Box::from_raw(self.status) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.schemas) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.objects) });
        for text in self.texts {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(text) });
        }
    }
}

/// Start-up entry: makes a block that was declared in C known. Ends the program if the declaration makes no sense: it
/// was made by hand, or by the header of another version.
///
/// # Safety
/// `cotenant.h` made the declaration, in an image that calls [`unregister`] before it is unloaded.
pub unsafe fn register(declaration: &'static Declaration) {
    // SAFETY: the caller's promise.
    match unsafe { declared(declaration) } {
        Ok(declared) => {
            let declared = Box::into_raw(Box::new(declared));
            // Release pairs with the Acquire in `descriptor_of`.
            declaration.known.store(declared, Release);
            // SAFETY: just made; freed by `unregister` alone.
            let descriptor = unsafe { &(*declared).descriptor };
            // SAFETY: it describes the block of the declaration, whose pages are its own.
            unsafe { attach::register(descriptor) };
            // `unregister` asks for it, also of a block that nobody has attached.
            process::watch_for_end();
        }
        Err(error) => process::end(&format!("cotenant: {error}"), EXIT_STATUS),
    }
}

/// Start-down entry: the image is unloaded, or the program ends.
///
/// # Safety
/// As of [`register`], once; nobody uses the block's variables any more, unless the program ends.
pub unsafe fn unregister(declaration: &'static Declaration) {
    let Some(descriptor) = descriptor_of(declaration) else { return };
    attach::detach_at_unload(descriptor);
    if !process::is_ending() {
        let declared = declaration.known.swap(null_mut(), Acquire);
        // SAFETY: `register` put it there, and it is in no list any more.
        drop(unsafe { Box::from_raw(declared) });
    }
}

/// Attaches one block that waits for it (`attach = by_call`).
pub fn attach(declaration: &'static Declaration) -> Result<()> {
    attach::attach_one(known(declaration)?)
}

/// What kept a block from being shared; `Ok` if it is shared.
pub fn outcome(declaration: &'static Declaration) -> Result<()> {
    let block = known(declaration)?;
    match block.status.outcome.get() {
        Some(Outcome::Attached(_)) => Ok(()),
        Some(Outcome::Private(error)) => Err(Error::new(error.kind(), error.to_string())),
        None => Err(Error::new(
            ErrorKind::Private,
            format!("the block `{}` is not attached yet: it waits for cotenant_block_attach", block.label()),
        )),
    }
}

fn known(declaration: &'static Declaration) -> Result<&'static Descriptor> {
    descriptor_of(declaration).ok_or_else(|| {
        Error::new(ErrorKind::Private, "a block of shared variables is used before its image has registered it")
            .hint("use it from `main` on, or from constructors of a lower priority than 102")
    })
}

fn descriptor_of(declaration: &'static Declaration) -> Option<&'static Descriptor> {
    // SAFETY: null, or put there by `register`; the image that uses it is still loaded.
    unsafe { declaration.known.load(Acquire).as_ref() }.map(|declared| &declared.descriptor)
}

/// # Safety
/// As of [`register`].
unsafe fn declared(declaration: &'static Declaration) -> Result<Declared> {
    let bytes = declaration.declaration_bytes as usize;
    if declaration.magic != DECLARATION_MAGIC || bytes != size_of::<Declaration>() {
        return Err(unknown("its table is of another version of cotenant.h than this library's"));
    }
    // SAFETY: the caller's promise.
    let module = unsafe { text(declaration.identifier) }?;
    // SAFETY: the caller's promise.
    let said = unsafe { said(declaration) }?;
    // SAFETY: the table, which the header counted.
    let parts = unsafe { std::slice::from_raw_parts(declaration.variables, declaration.variable_count as usize) };
    // SAFETY: the caller's promise.
    let mut nodes = unsafe { PartTable::nodes(parts, declaration.used_bytes, declaration.align_bytes) }?;
    // SAFETY: the caller's promise; nobody but constructors of earlier priorities has used the variables.
    unsafe { say_unsaid(declaration, &nodes) }?;
    if said.name.is_empty() {
        // As `shared!` does: one segment holds the unnamed blocks of many.
        nodes.iter_mut().for_each(|node| node.name = format!("{module}::{}", node.name));
    }
    Ok(describe(declaration, said, &module, &nodes))
}

/// Puts into the initial values what C could not compute, and looks at what it could not check.
///
/// # Safety
/// As of [`register`], before the block is attached.
unsafe fn say_unsaid(declaration: &'static Declaration, nodes: &[Node]) -> Result<()> {
    for place in [declaration.block, declaration.pristine].into_iter().filter(|place| !place.is_null()) {
        for node in nodes {
            let variable = place.cast_mut().wrapping_add(node.at as usize);
            for unsaid in tables::Unsaid::all(node) {
                if let Some(percent_at) = unsaid.percent_at() {
                    let percent = variable.wrapping_add(percent_at as usize).cast::<u64>();
                    // SAFETY: inside of the variable and aligned; where the loader shares it, others may set it.
                    let percent = f64::from_bits(unsafe { AtomicU64::from_ptr(percent) }.load(Relaxed));
                    if !(0.0..=100.0).contains(&percent) {
                        let name = unsaid.name(&node.name);
                        let what = format!("the flag `{name}` is on for {percent} per cent, which is not 0 to 100");
                        return Err(unknown(&what));
                    }
                }
                // SAFETY: the variable lies there, in writable pages of the image; others that share the section write
                // the same.
                unsafe { unsaid.say(variable, &node.name) };
            }
            if place != declaration.block {
                continue;
            }
            // SAFETY: as above, and this copy is the image's own until the block is attached.
            if let Some(part) = unsafe { tables::no_value(node, variable) } {
                let what = format!("`{}` begins with a number that is no value of `{}`", node.name, part.type_name);
                return Err(unknown(&what));
            }
        }
    }
    Ok(())
}

/// The words that a declaration says.
struct Said {
    words: Words,
    name: String,
    group: String,
    says_on_failure: bool,
}

/// # Safety
/// As of [`register`].
unsafe fn said(declaration: &'static Declaration) -> Result<Said> {
    let words = Words {
        keep_until_removed: false,
        attach_by_call: false,
        private_on_failure: false,
        separate_on_mismatch: false,
        share_when_privileged: false,
        reserved: [0; 3],
        mode: 0,
    };
    let mut said = Said { words, name: String::new(), group: String::new(), says_on_failure: false };
    // SAFETY: the table, which the header counted; it has an entry behind the last one.
    let words = unsafe { std::slice::from_raw_parts(declaration.words, declaration.word_count as usize) };
    for word in words {
        let flag = match word.number {
            0 => false,
            1 => true,
            _ if word.about == word::MODE => false,
            _ => return Err(unknown("it says a word that this version of the library does not know")),
        };
        match word.about {
            // SAFETY: the caller's promise.
            word::NAME => said.name = unsafe { text(word.text) }?,
            // SAFETY: the caller's promise.
            word::GROUP => said.group = unsafe { text(word.text) }?,
            word::MODE => said.words.mode = word.number,
            word::KEEP => said.words.keep_until_removed = flag,
            word::ATTACH => said.words.attach_by_call = flag,
            word::ON_FAILURE => (said.words.private_on_failure, said.says_on_failure) = (flag, true),
            word::ON_MISMATCH => said.words.separate_on_mismatch = flag,
            word::WHEN_PRIVILEGED => said.words.share_when_privileged = flag,
            _ => return Err(unknown("it says a word that this version of the library does not know")),
        }
    }
    check_words(&mut said)?;
    Ok(said)
}

/// What `shared!` refuses while compiling; puts in the mode that nobody said.
fn check_words(said: &mut Said) -> Result<()> {
    if said.name.is_empty() {
        if said.words.mode != 0 || !said.group.is_empty() {
            return Err(unknown("`mode` and `group` are for blocks with a name"));
        }
    } else {
        check_name(&said.name)?;
    }
    let default_mode = if said.group.is_empty() { 0o600 } else { 0o660 };
    if said.words.mode == 0 {
        said.words.mode = default_mode;
    }
    let options = SegmentOptions::default().mode(said.words.mode);
    let options = if said.group.is_empty() { options } else { options.group(&said.group) };
    options.check_mode(&said.name)
}

fn describe(declaration: &'static Declaration, said: Said, module: &str, nodes: &[Node]) -> Declared {
    let mut schemas = Vec::new();
    let mut objects = Vec::new();
    let mut fingerprint = FINGERPRINT_SEED;
    for node in nodes {
        let schema = tables::encode(node);
        objects.push(ObjectEntry {
            schema_at: schemas.len() as u64,
            schema_bytes: schema.len() as u32,
            data_at: node.at,
            bytes: node.size_bytes,
            fingerprint: decode::fingerprint(FINGERPRINT_SEED, node),
            ..ObjectEntry::UNPLACED
        });
        fingerprint = decode::fingerprint(fingerprint, node);
        schemas.extend(schema);
    }
    let status = Status::of_declaration(std::ptr::from_ref(declaration) as usize, said.says_on_failure);
    let status = Box::into_raw(Box::new(status));
    let schemas = Box::into_raw(schemas.into_boxed_slice());
    let objects = Box::into_raw(objects.into_boxed_slice());
    let texts = [said.name, said.group, module.to_owned()].map(|text| Box::into_raw(text.into_boxed_str()));
    // SAFETY: on the heap until `Declared` is dropped, which is when the last one that refers to them is gone.
    let [name, group, module] = texts.map(|text| StaticText::new(unsafe { &*text }));
    let descriptor = Descriptor {
        magic: DESCRIPTOR_MAGIC,
        descriptor_bytes: size_of::<Descriptor>() as u32,
        object_count: nodes.len() as u32,
        words: said.words,
        name,
        group,
        module,
        block: declaration.block,
        pristine: declaration.pristine,
        used_bytes: declaration.used_bytes as usize,
        padded_bytes: declaration.padded_bytes as usize,
        fingerprint,
        // SAFETY: as above.
        objects: StaticSlice::new(unsafe { &*objects }),
        // SAFETY: as above.
        schemas: StaticSlice::new(unsafe { &*schemas }),
        // SAFETY: null, or a static of the image.
        target: unsafe { declaration.target.as_ref() },
        // SAFETY: as above.
        status: unsafe { &*status },
    };
    Declared { descriptor, status, schemas, objects, texts }
}

/// # Safety
/// Null, or a C string.
unsafe fn text(text: *const c_char) -> Result<String> {
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(str::to_owned).map_err(|_| unknown("a text in it is not UTF-8"))
}

fn unknown(why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("a block that is declared in C is not understood: {why}"))
}
