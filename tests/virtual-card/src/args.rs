//! The command line.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use crate::faults::{Fault, Kind};

pub(crate) const USAGE: &str = "\
usage: virtual-card --port N [options]

  --port N                 port of a vpcd reader on the loopback address
  --state DIR              keep keys, certificates and PIN here; without it they end with the process
  --log FILE               append a line for each command: header, length of its data, status; never data
  --strict                 answer exactly as the applet does, without the help that yubico-piv-tool needs
  --leave-on INS[:N]       end at the Nth command with this instruction, before answering it
  --stall-on INS[:N]       never answer that command, and keep the connection
  --reset-on INS[:N]       forget PIN and selection before executing that command
  --answer-on INS[:N]=SW   answer that command with this status, without executing it

INS and SW are hexadecimal; N counts from 1 and is 1 if left out. Each link of a chained command counts.
Faults can be given several times.
";

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) port: u16,
    pub(crate) state: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) strict: bool,
    pub(crate) faults: Vec<Fault>,
}

/// Reads the command line without the program's name; `None` when help was asked for.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Args>, String> {
    let mut args = args;
    let (mut port, mut state, mut log, mut strict, mut faults) = (None, None, None, false, Vec::new());
    while let Some(flag) = args.next() {
        let flag = flag.to_str().ok_or("a flag that is not UTF-8")?.to_owned();
        let mut value = || args.next().ok_or(format!("{flag} needs a value"));
        match flag.as_str() {
            "--help" | "-h" => return Ok(None),
            "--port" => port = Some(number(&value()?, &flag)?),
            "--state" => state = Some(PathBuf::from(value()?)),
            "--log" => log = Some(PathBuf::from(value()?)),
            "--strict" => strict = true,
            "--leave-on" => faults.push(fault(Kind::Leave, &text(value()?, &flag)?)?),
            "--stall-on" => faults.push(fault(Kind::Stall, &text(value()?, &flag)?)?),
            "--reset-on" => faults.push(fault(Kind::Reset, &text(value()?, &flag)?)?),
            "--answer-on" => {
                let value = text(value()?, &flag)?;
                let (at, status) = value.split_once('=').ok_or(format!("{value}: no =SW"))?;
                let status = u16::from_str_radix(status, 16).map_err(|_| format!("{status}: not a status"))?;
                faults.push(fault(Kind::Answer(status), at)?);
            }
            _ => return Err(format!("{flag}: unknown")),
        }
    }
    let port = port.ok_or("--port is missing")?;
    Ok(Some(Args { port, state, log, strict, faults }))
}

fn fault(kind: Kind, at: &str) -> Result<Fault, String> {
    let (instruction, nth) = at.split_once(':').unwrap_or((at, "1"));
    let instruction =
        u8::from_str_radix(instruction, 16).map_err(|_| format!("{instruction}: not a hexadecimal instruction"))?;
    let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or(format!("{nth}: counting starts at 1"))?;
    Ok(Fault::new(kind, instruction, nth))
}

fn number<T: FromStr>(value: &OsString, flag: &str) -> Result<T, String> {
    value.to_str().and_then(|value| value.parse().ok()).ok_or(format!("{flag}: not a fitting number"))
}

fn text(value: OsString, flag: &str) -> Result<String, String> {
    value.into_string().map_err(|_| format!("{flag}: not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Option<Args>, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn reads_faults() {
        let args = parse_line("--port 7 --strict --leave-on 87 --stall-on cb:3 --answer-on 20:2=6983");
        let args = args.unwrap().unwrap();
        assert_eq!(args.port, 7);
        assert!(args.strict);
        let expected = [
            Fault::new(Kind::Leave, 0x87, 1),
            Fault::new(Kind::Stall, 0xCB, 3),
            Fault::new(Kind::Answer(0x6983), 0x20, 2),
        ];
        assert_eq!(args.faults, expected);
    }

    #[test]
    fn refuses_nonsense() {
        for line in ["", "--port", "--port x", "--port 1 --leave-on 87:0", "--port 1 --answer-on 87", "--port 1 --what"]
        {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }
}
