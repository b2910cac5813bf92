//! What this machine says of itself.
//!
//! Read from files that the kernel and the system provide, some two dozen of them, so that it takes a fraction of
//! the check. A component that cannot be read is named together with the reason; nothing is made up in its place.

use countersign_common::{ComponentFact, ComponentKind, MachineFacts, is_misleading};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
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
        read(Path::new("/"), processor())
    }
}

impl Machine for RecordedMachine {
    fn facts(&self) -> MachineFacts {
        read(&self.0, None)
    }
}

/// The longest value that is kept, in octets.
const MAX_VALUE: usize = 256;
/// The most folders that are looked into for disks or for network adapters.
const MAX_ENTRIES: usize = 256;

/// `processor` is what the file with the CPU's modalias would say, where that was found out without it.
fn read(root: &Path, processor: Option<String>) -> MachineFacts {
    let root = match Folder::open(CWD, root) {
        Ok(root) => root,
        Err(error) => {
            let unreadable = |kind| (kind, ComponentFact::Unreadable(error.kind().to_string()));
            let components = COMPONENTS.map(unreadable).to_vec();
            return MachineFacts { components, virtualization: None };
        }
    };
    let modalias = processor.map_or_else(|| root.text("sys/devices/system/cpu/modalias"), Ok);
    let firmware = Folder::open(&root.0, "sys/class/dmi/id");
    let in_firmware = |name| match &firmware {
        Ok(firmware) => firmware.text(name),
        Err(error) => Err(error.kind().into()),
    };
    let facts = [
        single(in_firmware("product_uuid")),
        single(in_firmware("board_serial")),
        several(&root, "sys/block", disk_serial),
        single(root.text("etc/machine-id")),
        several(&root, "sys/class/net", adapter_address),
        cpu(&root, &modalias),
    ];
    let components = COMPONENTS.into_iter().zip(facts).collect();
    MachineFacts { components, virtualization: virtualization(&root, in_firmware, &modalias) }
}

/// What is read, in the order of [`ComponentKind`].
const COMPONENTS: [ComponentKind; 6] = [
    ComponentKind::DmiUuid,
    ComponentKind::BoardSerial,
    ComponentKind::DiskSerial,
    ComponentKind::MachineId,
    ComponentKind::NetworkAddress,
    ComponentKind::Cpu,
];

/// An open folder. Most of the time that a machine takes to read goes into finding files by their long paths, so they
/// are found from the folder that they lie in.
struct Folder(OwnedFd);

impl Folder {
    fn open(parent: impl AsFd, path: impl rustix::path::Arg) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(parent, path, flags, Mode::empty())?))
    }

    fn text(&self, path: &str) -> io::Result<String> {
        text(self.0.as_fd(), path)
    }

    fn has(&self, path: &str) -> bool {
        exists(self.0.as_fd(), path)
    }
}

fn exists(folder: BorrowedFd<'_>, path: &str) -> bool {
    rustix::fs::accessat(folder, path, Access::EXISTS, AtFlags::empty()).is_ok()
}

/// The first 4 KiB of a small file.
fn octets(folder: BorrowedFd<'_>, path: &str) -> io::Result<Vec<u8>> {
    let file = rustix::fs::openat(folder, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; 4096];
    let length = rustix::io::read(file, &mut buffer)?;
    Ok(buffer[..length].to_vec())
}

