//! What this machine says of itself.
//!
//! Read from files that the kernel and the system provide, some two dozen of them, so that it takes a fraction of
//! the check. A component that cannot be read is named together with the reason; nothing is made up in its place.

use countersign_common::{ComponentFact, ComponentKind, MachineFacts};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Something whose components can be read.
pub trait Machine {
    /// Its components, and what virtualises it.
    fn facts(&self) -> MachineFacts;
}

/// The machine that the program runs on.
#[derive(Clone, Copy, Debug)]
pub struct LocalMachine;

/// A recorded machine: a folder with the files that [`LocalMachine`] reads, under the same paths. For tests and
/// demonstrations; [`crate::check`] never uses one.
#[derive(Clone, Debug)]
pub struct RecordedMachine(pub PathBuf);

impl Machine for LocalMachine {
    fn facts(&self) -> MachineFacts {
        read(Path::new("/"))
    }
}

impl Machine for RecordedMachine {
    fn facts(&self) -> MachineFacts {
        read(&self.0)
    }
}

/// The longest value that is kept, in octets.
const MAX_VALUE: usize = 256;
/// The most folders that are looked into for disks or for network adapters.
const MAX_ENTRIES: usize = 256;

fn read(root: &Path) -> MachineFacts {
    let modalias = text(&root.join("sys/devices/system/cpu/modalias"));
    let components = vec![
        (ComponentKind::DmiUuid, single(text(&root.join("sys/class/dmi/id/product_uuid")))),
        (ComponentKind::BoardSerial, single(text(&root.join("sys/class/dmi/id/board_serial")))),
        (ComponentKind::DiskSerial, several(root.join("sys/block"), disk_serial)),
        (ComponentKind::MachineId, single(text(&root.join("etc/machine-id")))),
        (ComponentKind::NetworkAddress, several(root.join("sys/class/net"), adapter_address)),
        (ComponentKind::Cpu, cpu(root, &modalias)),
    ];
    MachineFacts { components, virtualization: virtualization(root, &modalias) }
}

/// Text of a small file: trimmed, ASCII letters as small ones, without control characters.
fn text(path: &Path) -> io::Result<String> {
    let mut buffer = [0; 4096];
    let length = File::open(path)?.read(&mut buffer)?;
    Ok(clean(&buffer[..length]))
}

fn clean(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    text.trim().to_ascii_lowercase()
}

/// Whether a value tells machines apart: not empty, not one of the makers' fillers.
fn is_telling(value: &str) -> bool {
    const FILLERS: [&str; 9] = [
        "none",
        "unknown",
        "default string",
        "not specified",
        "not applicable",
        "system serial number",
        "to be filled by o.e.m.",
        "03000200-0400-0500-0006-000700080009",
        "invalid",
    ];
    let digits: Vec<char> = value.chars().filter(char::is_ascii_alphanumeric).collect();
    let uniform = digits.iter().all(|digit| Some(digit) == digits.first());
    !value.is_empty() && value.len() <= MAX_VALUE && !uniform && !FILLERS.contains(&value)
}

fn single(read: io::Result<String>) -> ComponentFact {
    match read {
        Ok(value) if is_telling(&value) => ComponentFact::Values(vec![value]),
        Ok(_) => ComponentFact::Absent,
        Err(error) if error.kind() == io::ErrorKind::NotFound => ComponentFact::Absent,
        Err(error) => ComponentFact::Unreadable(error.kind().to_string()),
    }
}

/// One value from each folder in a folder that has one.
fn several(folder: PathBuf, value: fn(&str, &Path) -> Option<String>) -> ComponentFact {
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => return single(Err(error)),
    };
    let mut values = Vec::new();
    for entry in entries.take(MAX_ENTRIES).flatten() {
        let name = entry.file_name();
        values.extend(name.to_str().and_then(|name| value(name, &entry.path())).filter(|value| is_telling(value)));
    }
    values.sort_unstable();
    values.dedup();
    if values.is_empty() { ComponentFact::Absent } else { ComponentFact::Values(values) }
}

