//! The `countersign-verifier` command.

fn main() -> std::process::ExitCode {
    countersign_verifier::main()
}
