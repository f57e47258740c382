//! The binary: hands the command line to [`enfilade::cli`].

fn main() -> std::process::ExitCode {
    enfilade::cli::main()
}
