//! Blocks of shared variables: what the header's constructors call, and what C may ask.

use cotenant_rust::__c::{self, Declaration, PartTable, TypeTable};

use crate::status::{Result, call, cotenant_status, invalid};

/// A block of shared variables, as COTENANT_SHARED declares it: its fields are for this library and for tools.
pub type cotenant_block = Declaration;

/// The layout of a type, as the macros of this header declare it.
pub type cotenant_type = TypeTable;

/// A field of a struct, a value of an enum or the element of an array.
pub type cotenant_part = PartTable;

/// # Safety
/// Null, or a declaration of an image that stays loaded.
unsafe fn at(block: *const cotenant_block) -> Result<&'static Declaration> {
    // SAFETY: the caller's promise.
    unsafe { block.as_ref() }.ok_or_else(|| invalid("the block is a null pointer"))
}

/// Called by what COTENANT_SHARED expands to, before main: makes the block known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_block_register(block: *const cotenant_block) {
    call(|| {
        // SAFETY: the header's constructor passes its own declaration.
        let block = unsafe { at(block) }?;
        // SAFETY: as above, and its destructor takes it back.
        unsafe { __c::register(block) };
        Ok(())
    });
}

/// Called by what COTENANT_SHARED expands to, before main and after all blocks of the image are known: attaches them.
/// Ends the program with status 78 and one line on standard error if that cannot be done, unless the block says
/// on_failure(private).
#[unsafe(no_mangle)]
pub extern "C" fn cotenant_attach_at_load() {
    call(|| {
        __c::attach_at_load();
        Ok(())
    });
}

/// Called by what COTENANT_SHARED expands to, when the library that declares the block is unloaded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_block_unregister(block: *const cotenant_block) {
    call(|| {
        // SAFETY: the header's destructor passes its own declaration.
        let block = unsafe { at(block) }?;
        // SAFETY: as above; what the image declares is used by its own code alone.
        unsafe { __c::unregister(block) };
        Ok(())
    });
}

/// Attaches a block that was declared with COTENANT_SHARED_BY_CALL; of one that is attached does nothing. From then on
/// its accessor gives the shared variables, whatever the private ones held before.
///
/// May be called any number of times, from any thread. Blocks for the time of a few system calls, or while another
/// process that removes or grows the same segment finishes (about two seconds at most). If it fails the variables stay
/// private, and the call can be repeated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_block_attach(block: *const cotenant_block) -> cotenant_status {
    // SAFETY: the caller passes a block of an image that is loaded.
    call(|| Ok(__c::attach(unsafe { at(block) }?)?))
}

/// Whether the block is shared: COTENANT_OK, or what kept it from being (cotenant_error_message() says it in words).
/// For blocks with on_failure(private), and those attached by call. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_block_status(block: *const cotenant_block) -> cotenant_status {
    // SAFETY: the caller passes a block of an image that is loaded.
    call(|| Ok(__c::outcome(unsafe { at(block) }?)?))
}
