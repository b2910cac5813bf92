//! The command as the tests of this crate run it: the program itself belongs to the workspace's root package.

fn main() -> std::process::ExitCode {
    countersign_authority::main()
}
