//! Seeds for the fuzz target: `COTENANT_SEEDS=FOLDER cargo test --features inspect --test inspect seeds`.

#[test]
fn seeds() {
    let Some(folder) = std::env::var_os("COTENANT_SEEDS") else { return };
    let folder = std::path::PathBuf::from(folder);
    std::fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (name, bytes) in crate::make::samples() {
        std::fs::write(folder.join(name), bytes).expect("writing a seed");
    }
}
