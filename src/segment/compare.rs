//! What a segment holds against what a program declares.
//!
//! Objects are compared by their fingerprints, in order. Equal as far as both go: the shorter one is an older build of
//! the same block, and they share what both know. Any other difference is a mismatch, and is told field by field.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::Ordering::Acquire;

use super::header::{Header, OBJECT_BYTES, ObjectEntry, SegmentKind};
use super::live::Live;
use super::plan::Plan;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{decode, difference};

/// A private copy of a segment's objects and schemas.
pub(crate) struct Known {
    pub(crate) objects: Vec<ObjectEntry>,
    schemas: Vec<u8>,
    data_bytes: u64,
    is_kept: bool,
}

/// What growth appends.
pub(crate) struct Additions {
    pub(crate) objects: Vec<u8>,
    pub(crate) schemas: Vec<u8>,
    pub(crate) schemas_at: u64,
}

impl Known {
    /// Copies objects and schemas; distrusts every length.
    pub(crate) fn read(
        read_at: &dyn Fn(&mut [u8], u64) -> io::Result<()>,
        header: &Header,
        live: Live,
        path: &str,
    ) -> Result<Known> {
        let corrupt = |why: &str| {
            Error::new(ErrorKind::Corrupt, format!("the segment {path} is damaged: {why}"))
                .hint("end the programs that use it and remove the file")
        };
        // Acquire pairs with the Release of growth's commit.
        let count = live.object_count().load(Acquire);
        if count > header.objects_max {
            return Err(corrupt("it claims more objects than it has room for"));
        }
        let mut bytes = vec![0; count as usize * OBJECT_BYTES as usize];
        let failed = |cause: io::Error| Error::system(format!("read the objects of {path}"), &cause);
        read_at(&mut bytes, header.objects_at).map_err(failed)?;
        let chunks = bytes.chunks_exact(OBJECT_BYTES as usize);
        let objects: Vec<_> = chunks.filter_map(|chunk| chunk.first_chunk()).map(ObjectEntry::from_bytes).collect();
        let mut end = 0;
        for object in &objects {
            end = object.schema_at.saturating_add(object.schema_bytes.into()).max(end);
        }
        if end > header.schemas_max_bytes {
            return Err(corrupt("a schema lies outside the schemas area"));
        }
        let mut schemas = vec![0; end as usize];
        read_at(&mut schemas, header.schemas_at).map_err(failed)?;
        let data_bytes = live.data_bytes().load(Acquire);
        Ok(Known { objects, schemas, data_bytes, is_kept: header.keep != 0 })
    }

    /// The decoded schemas, which lie one behind the other; nothing if they are damaged.
    fn nodes(&self) -> Vec<decode::Node> {
        decode::decode_all(&self.schemas).unwrap_or_default()
    }

    /// The plan's objects behind those that are there, ready to be written.
    pub(crate) fn additions(&self, plan: &Plan, header: &Header) -> Result<Additions> {
        let mut schemas = Vec::new();
        let mut objects = Vec::new();
        for object in &plan.objects[self.objects.len()..] {
            let start = object.schema_at as usize;
            let schema = &plan.schemas[start..start + object.schema_bytes as usize];
            let schema_at = (self.schemas.len() + schemas.len()) as u64;
            objects.extend(ObjectEntry { schema_at, ..*object }.to_bytes());
            schemas.extend_from_slice(schema);
        }
        let fits = plan.objects.len() <= header.objects_max as usize
            && (self.schemas.len() + schemas.len()) as u64 <= header.schemas_max_bytes
            && header.data_at + plan.data_bytes <= header.max_bytes;
        if !fits {
            return Err(Error::new(
                ErrorKind::NoSpace,
                format!("the block `{}` outgrew its segment ({} objects)", plan.name, plan.objects.len()),
            )
            .hint("end the programs that use it, so that the next one makes it anew, or use another name"));
        }
        Ok(Additions { objects, schemas, schemas_at: header.schemas_at + self.schemas.len() as u64 })
    }
}

/// Whether the segment is of this very image, by its header. The name said so already; the objects need not be read.
pub(crate) fn is_same_image(plan: &Plan, header: &Header) -> bool {
    plan.kind == SegmentKind::Image
        && header.kind == SegmentKind::Image as u8
        && header.fingerprint == plan.fingerprint
        && header.object_count as usize == plan.objects.len()
        && header.data_bytes == plan.data_bytes
}

/// Whether the plan has objects that the segment must yet get; an error if the two cannot share.
pub(crate) fn grows(plan: &Plan, known: &Known, path: &str) -> Result<bool> {
    let same_as_far = plan.objects.iter().zip(&known.objects).all(|(ours, theirs)| {
        (ours.fingerprint, ours.data_at, ours.bytes) == (theirs.fingerprint, theirs.data_at, theirs.bytes)
    });
    let counts = (plan.objects.len(), known.objects.len());
    let may_differ = plan.kind == SegmentKind::Block;
    if !same_as_far || (counts.0 != counts.1 && !may_differ) {
        return Err(mismatch(plan, known, path));
    }
    if counts.0 <= counts.1 && known.data_bytes < plan.data_bytes {
        return Err(Error::new(ErrorKind::Corrupt, format!("the segment {path} has less data than its objects need"))
            .hint("end the programs that use it and remove the file"));
    }
    Ok(counts.0 > counts.1)
}

fn mismatch(plan: &Plan, known: &Known, path: &str) -> Error {
    let ours = decode::decode_all(&plan.schemas).unwrap_or_default();
    let theirs = known.nodes();
    let mut text = format!("the segment {path} holds other variables than this program's block `{}`:", plan.name);
    for line in difference::describe(&ours, &theirs) {
        // Writing into a String cannot fail.
        let _ = write!(text, "\n  {line}");
    }
    let ways = if known.is_kept {
        format!("end the programs that use it and remove it (rm {path}; its values go with it)")
    } else {
        "end the programs that use the old layout".to_owned()
    };
    let _ = write!(
        text,
        "\n  to go on: add variables only at the end of the block; or {ways}; or give the block another name; or write \
         `on_mismatch = separate` into it"
    );
    Error::new(ErrorKind::Mismatch, text)
}

/// Says who uses the segment that a program cannot share: process ids and programs.
pub(crate) fn name_users<'a>(error: Error, users: impl Iterator<Item = (u32, &'a str)>) -> Error {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = users.map(|(pid, program)| format!("{pid} ({program})")).collect();
    // A process may take part more than once.
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    names.extend((more > 0).then(|| format!("{more} more")));
    if names.is_empty() { error } else { error.line(format!("in use by {}", names.join(", "))) }
}

/// Tells, in a line each, which initial values differ from those that the segment started with.
pub(crate) fn initial_values(plan: &Plan, known: &Known, path: &str, tell: impl Fn(&str)) {
    for (ours, theirs) in plan.objects.iter().zip(&known.objects) {
        if ours.initial_hash == 0 || theirs.initial_hash == 0 || ours.initial_hash == theirs.initial_hash {
            continue;
        }
        let start = ours.schema_at as usize;
        let name = decode::decode(&plan.schemas[start..start + ours.schema_bytes as usize]).map(|(node, _)| node.name);
        tell(&format!(
            "cotenant: {path}: this program declares another initial value of {} than the one that made the segment; \
             the first one's counts",
            name.unwrap_or_default()
        ));
    }
}
