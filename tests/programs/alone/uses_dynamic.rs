//! Uses a variable of a Rust `dylib`, and the library's own function that uses it.

#[path = "../console.rs"]
mod console;

fn main() {
    console::serve(&[("COUNT", &dynamic::COUNT)], |line| (line == "inside").then(|| dynamic::add().to_string()));
}