/// Serial number of a fixed disk: NVMe and MMC, virtio, then SCSI and SATA by the unit serial number page.
fn disk_serial(name: &str, disk: &Path) -> Option<String> {
    // Devices made of other devices, and drives whose media come and go.
    if ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"].iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    if text(&disk.join("removable")).is_ok_and(|removable| removable == "1") {
        return None;
    }
    text(&disk.join("device/serial")).or_else(|_| text(&disk.join("serial"))).ok().or_else(|| {
        // SPC-4 7.8.15: a header of four octets, then the serial number.
        let page = std::fs::read(disk.join("device/vpd_pg80")).ok()?;
        page.get(4..).map(clean)
    })
}

/// Address of a network adapter that is built in: it has a device, not one on USB, and the address is its own.
fn adapter_address(_: &str, adapter: &Path) -> Option<String> {
    if text(&adapter.join("addr_assign_type")).is_ok_and(|assigned| assigned != "0") || !adapter.join("device").exists()
    {
        return None;
    }
    let bus = std::fs::read_link(adapter.join("device/subsystem")).ok();
    if bus.is_some_and(|bus| bus.file_name().is_some_and(|bus| bus == "usb")) {
        return None;
    }
    text(&adapter.join("address")).ok()
}

/// Maker, family and model: the part of the CPU's modalias that is not about features; on ARM the identification
/// register.
fn cpu(root: &Path, modalias: &io::Result<String>) -> ComponentFact {
    match modalias.as_deref().ok().and_then(|modalias| modalias.strip_prefix("cpu:type:")) {
        Some(model) if model.starts_with("x86") => {
            single(Ok(model.split(":feature:").next().unwrap_or_default().to_owned()))
        }
        _ => single(text(&root.join("sys/devices/system/cpu/cpu0/regs/identification/midr_el1"))),
    }
}