/// Text of a small file: trimmed, ASCII letters as small ones, without control characters.
fn text(folder: BorrowedFd<'_>, path: &str) -> io::Result<String> {
    octets(folder, path).map(|octets| clean(&octets))
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

/// One value from each entry of a folder that has one.
fn several(root: &Folder, path: &str, value: fn(BorrowedFd<'_>, &str) -> Option<String>) -> ComponentFact {
    let open = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&root.0, path, flags, Mode::empty())?;
        Ok::<_, io::Error>(rustix::fs::Dir::new(folder)?)
    };
    let mut folder = match open() {
        Ok(folder) => folder,
        Err(error) => return single(Err(error)),
    };
    let mut values = Vec::new();
    for _ in 0..MAX_ENTRIES {
        let Some(Ok(entry)) = folder.read() else { break };
        let name = entry.file_name().to_str().unwrap_or(".");
        if let (Ok(folder), false) = (folder.fd(), name.starts_with('.')) {
            values.extend(value(folder, name).filter(|value| is_telling(value)));
        }
    }
    values.sort_unstable();
    values.dedup();
    if values.is_empty() { ComponentFact::Absent } else { ComponentFact::Values(values) }
}

/// Serial number of a fixed disk, from where its driver puts it.
fn disk_serial(disks: BorrowedFd<'_>, name: &str) -> Option<String> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if starts(&["nvme", "mmcblk"]) {
        text(disks, &format!("{name}/device/serial")).ok()
    } else if starts(&["vd"]) {
        text(disks, &format!("{name}/serial")).ok()
    } else if starts(&["sd"]) && text(disks, &format!("{name}/removable")).is_ok_and(|removable| removable == "0") {
        // SPC-4 7.8.15: a header of four octets, then the serial number.
        let page = octets(disks, &format!("{name}/device/vpd_pg80")).ok()?;
        page.get(4..).map(clean)
    } else {
        // Devices made of other devices, and drives whose media come and go.
        None
    }
}

/// Address of a network adapter that is built in: it has a device, not one on USB, and the address is its own.
fn adapter_address(adapters: BorrowedFd<'_>, name: &str) -> Option<String> {
    if name == "lo" {
        return None;
    }
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let built_in = match rustix::fs::readlinkat_raw(adapters, name, &mut buffer) {
        // Where the kernel has it: ../../devices/pci0000:00/0000:00:1f.6/net/eno1
        Ok((device, _)) => {
            let mut parts = device.split(|octet| *octet == b'/');
            !parts.any(|part| part == b"virtual" || part.starts_with(b"usb"))
        }
        // A recorded machine has folders in place of links.
        Err(_) => exists(adapters, &format!("{name}/device")),
    };
    if !built_in {
        return None;
    }
    let address = text(adapters, &format!("{name}/address")).ok()?;
    // An address that a maker assigned (IEEE 802: the second digit says so) needs no look at where it comes from.
    let by_maker = address.chars().nth(1).and_then(|digit| digit.to_digit(16)).is_some_and(|digit| digit & 2 == 0);
    let own = by_maker || text(adapters, &format!("{name}/addr_assign_type")).is_ok_and(|assigned| assigned == "0");
    own.then_some(address)
}

/// Maker, family and model: the part of the CPU's modalias that is not about features; on ARM the identification
/// register.
fn cpu(root: &Folder, modalias: &io::Result<String>) -> ComponentFact {
    match modalias.as_deref().ok().and_then(|modalias| modalias.strip_prefix("cpu:type:")) {
        Some(model) if model.starts_with("x86") => {
            single(Ok(model.split(":feature:").next().unwrap_or_default().to_owned()))
        }
        _ => single(root.text("sys/devices/system/cpu/cpu0/regs/identification/midr_el1")),
    }
}

