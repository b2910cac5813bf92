//! Files that the embedded check reads and did not write: what the kernel says of the machine, and the time floor.
//!
//! Input: one octet that says which file, then its content. All other files are those of a machine in full.

use crate::draw::Draw;
use countersign::{ComponentFact, Machine, RecordedMachine, Store, StoreError};
use countersign_common::is_misleading;
use std::{fs, path::Path, sync::LazyLock};

/// Each file, with what it says on a good machine.
const FILES: [(&str, &str); 12] = [
    ("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
    ("run/systemd/container", ""),
    ("sys/block/nvme0n1/device/serial", "S4EVNX0R123456   \n"),
    ("sys/block/sda/device/vpd_pg80", "\0\u{1}\0\u{8}WD-WX12A"),
    ("sys/block/sda/removable", "0\n"),
    ("sys/class/dmi/id/board_serial", " /BJ15M3/CNFCW0098200AB/ \n"),
    ("sys/class/dmi/id/product_uuid", "4C4C4544-0042-4A10-8031-B4C04F4D3533\n"),
    ("sys/class/dmi/id/sys_vendor", "Dell Inc.\n"),
    ("sys/class/net/eno1/addr_assign_type", "0\n"),
    ("sys/class/net/eno1/address", "B4:45:06:12:34:56\n"),
    ("sys/devices/system/cpu/modalias", "cpu:type:x86,ven0000fam0006mod009E:feature:,0000,0001\n"),
    ("sys/hypervisor/type", ""),
];
const FLOOR: &str = "newest-time";

/// A machine and a store for this process alone; in memory where the system has such a folder.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let parent = ["/dev/shm", "/tmp"].map(Path::new).into_iter().find(|path| path.is_dir());
    let folder = tempfile::Builder::new().prefix("countersign-fuzz-").tempdir_in(parent.expect("a folder"));
    let folder = folder.expect("a folder of our own");
    for (path, content) in FILES {
        write(folder.path(), path, content.as_bytes());
    }
    write(folder.path(), "sys/class/net/eno1/device/vendor", b"0x8086\n");
    folder
});

/// Reads a machine or a time floor.
pub fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let which = usize::from(draw.octet()) % (FILES.len() + 1);
    let content = draw.rest();
    match FILES.get(which) {
        Some((path, good)) => {
            write(FOLDER.path(), path, content);
            read_machine();
            write(FOLDER.path(), path, good.as_bytes());
        }
        None => read_floor(content),
    }
}

/// Every value is short, clean and in small letters, and the same is read twice.
fn read_machine() {
    let machine = RecordedMachine(FOLDER.path().to_owned());
    let facts = machine.facts();
    for (kind, fact) in &facts.components {
        if let ComponentFact::Values(values) = fact {
            assert!(!values.is_empty() && values.is_sorted());
            for value in values {
                assert!((1..=256).contains(&value.len()), "{kind:?}: {} octets", value.len());
                assert!(!value.chars().any(|character| character.is_control() || character.is_ascii_uppercase()));
            }
        }
    }
    if let Some(name) = &facts.virtualization {
        // What a challenge takes (docs/token-format.md, section 5).
        assert!((1..=64).contains(&name.len()) && !name.contains(is_misleading), "{name:?}");
    }
    assert_eq!(machine.facts(), facts);
}

/// A floor that is read is one line of the form that is written, and a damaged one cannot be replaced.
fn read_floor(content: &[u8]) {
    write(FOLDER.path(), FLOOR, content);
    let store = Store::at(FOLDER.path());
    match store.newest_time_seen() {
        Ok(Some(time)) => {
            let line = format!("{time}\n");
            assert_eq!(line.parse::<countersign::Time>().ok(), None, "the line break is no part of a time");
            assert_eq!(line.trim_end().parse(), Ok(time));
        }
        Ok(None) => panic!("the floor is there"),
        Err(StoreError::FloorDamaged(_) | StoreError::TooLarge(_)) => {
            let locked = store.lock().expect("nobody else has it");
            assert!(locked.advance_time(countersign::Time::from_unix(0)).is_err());
        }
        Err(error) => panic!("{error}"),
    }
}

fn write(folder: &Path, path: &str, content: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a folder above")).expect("room in memory");
    fs::write(path, content).expect("room in memory");
}
