//~ no value that processes could share

use cotenant::ProcessSync;

#[derive(ProcessSync)]
enum Never {}

fn main() {}
