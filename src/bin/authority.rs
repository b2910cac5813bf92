//! The `countersign-authority` command.

fn main() -> std::process::ExitCode {
    countersign_authority::main()
}
