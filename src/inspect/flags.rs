//! The formats' own names: of section flags and of processors.

use object::{elf, pe};

/// Names of a format's section flags.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table {
    Elf(elf::Machine),
    Pe,
}

impl Table {
    pub(super) fn names(self, flags: u64) -> Vec<String> {
        let mut names = Vec::new();
        let rest = match self {
            Table::Elf(machine) => {
                let table = elf::machine_names(machine).shf;
                table.names(elf::SectionFlags(flags), |_, name| names.push(name.to_owned()))
            }
            Table::Pe => {
                let table = pe::SectionFlags::NAMES;
                table.names(pe::SectionFlags(flags as u32), |_, name| names.push(name.to_owned())).into()
            }
        };
        if rest != 0 {
            names.push(format!("{rest:#x}"));
        }
        names
    }
}

/// A processor as people call it.
pub(super) fn elf_machine(machine: elf::Machine) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86-64",
        elf::EM_386 => "x86",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm",
        elf::EM_RISCV => "riscv",
        elf::EM_PPC => "powerpc",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_S390 => "s390x",
        elf::EM_MIPS => "mips",
        elf::EM_SPARC => "sparc",
        elf::EM_SPARCV9 => "sparc64",
        elf::EM_LOONGARCH => "loongarch64",
        _ => return elf::Machine::NAMES.name(machine).map_or_else(|| format!("machine {}", machine.0), str::to_owned),
    };
    name.to_owned()
}

/// A processor as people call it.
pub(super) fn pe_machine(machine: pe::Machine) -> String {
    let name = match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => "x86-64",
        pe::IMAGE_FILE_MACHINE_I386 => "x86",
        pe::IMAGE_FILE_MACHINE_ARM64 => "aarch64",
        pe::IMAGE_FILE_MACHINE_ARM | pe::IMAGE_FILE_MACHINE_ARMNT => "arm",
        _ => {
            let name = pe::Machine::NAMES.name(machine);
            return name.map_or_else(|| format!("machine {:#x}", machine.0), str::to_owned);
        }
    };
    name.to_owned()
}
