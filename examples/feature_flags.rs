//! Feature flags that every process of a program sees change at once, for a percentage of users.
//!
//!     cargo run --example feature_flags                 the whole story: two servers, and one who raises the percentage
//!     cargo run --example feature_flags -- serve        a server, in one terminal
//!     cargo run --example feature_flags -- set 25       in another one
//!
//! or, without a program of one's own:
//!
//!     cotenant published acme.flags --object NEW_CHECKOUT set '{"percent": 25}'
//!     cotenant published acme.flags --object NEW_CHECKOUT history

use std::error::Error;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use cotenant::{published::Flag, shared};

shared! {
    #![shared(name = "acme.flags")]
    static NEW_CHECKOUT: Flag = Flag::new("new_checkout", 0.0);
    static DARK_MODE: Flag = Flag::new("dark_mode", 100.0);
}

/// Users whose answers are counted.
const USERS: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => whole_story(),
        ["serve"] => serve(),
        ["set", percent] => {
            println!("publish {}", NEW_CHECKOUT.set(percent.parse()?)?);
            Ok(())
        }
        _ => Err("usage: feature_flags [serve | set PERCENT]".into()),
    }
}

fn whole_story() -> Result<(), Box<dyn Error>> {
    NEW_CHECKOUT.set(0.0)?;
    let servers: Result<Vec<Child>, _> =
        (0..2).map(|_| Command::new(env::current_exe()?).arg("serve").spawn()).collect();
    let servers = servers?;
    for percent in [1.0, 25.0, 100.0] {
        thread::sleep(Duration::from_millis(400));
        NEW_CHECKOUT.set(percent)?;
    }
    for mut server in servers {
        server.wait()?;
    }
    Ok(())
}

/// Sleeps until the flag changes; a server that only asks on each request need not wait.
fn serve() -> Result<(), Box<dyn Error>> {
    let (mut seen, start) = (NEW_CHECKOUT.published().load()?, Instant::now());
    while seen.percent < 100.0 && start.elapsed() < Duration::from_secs(30) {
        let Some(newer) = NEW_CHECKOUT.published().wait_newer(seen.sequence, Duration::from_secs(5))? else {
            continue;
        };
        seen = newer;
        let on = (0..USERS).filter(|user| NEW_CHECKOUT.is_on_for(format!("user-{user}"))).count();
        let me = process::id();
        println!("server {me}: {}% -> on for {on} of {USERS} users; user-42: {}", seen.percent, is_on("user-42"));
    }
    println!("server {}: dark mode for everybody: {}", process::id(), DARK_MODE.is_on());
    Ok(())
}

fn is_on(user: &str) -> bool {
    NEW_CHECKOUT.is_on_for(user)
}
