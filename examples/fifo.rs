//! Two programs that nobody forked from one another, and a FIFO between them: one reports, the other listens.
//!
//! Whoever comes first waits for the other. When the last reporter is gone, dead or alive, the listener sees the end.
//!
//!     cargo run --example fifo              both: starts itself again as `fifo report PATH`
//!     cargo run --example fifo report PATH  in any shell, as often as you like

use std::time::Duration;
use std::{env, process};

use cotenant::channel::Fifo;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let ["report", path] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let mut writer = Fifo::open(path)?.writer_timeout(Duration::from_secs(10))?.messages();
        for percent in [0, 50, 100] {
            writer.send(format!("process {}: {percent} % done", process::id()).as_bytes())?;
        }
        return Ok(());
    }
    if !arguments.is_empty() {
        return Err("usage: fifo [report PATH]".into());
    }
    let name = format!("cotenant-fifo-{}", process::id());
    // On Windows pipes have a place of their own for names.
    let path = if cfg!(windows) { format!(r"\\.\pipe\{name}").into() } else { env::temp_dir().join(name) };
    let fifo = Fifo::create(&path, 0o600)?;
    let mut reader = fifo.reader()?.messages();
    let mut other = process::Command::new(env::current_exe()?).arg("report").arg(&path).spawn()?;
    while let Some(message) = reader.recv()? {
        println!("{}", String::from_utf8_lossy(&message));
    }
    println!("the last reporter is gone");
    other.wait()?;
    fifo.unlink()?;
    Ok(())
}
