//! Installing what is lacking, by package managers only: apt, npm, PyPI through pip, crates.io through cargo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Context;
use crate::process::{cargo, command, is_there, run};

/// Longest installation.
const LIMIT: Duration = Duration::from_secs(900);

/// A program of the system and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct System {
    /// What to run to see whether it is there, and an argument by which it ends at once.
    probe: (&'static str, &'static str),
    /// The Debian package.
    package: &'static str,
}

pub(crate) const CHROMIUM: System = System {
    probe: ("chromium", "--version"),
    package: "chromium",
};
pub(crate) const FIREFOX: System = System {
    probe: ("firefox-esr", "--version"),
    package: "firefox-esr",
};
pub(crate) const NODE: System = System {
    probe: ("node", "--version"),
    package: "nodejs",
};
pub(crate) const NPM: System = System {
    probe: ("npm", "--version"),
    package: "npm",
};
pub(crate) const PYTHON: System = System {
    probe: ("python3", "--version"),
    package: "python3",
};
pub(crate) const CXX: System = System {
    probe: ("c++", "--version"),
    package: "g++",
};
pub(crate) const IP: System = System {
    probe: ("ip", "-V"),
    package: "iproute2",
};
pub(crate) const COTURN: System = System {
    probe: ("turnserver", "--version"),
    package: "coturn",
};
pub(crate) const VALGRIND: System = System {
    probe: ("valgrind", "--version"),
    package: "valgrind",
};
pub(crate) const PROMTOOL: System = System {
    probe: ("promtool", "--version"),
    package: "prometheus",
};
pub(crate) const NATS: System = System {
    probe: ("nats-server", "--version"),
    package: "nats-server",
};
/// Its programs stand in a folder of their version, outside the search path.
pub(crate) const POSTGRES: System = System {
    probe: ("perl", "-eexit !glob('/usr/lib/postgresql/*/bin/initdb')"),
    package: "postgresql",
};
pub(crate) const IPTABLES: System = System {
    probe: ("iptables", "--version"),
    package: "iptables",
};
pub(crate) const FAKETIME: System = System {
    probe: ("faketime", "--version"),
    package: "faketime",
};
pub(crate) const STRESS: System = System {
    probe: ("stress-ng", "--version"),
    package: "stress-ng",
};
/// Debian splits the module out of Python; `ensurepip` is what it leaves out.
pub(crate) const VENV: System = System {
    probe: ("python3", "-cimport venv, ensurepip"),
    package: "python3-venv",
};

impl System {
    /// What to run with which argument to see whether it is there, and the Debian package that brings it.
    pub(crate) const fn new(probe: (&'static str, &'static str), package: &'static str) -> System {
        System { probe, package }
    }

    fn is_there(self) -> bool {
        is_there(self.probe.0, self.probe.1)
    }
}

/// Installs what is needed and the system lacks, in one go, when we may. What cannot be installed is found missing
/// by the step itself, which says so.
pub(crate) fn system_packages(needs: impl Iterator<Item = &'static System>) {
    let mut packages = Vec::new();
    for system in needs {
        if !packages.contains(&system.package) && !system.is_there() {
            packages.push(system.package);
        }
    }
    if packages.is_empty() || !is_root() || !is_there("apt-get", "--version") {
        return;
    }
    eprintln!("=== install: {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get", arguments, Path::new("/"));
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        run(apt, LIMIT)
    };
    apt(&["update", "-q"]);
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], packages.as_slice()].concat());
}

/// Why a step cannot run: what is still missing after [`system_packages`], in a sentence.
pub(crate) fn missing(needs: &[System]) -> Option<String> {
    let lacking: Vec<&str> = needs
        .iter()
        .filter(|system| !system.is_there())
        .map(|system| system.package)
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let packages = lacking.join(" ");
    let how = if is_root() {
        "apt-get could not install it"
    } else {
        "only root may; as root: apt-get install"
    };
    Some(format!("{packages} is not installed ({how} {packages})"))
}

/// `npm ci` in a folder, unless its lock file is the one installed last.
pub(crate) fn npm_packages(folder: &Path) -> Result<(), String> {
    let lock = std::fs::read(folder.join("package-lock.json"))
        .map_err(|error| format!("{}: package-lock.json: {error}", folder.display()))?;
    let stamp = folder.join("node_modules/.xtask-lock");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    if !run(command("npm", &["ci", "--no-audit", "--no-fund"], folder), LIMIT).success {
        return Err("npm ci failed".to_owned());
    }
    // Without the stamp the next run installs again, no more.
    let _ = std::fs::create_dir_all(folder.join("node_modules")).and_then(|()| std::fs::write(stamp, lock));
    Ok(())
}

/// The Python of a virtual environment that has the packages of a requirements file.
pub(crate) fn python(context: &Context, requirements: &Path) -> Result<PathBuf, String> {
    // One for each folder of tests: what they need may not get along.
    let owner = requirements.parent().and_then(Path::file_name).unwrap_or_default();
    let venv = context.root.join("target/venv").join(owner);
    let python = venv.join("bin/python");
    let wanted = std::fs::read(requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let stamp = venv.join("requirements.installed");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted)
        && is_there(&python.to_string_lossy(), "--version")
    {
        return Ok(python);
    }
    let path = |path: &Path| path.to_string_lossy().into_owned();
    if !run(
        command("python3", &["-m", "venv", "--clear", &path(&venv)], &context.root),
        LIMIT,
    )
    .success
    {
        return Err("the virtual environment could not be made".to_owned());
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        &path(requirements),
    ];
    if !run(command(&python, &pip, &context.root), LIMIT).success {
        return Err("pip could not install the requirements".to_owned());
    }
    let _ = std::fs::write(stamp, wanted);
    Ok(python)
}

/// A cargo subcommand, built once from crates.io into `target/tools`.
pub(crate) fn cargo_tool(context: &Context, name: &str, version: &str) -> Result<PathBuf, String> {
    let tools = context.root.join("target/tools");
    let program = tools.join("bin").join(name);
    let stamp = tools.join(format!("{name}.version"));
    if program.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == version) {
        return Ok(program);
    }
    let root = tools.to_string_lossy().into_owned();
    let mut install = cargo(
        &[
            "install",
            "--locked",
            "--quiet",
            "--force",
            "--root",
            &root,
            "--version",
            version,
            name,
        ],
        &context.root,
    );
    // Its own folder: the flags differ from ours, and a shared one would build ours anew.
    install
        .env("CARGO_TARGET_DIR", tools.join("build"))
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    if !run(install, LIMIT).success {
        return Err(format!("cargo install {name} failed"));
    }
    let _ = std::fs::write(stamp, version);
    let _ = std::fs::remove_dir_all(tools.join("build"));
    Ok(program)
}

fn is_root() -> bool {
    // The owner of our own process directory is who we are; no crate and no unsafe call needed.
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
    }
    #[cfg(not(target_os = "linux"))]
    false
}
