//! A part of an object's value: whether it is there, and what it is at this moment.

use super::objects::LiveObject;
use super::segment::LiveSegment;
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::layout::Condition;
use crate::inspect::{Layout, Part, Typed};

/// Bytes of one part that are read.
const PART_BYTES_MAX: u64 = 64 << 20;

impl LiveObject {
    /// Its type and where its parts lie.
    pub fn layout(&self) -> Layout {
        Layout { node: self.node.clone() }
    }
}

impl LiveSegment {
    /// The value of a part of an object as it is at this moment: its fields may be of different moments. Takes no lock.
    ///
    /// ```
    /// use cotenant::inspect::{Typed, live::LiveSegment};
    /// use cotenant::{Segment, sync::Mutex};
    ///
    /// # if !cfg!(target_os = "linux") { return Ok(()) }
    /// # let folder = std::env::temp_dir().join(format!("cotenant-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).ok();
    /// let segment = Segment::options().folder(&folder).max_bytes(1 << 20).create("acme.looked-at")?;
    /// segment.get_or_init("sizes", || Mutex::new([1_u32, 2, 3]))?;
    ///
    /// let live = LiveSegment::open(segment.path().as_ref())?;
    /// let object = live.object_of("sizes")?.expect("it was made above");
    /// let part = object.layout().part("[1]")?;
    /// assert_eq!(live.typed(&object, &part)?, Typed::Unsigned(2));
    /// # drop(segment);
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there: behind the end of a list, in an `Optional` that is none, in a
    /// `OnceCell` that is not set. [`ErrorKind::InvalidInput`] if it is too large; else what the system says.
    pub fn typed(&self, object: &LiveObject, part: &Part) -> Result<Typed> {
        self.check_is_there(object, part)?;
        let bytes = self.part_bytes(object, part)?;
        part.layout.typed(&bytes)
    }

    /// The object of this name, if it is ready. Objects that cannot be read are passed over.
    ///
    /// # Errors
    ///
    /// The entries cannot be read.
    pub fn object_of(&self, name: &str) -> Result<Option<LiveObject>> {
        let is_it = |object: &LiveObject| object.state == super::ObjectState::Ready && object.name() == name;
        Ok(self.objects()?.into_iter().flatten().find(is_it))
    }

    pub(super) fn part_bytes(&self, object: &LiveObject, part: &Part) -> Result<Vec<u8>> {
        if object.state != super::ObjectState::Ready {
            return Err(self.damaged(&format!("object {} has no value", object.index)));
        }
        let len = part.layout.size_bytes();
        if len > PART_BYTES_MAX {
            let what = format!("{} has {len} bytes", part.layout.type_text());
            return Err(Error::new(ErrorKind::InvalidInput, what).hint("name a part of it, such as an element"));
        }
        let mut bytes = vec![0; len as usize];
        self.read_at(object, part.at, &mut bytes)?;
        Ok(bytes)
    }

    /// Whether the lists, options and cells on the way to a part hold it at this moment.
    pub(super) fn check_is_there(&self, object: &LiveObject, part: &Part) -> Result<()> {
        for condition in &part.conditions {
            let mut word = [0; 4];
            let why = match *condition {
                Condition::Longer { len_at, than } => {
                    self.read_at(object, len_at, &mut word)?;
                    let len = u32::from_ne_bytes(word);
                    (len <= than).then(|| format!("the list has {len} elements, so no [{than}]"))
                }
                Condition::Some { flag_at } => {
                    self.read_at(object, flag_at, &mut word[..1])?;
                    (word[0] == 0).then(|| "it is none".to_owned())
                }
                Condition::Completed { word_at } => {
                    self.read_at(object, word_at, &mut word)?;
                    (u32::from_ne_bytes(word) & 1 == 0).then(|| "it is not set".to_owned())
                }
            };
            if let Some(why) = why {
                return Err(Error::new(ErrorKind::NotFound, format!("{}: {why}", object.name())));
            }
        }
        Ok(())
    }

    pub(super) fn read_at(&self, object: &LiveObject, at: u64, bytes: &mut [u8]) -> Result<()> {
        let at = object.at.saturating_add(at);
        self.source.read(bytes, at).map_err(|cause| self.cannot_read("values", &cause))
    }
}
