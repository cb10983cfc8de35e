//! One cache, used by programs in C and in Rust: each finds what the other inserts, waits for what it computes, and is
//! told of its death. tests/c/programs/cacher.c is the actor here in C.

use std::cell::RefCell;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use cotenant::cache::{Cache, Pinned};
use tempfile::TempDir;

use crate::support::program::{Place, Program};
use crate::support::{GCC, sources};
use crate::tests;

/// The role of this program that is an actor.
pub(crate) const ROLE: &str = "cache";

thread_local! {
    static PIN: RefCell<Option<Pinned<'static>>> = const { RefCell::new(None) };
}

pub(crate) fn run() {
    let options = Cache::options().capacity_bytes(1 << 20).max_pins(1);
    let cache: &'static Cache = Box::leak(Box::new(options.open_or_create("capi.cached").expect("a cache")));
    println!("ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        println!("{}", done(cache, &line));
        let _ = std::io::stdout().flush();
    }
}

fn text(value: Option<Vec<u8>>) -> String {
    value.map_or("none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn done(cache: &'static Cache, line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let outcome = match words.as_slice() {
        ["insert", key, value] => cache.insert(key, value, None).map(|()| "ok".to_owned()),
        ["get", key] => Ok(text(cache.get(key))),
        ["remove", key] => cache.remove(key).map(|was| if was { "ok" } else { "none" }.to_owned()),
        ["increment", key] => cache.increment(key, 1, 1, None).map(|sum| sum.to_string()),
        ["compute", key, value] => {
            let make = || {
                println!("computing");
                if *value == "never" {
                    std::thread::sleep(std::time::Duration::from_secs(600));
                }
                value.as_bytes().to_vec()
            };
            cache.get_or_insert_with(key, None, make).map(|value| text(Some(value)))
        }
        ["pin", key] => cache.pin(key).map(|pin| {
            let shown = text(pin.as_deref().map(<[u8]>::to_vec));
            PIN.set(pin);
            shown
        }),
        ["bytes"] => Ok(cache.iter().map(|entry| entry.key.len() + entry.value.len()).sum::<usize>().to_string()),
        _ => Ok("unknown".to_owned()),
    };
    outcome.unwrap_or_else(|error| match error.kind() {
        cotenant::ErrorKind::Full => "COTENANT_FULL".to_owned(),
        other => format!("{other:?}"),
    })
}

#[derive(Clone, Copy)]
enum In {
    C,
    Rust,
}

const PAIRS: [[In; 2]; 3] = [[In::C, In::Rust], [In::Rust, In::C], [In::C, In::C]];

fn built() -> PathBuf {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = TempDir::with_prefix("cotenant-capi-").expect("a folder");
        let program = GCC.compile(&[&sources().join("programs/cacher.c")], &folder.path().join("cacher"), &["-O2"]);
        (folder, program)
    });
    built.1.clone()
}

fn start(place: &Place, language: In) -> Program {
    let program = match language {
        In::C => place.start(built(), &[]),
        In::Rust => {
            let this = std::env::current_exe().expect("this test's own path");
            Program::start(place.command(this).env("COTENANT_CAPI_ROLE", ROLE))
        }
    };
    assert_eq!(program.line(), "ready");
    program
}

#[track_caller]
fn ask(program: &mut Program, what: &str, answer: &str) {
    assert_eq!(program.ask(what), answer, "{what}");
}

fn programs_in_c_and_rust_share_a_cache() {
    for [one, other] in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "insert k value", "ok");
        ask(&mut b, "get k", "value");
        ask(&mut b, "insert k another", "ok");
        ask(&mut a, "get k", "another");
        ask(&mut a, "increment n", "1");
        ask(&mut b, "increment n", "2");
        ask(&mut a, "bytes", "17");
        ask(&mut b, "bytes", "17");
        ask(&mut b, "remove k", "ok");
        ask(&mut a, "get k", "none");
        ask(&mut a, "remove k", "none");
    }
}

fn one_computes_for_programs_in_c_and_rust() {
    for [one, other] in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        a.tell("compute k never");
        assert_eq!(a.line(), "computing");
        b.tell("compute k value");
        a.kill();
        assert_eq!(b.line(), "computing");
        assert_eq!(b.line(), "value");
        let mut third = start(&place, one);
        ask(&mut third, "compute k again", "value");
    }
}

fn a_killed_programs_pin_comes_back_in_the_other_language() {
    for [one, other] in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "insert k value", "ok");
        ask(&mut a, "pin k", "value");
        ask(&mut b, "pin k", "COTENANT_FULL");
        a.kill();
        ask(&mut b, "pin k", "value");
    }
}

tests! {
    programs_in_c_and_rust_share_a_cache,
    one_computes_for_programs_in_c_and_rust,
    a_killed_programs_pin_comes_back_in_the_other_language,
}
