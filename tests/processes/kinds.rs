//! Every kind of type that can be shared: one process changes each, another reads it.

use std::time::{Duration as StdDuration, SystemTime};

use cotenant::sync::Mutex;
use cotenant::value::{Array, Duration, Optional, Text, UnixTime};
use cotenant::{ProcessSync, shared};

use crate::support::sandbox::Sandbox;
use crate::support::{Named, serve};

pub(crate) const TESTS: &[Named] = &[
    ("every_kind_of_type_starts_with_its_initial_value", every_kind_of_type_starts_with_its_initial_value),
    ("every_kind_of_type_is_seen_by_others", every_kind_of_type_is_seen_by_others),
    ("twins_of_std_types_grow_in_turns", twins_of_std_types_grow_in_turns),
];

#[derive(ProcessSync, Clone, Copy, Debug)]
#[repr(C)]
struct Pair<T> {
    first: T,
    second: T,
}

#[derive(ProcessSync, Clone, Copy, Debug)]
#[repr(u8)]
enum Phase {
    Idle = 3,
    Done = 200,
}

#[derive(ProcessSync, Debug)]
struct Inner(char, u128, [bool; 3]);

#[derive(ProcessSync, Debug)]
struct Outer {
    inner: Inner,
    pairs: [Pair<i16>; 2],
    label: Text<8>,
}

shared! {
    static GENERIC: Mutex<Pair<i64>> = Mutex::new(Pair { first: 1, second: 2 });
    static TUPLE: Mutex<(u8, f64, bool)> = Mutex::new((1, 1.5, false));
    static NESTED: Mutex<Outer> = Mutex::new(Outer {
        inner: Inner('a', 1, [true, false, true]),
        pairs: [Pair { first: 1, second: 2 }; 2],
        label: Text::from_static("old"),
    });
    static PHASE: Mutex<Phase> = Mutex::new(Phase::Idle);
    static FLOATS: Mutex<Pair<f32>> = Mutex::new(Pair { first: 0.5, second: -0.5 });
    static DOUBLE: Mutex<f64> = Mutex::new(0.25);
    static LETTER: Mutex<char> = Mutex::new('ß');
    static FLAGS: Mutex<[bool; 5]> = Mutex::new([false; 5]);
    static WIDE: Mutex<u128> = Mutex::new(7);
    static TEXT: Mutex<Text<16>> = Mutex::new(Text::from_static("hello"));
    static LIST: Mutex<Array<Pair<u16>, 4>> = Mutex::new(Array::from_array([Pair { first: 1, second: 2 }]));
    static PHASES: Mutex<Array<Phase, 3>> = Mutex::new(Array::empty_with(Phase::Idle));
    static MAYBE: Mutex<Optional<char>> = Mutex::new(Optional::none());
    static SPAN: Mutex<Duration> = Mutex::new(Duration::from_millis(20));
    static MOMENT: Mutex<UnixTime> = Mutex::new(UnixTime::EPOCH);
    /// Without a lock: nobody changes it.
    static CONSTANT: (Text<4>, Optional<u8>) = (Text::from_static("same"), Optional::some(9));
}

/// Each variable with its value, in their order.
const BEFORE: &str = "Pair { first: 1, second: 2 }; (1, 1.5, false); \
    Outer { inner: Inner('a', 1, [true, false, true]), pairs: [Pair { first: 1, second: 2 }, \
    Pair { first: 1, second: 2 }], label: \"old\" }; Idle; Pair { first: 0.5, second: -0.5 }; 0.25; 'ß'; \
    [false, false, false, false, false]; 7; \"hello\"; [Pair { first: 1, second: 2 }]; []; None; 20ms; \
    1970-01-01T00:00:00Z; (\"same\", Some(9))";

const AFTER: &str = "Pair { first: -9223372036854775808, second: 9223372036854775807 }; (255, -0.0, true); \
    Outer { inner: Inner('\\u{10ffff}', 340282366920938463463374607431768211455, [false, true, false]), \
    pairs: [Pair { first: 1, second: 2 }, Pair { first: -1, second: -32768 }], label: \"new épo\" }; Done; \
    Pair { first: inf, second: NaN }; 5e-324; '😀'; [true, false, true, false, true]; \
    340282366920938463463374607431768211454; \"bye\"; [Pair { first: 1, second: 2 }, Pair { first: 65535, second: 0 }]; \
    [Done, Idle]; Some('é'); 18446744073709551615.999999999s; 1938-04-24T22:13:20.5Z; (\"same\", Some(9))";

