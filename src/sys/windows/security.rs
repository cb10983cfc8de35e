//! Who runs this process, and access lists that admit that user alone.

#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::io;
use std::ptr::null_mut;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{GENERIC_ALL, HANDLE};
use windows_sys::Win32::Security::{
    ACL, ACL_REVISION, AddAccessAllowedAce, GetKernelObjectSecurity, GetLengthSid, GetSecurityDescriptorOwner,
    GetTokenInformation, InitializeAcl, InitializeSecurityDescriptor, OWNER_SECURITY_INFORMATION, PSID,
    SE_DACL_PROTECTED, SECURITY_ATTRIBUTES, SECURITY_DESCRIPTOR, SetSecurityDescriptorControl,
    SetSecurityDescriptorDacl, SetSecurityDescriptorOwner, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::handle::Handle;
use crate::error::{Error, ErrorKind, Result};

/// `SECURITY_MAX_SID_SIZE`: revision, count, authority, 15 numbers.
pub(crate) const MAX_SID_BYTES: usize = 68;
/// `SECURITY_DESCRIPTOR_REVISION`.
const DESCRIPTOR_REVISION: u32 = 1;
/// Room for a user's entry (`TOKEN_USER` with its SID) or an object's owner (a descriptor with its SID), aligned.
const BUFFER_WORDS: usize = 24;

/// A user's security identifier, as bytes; zeros behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sid {
    bytes: [u8; MAX_SID_BYTES],
    len: usize,
}

impl Sid {
    /// The first `len` of `bytes`; `None` if there cannot be so many.
    pub(crate) fn from_bytes(bytes: &[u8; MAX_SID_BYTES], len: usize) -> Option<Sid> {
        let mut sid = Sid { bytes: [0; MAX_SID_BYTES], len };
        sid.bytes.get_mut(..len)?.copy_from_slice(&bytes[..len]);
        Some(sid)
    }

    pub(crate) fn bytes(&self) -> &[u8; MAX_SID_BYTES] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    /// `sid` points to a whole SID.
    pub(crate) unsafe fn copy_from(sid: PSID) -> Option<Sid> {
        // SAFETY: the caller's promise.
        let len = unsafe { GetLengthSid(sid) } as usize;
        let mut copy = Sid { bytes: [0; MAX_SID_BYTES], len };
        let to = copy.bytes.get_mut(..len)?;
        // SAFETY: that many bytes of the SID, and as many of our array, which is no part of it.
        unsafe { std::ptr::copy_nonoverlapping(sid.cast::<u8>(), to.as_mut_ptr(), len) };
        Some(copy)
    }

