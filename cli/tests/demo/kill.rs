//! Ending a process that is no child of ours, without asking it.

#[cfg(not(windows))]
pub(crate) fn kill(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("kill can be started").success());
}

/// As the Task Manager does it. Not `taskkill`: Wine's lets it look like a good end, with status 0.
#[cfg(windows)]
#[allow(unsafe_code)]
pub(crate) fn kill(pid: u32) {
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

    use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_TERMINATE, TerminateProcess};

    // SAFETY: no pointers; the result is checked.
    let process = unsafe { OpenProcess(PROCESS_TERMINATE, 0, pid) };
    assert!(!process.is_null(), "process {pid}: {}", std::io::Error::last_os_error());
    // SAFETY: OpenProcess gave the handle to us alone.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    // SAFETY: the handle is open until the end of this function.
    let is_killed = unsafe { TerminateProcess(process.as_raw_handle(), 1) };
    assert!(is_killed != 0, "process {pid}: {}", std::io::Error::last_os_error());
}