pub(crate) fn play() {
    serve::stdin(|line| match line {
        "read" => read(),
        "change" => change(),
        "grow" => grow(),
        _ => panic!("no such command: {line}"),
    });
}

fn read() -> String {
    fn shown<T: std::fmt::Debug>(mutex: &Mutex<T>) -> String {
        format!("{:?}", *mutex.lock().expect("a clean lock"))
    }
    let first = [shown(&GENERIC), shown(&TUPLE), shown(&NESTED), shown(&PHASE), shown(&FLOATS), shown(&DOUBLE)];
    let second = [shown(&LETTER), shown(&FLAGS), shown(&WIDE), shown(&TEXT), shown(&LIST), shown(&PHASES)];
    let third = [shown(&MAYBE), shown(&SPAN), shown(&MOMENT), format!("{:?}", *CONSTANT)];
    [first.join("; "), second.join("; "), third.join("; ")].join("; ")
}

fn change() -> String {
    *GENERIC.lock().expect("clean") = Pair { first: i64::MIN, second: i64::MAX };
    *TUPLE.lock().expect("clean") = (u8::MAX, -0.0, true);
    {
        let mut outer = NESTED.lock().expect("clean");
        outer.inner = Inner(char::MAX, u128::MAX, [false, true, false]);
        outer.pairs[1] = Pair { first: -1, second: i16::MIN };
        outer.label.set("new épo").expect("8 bytes");
    }
    *PHASE.lock().expect("clean") = Phase::Done;
    *FLOATS.lock().expect("clean") = Pair { first: f32::INFINITY, second: f32::NAN };
    *DOUBLE.lock().expect("clean") = f64::from_bits(1);
    *LETTER.lock().expect("clean") = '😀';
    *FLAGS.lock().expect("clean") = [true, false, true, false, true];
    *WIDE.lock().expect("clean") = u128::MAX - 1;
    TEXT.lock().expect("clean").set("bye").expect("room");
    LIST.lock().expect("clean").push(Pair { first: u16::MAX, second: 0 }).expect("room");
    PHASES.lock().expect("clean").extend_from_slice(&[Phase::Done, Phase::Idle]).expect("room");
    MAYBE.lock().expect("clean").set(Some('é'));
    *SPAN.lock().expect("clean") = StdDuration::MAX.into();
    *MOMENT.lock().expect("clean") =
        (SystemTime::UNIX_EPOCH - StdDuration::new(1_000_000_000, 0) + StdDuration::from_millis(500)).into();
    "changed".into()
}

/// A byte more of text, an item more in the list; says what could be added.
fn grow() -> String {
    let text = TEXT.lock().expect("clean").push('!').is_ok();
    let item = LIST.lock().expect("clean").push(Pair { first: 0, second: 0 }).is_ok();
    let before = MAYBE.lock().expect("clean").replace('x');
    let text_bytes = TEXT.lock().expect("clean").len();
    let items = LIST.lock().expect("clean").len();
    format!("{text} {text_bytes} {item} {items} {before:?}")
}

fn every_kind_of_type_starts_with_its_initial_value() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.start("kinds");
    assert_eq!(first.ask("read"), BEFORE);
    assert_eq!(sandbox.start("kinds").ask("read"), BEFORE);
}

fn every_kind_of_type_is_seen_by_others() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("kinds"), sandbox.start("kinds"));
    assert_eq!(two.ask("read"), BEFORE);
    one.ask("change");
    assert_eq!(two.ask("read"), AFTER);
    one.kill();
    assert_eq!(sandbox.start("kinds").ask("read"), AFTER, "to one who comes later");
}

fn twins_of_std_types_grow_in_turns() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("kinds"), sandbox.start("kinds"));
    assert_eq!(one.ask("grow"), "true 6 true 2 None");
    assert_eq!(two.ask("grow"), "true 7 true 3 Some('x')");
    assert_eq!(one.ask("grow"), "true 8 true 4 Some('x')");
    assert_eq!(two.ask("grow"), "true 9 false 4 Some('x')", "four items are all that there is room for");
}