    /// `S-1-5-21-...`, as everybody writes it.
    pub(crate) fn text(&self) -> String {
        let authority = self.bytes[2..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let mut text = format!("S-{}-{authority}", self.bytes[0]);
        let numbers = self.bytes[8..].chunks_exact(4).filter_map(|chunk| chunk.first_chunk());
        for number in numbers.take(usize::from(self.bytes[1])) {
            // Writing into a String cannot fail.
            let _ = write!(text, "-{}", u32::from_le_bytes(*number));
        }
        text
    }
}

/// The user that this process runs as.
pub(crate) fn this_user() -> Result<Sid> {
    static USER: OnceLock<Sid> = OnceLock::new();
    if let Some(sid) = USER.get() {
        return Ok(*sid);
    }
    let sid = ask_for_user().map_err(|cause| Error::system("find out which user runs this process", &cause))?;
    Ok(*USER.get_or_init(|| sid))
}

#[doc(alias = "GetTokenInformation")]
fn ask_for_user() -> io::Result<Sid> {
    // SAFETY: no arguments; a pseudo-handle.
    let this = unsafe { GetCurrentProcess() };
    let mut token = null_mut();
    // SAFETY: the call writes one handle.
    if unsafe { OpenProcessToken(this, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fresh, and used nowhere else.
    let token = unsafe { Handle::new(token) }.ok_or(io::ErrorKind::Other)?;
    let mut user: [u64; BUFFER_WORDS] = [0; BUFFER_WORDS];
    let mut bytes = 0;
    let room = size_of_val(&user) as u32;
    // SAFETY: the call writes at most `room` bytes.
    let done = unsafe { GetTokenInformation(token.raw(), TokenUser, user.as_mut_ptr().cast(), room, &raw mut bytes) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the buffer, aligned as it needs, begins with this structure.
    let entry = unsafe { user.as_ptr().cast::<TOKEN_USER>().read() };
    // SAFETY: the structure points to a SID behind it, in the buffer.
    unsafe { Sid::copy_from(entry.User.Sid) }.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Calls `create` with attributes for a new object that `user` owns and alone may use; no child inherits the handle.
pub(crate) fn for_user_only<R>(user: &Sid, create: impl FnOnce(*const SECURITY_ATTRIBUTES) -> R) -> io::Result<R> {
    let check = |done: i32| if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    let sid: PSID = user.bytes.as_ptr().cast_mut().cast();
    // The list's head, and one entry with its SID.
    let mut list = [0_u32; 32];
    let acl: *mut ACL = list.as_mut_ptr().cast();
    // SAFETY: the array is that large and aligned for it.
    check(unsafe { InitializeAcl(acl, size_of_val(&list) as u32, ACL_REVISION) })?;
    // SAFETY: the list was initialised with its size; the SID is whole.
    check(unsafe { AddAccessAllowedAce(acl, ACL_REVISION, GENERIC_ALL, sid) })?;
    // SAFETY: zero is a value of this C structure.
    let mut descriptor: SECURITY_DESCRIPTOR = unsafe { std::mem::zeroed() };
    let this = (&raw mut descriptor).cast();
    // SAFETY: a structure of the call's own type.
    check(unsafe { InitializeSecurityDescriptor(this, DESCRIPTOR_REVISION) })?;
    // SAFETY: initialised above; the list outlives the descriptor.
    check(unsafe { SetSecurityDescriptorDacl(this, 1, acl, 0) })?;
    // An administrator's objects would belong to the group otherwise.
    // SAFETY: initialised above; the SID outlives the descriptor.
    check(unsafe { SetSecurityDescriptorOwner(this, sid, 0) })?;
    // SAFETY: initialised above.
    check(unsafe { SetSecurityDescriptorControl(this, SE_DACL_PROTECTED, SE_DACL_PROTECTED) })?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: this,
        bInheritHandle: 0,
    };
    Ok(create(&raw const attributes))
}

/// Refuses an object that belongs to somebody else: anybody can take a name first.
pub(crate) fn check_owner(object: HANDLE, name: &str, user: &Sid) -> Result<()> {
    let owner =
        owner_of(object).map_err(|cause| Error::system(format!("find out who owns the object {name}"), &cause))?;
    if owner.as_ref() == Some(user) {
        return Ok(());
    }
    let whose = owner.map_or_else(|| "nobody".to_owned(), |owner| owner.text());
    Err(Error::new(ErrorKind::Foreign, format!("the object {name} belongs to {whose}, not to {}", user.text()))
        .hint("end that user's program, or set COTENANT_SCOPE to get other names"))
}

/// Whose the object is.
#[doc(alias = "GetKernelObjectSecurity")]
pub(crate) fn owner_of(object: HANDLE) -> io::Result<Option<Sid>> {
    let mut descriptor: [u64; BUFFER_WORDS] = [0; BUFFER_WORDS];
    let (mut bytes, room) = (0, size_of_val(&descriptor) as u32);
    let to = descriptor.as_mut_ptr().cast();
    // SAFETY: an open handle; the call writes at most `room` bytes.
    let done = unsafe { GetKernelObjectSecurity(object, OWNER_SECURITY_INFORMATION, to, room, &raw mut bytes) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let (mut owner, mut defaulted) = (null_mut(), 0);
    // SAFETY: the call above wrote a descriptor.
    let done = unsafe { GetSecurityDescriptorOwner(to, &raw mut owner, &raw mut defaulted) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: not null, so it points to a SID in the descriptor.
    Ok(if owner.is_null() { None } else { unsafe { Sid::copy_from(owner) } })
}