/// What virtualises the machine: a container first, then a hypervisor by its name in the firmware, by its own
/// interface, or by the processor's flag alone.
fn virtualization(root: &Path, modalias: &io::Result<String>) -> Option<String> {
    const VENDORS: [(&str, &str); 9] = [
        ("qemu", "qemu"),
        ("vmware", "vmware"),
        ("innotek", "virtualbox"),
        ("oracle corporation", "virtualbox"),
        ("xen", "xen"),
        ("amazon ec2", "ec2"),
        ("google", "gce"),
        ("parallels", "parallels"),
        ("bochs", "bochs"),
    ];
    if root.join(".dockerenv").exists() {
        return Some("docker".to_owned());
    }
    if root.join("run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if let Ok(container) = text(&root.join("run/systemd/container"))
        && !container.is_empty()
    {
        return Some(container.chars().take(64).collect());
    }
    if let Ok(vendor) = text(&root.join("sys/class/dmi/id/sys_vendor")) {
        if let Some((_, name)) = VENDORS.iter().find(|(prefix, _)| vendor.starts_with(prefix)) {
            return Some((*name).to_owned());
        }
        let product = text(&root.join("sys/class/dmi/id/product_name")).unwrap_or_default();
        if vendor == "microsoft corporation" && product == "virtual machine" {
            return Some("hyper-v".to_owned());
        }
    }
    if let Ok(kind) = text(&root.join("sys/hypervisor/type"))
        && !kind.is_empty()
    {
        return Some(kind.chars().take(64).collect());
    }
    // CPUID leaf 1, ECX bit 31, which Linux numbers 4 * 32 + 31.
    let flagged = modalias.as_deref().is_ok_and(|modalias| modalias.contains(",009f,") || modalias.contains(":009f,"));
    flagged.then(|| "hypervisor".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, MachineFacts) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let facts = RecordedMachine(folder.path().to_owned()).facts();
        (folder, facts)
    }

    fn fact(facts: &MachineFacts, kind: ComponentKind) -> &ComponentFact {
        &facts.components.iter().find(|(own, _)| *own == kind).unwrap().1
    }

    #[test]
    fn a_machine_in_full() {
        let (_folder, facts) = machine(&[
            ("sys/class/dmi/id/product_uuid", "4C4C4544-0042-4A10-8031-B4C04F4D3533\n"),
            ("sys/class/dmi/id/board_serial", " /BJ15M3/CNFCW0098200AB/ \n"),
            ("sys/class/dmi/id/sys_vendor", "Dell Inc.\n"),
            ("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
            ("sys/block/nvme0n1/device/serial", "S4EVNX0R123456   \n"),
            ("sys/block/sda/device/vpd_pg80", "\0\u{1}\0\u{8}WD-WX12A"),
            ("sys/block/sdb/removable", "1\n"),
            ("sys/block/sdb/device/serial", "STICK\n"),
            ("sys/block/loop0/serial", "nothing\n"),
            ("sys/class/net/eno1/address", "B4:45:06:12:34:56\n"),
            ("sys/class/net/eno1/addr_assign_type", "0\n"),
            ("sys/class/net/eno1/device/vendor", "0x8086\n"),
            ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("sys/class/net/veth1/address", "aa:45:06:12:34:56\n"),
            ("sys/devices/system/cpu/modalias", "cpu:type:x86,ven0000fam0006mod009E:feature:,0000,0001\n"),
        ]);
        let values = |values: &[&str]| ComponentFact::Values(values.iter().map(|value| (*value).to_owned()).collect());
        assert_eq!(fact(&facts, ComponentKind::DmiUuid), &values(&["4c4c4544-0042-4a10-8031-b4c04f4d3533"]));
        assert_eq!(fact(&facts, ComponentKind::BoardSerial), &values(&["/bj15m3/cnfcw0098200ab/"]));
        assert_eq!(fact(&facts, ComponentKind::DiskSerial), &values(&["s4evnx0r123456", "wd-wx12a"]));
        assert_eq!(fact(&facts, ComponentKind::MachineId), &values(&["3d1219c7c4c5404aaa1f6d2a48adfda4"]));
        assert_eq!(fact(&facts, ComponentKind::NetworkAddress), &values(&["b4:45:06:12:34:56"]));
        assert_eq!(fact(&facts, ComponentKind::Cpu), &values(&["x86,ven0000fam0006mod009e"]));
        assert_eq!(facts.virtualization, None);
    }

    #[test]
    fn fillers_and_nothing_are_absent() {
        let (_folder, facts) = machine(&[
            ("sys/class/dmi/id/product_uuid", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n"),
            ("sys/class/dmi/id/board_serial", "To be filled by O.E.M.\n"),
            ("etc/machine-id", "\n"),
        ]);
        assert!(facts.components.iter().all(|(_, fact)| *fact == ComponentFact::Absent), "{facts:?}");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        // A folder in the file's place fails like a file without rights, also for root.
        let (_folder, facts) = machine(&[("etc/machine-id/x", "")]);
        assert!(matches!(fact(&facts, ComponentKind::MachineId), ComponentFact::Unreadable(_)));
    }

    #[test]
    fn virtual_machines_and_containers_are_named() {
        for (files, name) in [
            (&[("sys/class/dmi/id/sys_vendor", "QEMU\n")][..], "qemu"),
            (&[("sys/class/dmi/id/sys_vendor", "VMware, Inc.\n")], "vmware"),
            (
                &[
                    ("sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n"),
                    ("sys/class/dmi/id/product_name", "Virtual Machine\n"),
                ],
                "hyper-v",
            ),
            (&[(".dockerenv", "")], "docker"),
            (&[("run/systemd/container", "lxc")], "lxc"),
            (&[("sys/hypervisor/type", "xen\n")], "xen"),
            (&[("sys/devices/system/cpu/modalias", "cpu:type:x86,ven0002:feature:,0000,009F,00C0\n")], "hypervisor"),
        ] {
            assert_eq!(machine(files).1.virtualization.as_deref(), Some(name), "{files:?}");
        }
    }

    #[test]
    fn this_machine_can_be_read_without_rights() {
        assert_eq!(LocalMachine.facts().components.len(), 6);
    }
}