/// The CPU's modalias in the kernel's words, from the processor itself: the kernel spells out some hundred features in
/// its file, which takes as long as reading all the rest. Nothing for makers that are not listed here.
#[cfg(target_arch = "x86_64")]
fn processor() -> Option<String> {
    /// The makers' names in CPUID leaf 0, and the kernel's numbers for them.
    const MAKERS: [(&[u8; 12], u8); 5] =
        [(b"GenuineIntel", 0), (b"AuthenticAMD", 2), (b"CentaurHauls", 5), (b"HygonGenuine", 9), (b"  Shanghai  ", 10)];
    let leaf = core::arch::x86_64::__cpuid(0);
    let name = [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat();
    let (_, maker) = MAKERS.iter().find(|(own, _)| own[..] == name)?;
    let leaf = core::arch::x86_64::__cpuid(1);
    let (family, model) = (leaf.eax >> 8 & 0xf, leaf.eax >> 4 & 0xf);
    let (more_family, more_model) = (leaf.eax >> 20 & 0xff, leaf.eax >> 16 & 0xf);
    let whole_family = if family == 0xf { family + more_family } else { family };
    let whole_model = if family >= 6 { more_model << 4 | model } else { model };
    // Bit 31 of ECX, which Linux numbers 4 * 32 + 31.
    let hypervisor = if leaf.ecx >> 31 == 1 { "009f," } else { "" };
    Some(format!("cpu:type:x86,ven{maker:04x}fam{whole_family:04x}mod{whole_model:04x}:feature:,{hypervisor}"))
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> Option<String> {
    None
}

/// What virtualises the machine: a container first, then a hypervisor by its name in the firmware, by its own
/// interface, or by the processor's flag alone.
fn virtualization(
    root: &Folder,
    in_firmware: impl Fn(&'static str) -> io::Result<String>,
    modalias: &io::Result<String>,
) -> Option<String> {
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
    if root.has(".dockerenv") {
        return Some("docker".to_owned());
    }
    if root.has("run/.containerenv") {
        return Some("podman".to_owned());
    }
    if let Ok(container) = root.text("run/systemd/container")
        && !container.is_empty()
    {
        return Some(name(&container));
    }
    if let Ok(vendor) = in_firmware("sys_vendor") {
        if let Some((_, name)) = VENDORS.iter().find(|(prefix, _)| vendor.starts_with(prefix)) {
            return Some((*name).to_owned());
        }
        let product = in_firmware("product_name").unwrap_or_default();
        if vendor == "microsoft corporation" && product == "virtual machine" {
            return Some("hyper-v".to_owned());
        }
    }
    if let Ok(kind) = root.text("sys/hypervisor/type")
        && !kind.is_empty()
    {
        return Some(name(&kind));
    }
    // CPUID leaf 1, ECX bit 31, which Linux numbers 4 * 32 + 31.
    let flagged = modalias.as_deref().is_ok_and(|modalias| modalias.contains(",009f,") || modalias.contains(":009f,"));
    flagged.then(|| "hypervisor".to_owned())
}

/// A name in the form that a challenge takes (docs/token-format.md, section 5): 1 to 64 octets that all show themselves.
/// Anything else would be signed and then refused.
fn name(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars().filter(|character| !is_misleading(*character)) {
        if name.len() + character.len_utf8() > 64 {
            break;
        }
        name.push(character);
    }
    if name.is_empty() { "unnamed".to_owned() } else { name }
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
            ("sys/block/sda/removable", "0\n"),
            ("sys/block/sdb/removable", "1\n"),
            ("sys/block/sdb/device/vpd_pg80", "\0\u{1}\0\u{8}STICK-01"),
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
    fn the_name_of_a_container_fits_into_a_challenge() {
        for (content, expected) in [
            ("é".repeat(64), "é".repeat(32)),
            ("x".repeat(65), "x".repeat(64)),
            ("pod\u{200b}man".to_owned(), "podman".to_owned()),
            ("\u{202e}".to_owned(), "unnamed".to_owned()),
        ] {
            for file in ["run/systemd/container", "sys/hypervisor/type"] {
                assert_eq!(machine(&[(file, &content)]).1.virtualization.as_ref(), Some(&expected), "{content:?}");
            }
        }
    }

    #[test]
    fn this_machine_can_be_read_without_rights() {
        let facts = LocalMachine.facts();
        assert_eq!(facts.components.len(), 6);
        // What the processor says itself is what the kernel's file says.
        assert_eq!(RecordedMachine("/".into()).facts(), facts);
    }
}
