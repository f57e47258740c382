//! A PostgreSQL server of a test's own, of Debian's package.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail};

use crate::PATIENCE;

/// Whose server it is, and the password.
const USER: &str = "enfilade";
const PASSWORD: &str = "not-to-be-logged";
/// The user that Debian's package makes: the server refuses to run as root.
const SYSTEM_USER: &str = "postgres";

/// A running server. Ended when dropped, and what it stored with it.
pub struct Postgres {
    child: Option<Child>,
    port: u16,
    folder: PathBuf,
    settings: Vec<String>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// Starts one on a port of its own and waits until it takes connections.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> anyhow::Result<Postgres> {
        Self::start_with(&[]).await
    }

    /// The same with files beside its data, which its settings may name: `ssl_key_file=key.pem` for one.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_with(files: &[(&str, &str, &str)]) -> anyhow::Result<Postgres> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let name = format!(
            "postgres-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("password"), PASSWORD)?;
        let mut postgres = Postgres {
            child: None,
            port,
            folder,
            settings: Vec::new(),
        };
        if is_root() {
            run(Command::new("chown").arg(SYSTEM_USER).arg(&postgres.folder))?;
            run(Command::new("chown")
                .arg(SYSTEM_USER)
                .arg(postgres.folder.join("password")))?;
        }
        let mut initdb = postgres.command("initdb")?;
        initdb
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["-U", USER, "--pwfile"])
            .arg(postgres.folder.join("password"))
            .arg("-D")
            .arg(postgres.data())
            .stdout(Stdio::null());
        run(&mut initdb)?;
        for (setting, name, text) in files {
            let path = postgres.data().join(name);
            std::fs::write(&path, text)?;
            run(Command::new("chmod").arg("600").arg(&path))?;
            if is_root() {
                run(Command::new("chown").arg(SYSTEM_USER).arg(&path))?;
            }
            postgres.settings.push(format!("{setting}={name}"));
        }
        if !files.is_empty() {
            postgres.settings.push("ssl=on".to_owned());
        }
        postgres.begin().await?;
        Ok(postgres)
    }

    /// Starts it again where it was, with what it had stored.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let mut server = self.command("postgres")?;
        server.arg("-D").arg(self.data());
        let port = format!("port={}", self.port);
        let own = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            &port,
        ];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            server.arg("-c").arg(setting);
        }
        let log = std::fs::File::create(self.folder.join("log"))?;
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(server.spawn().context("starting postgres")?);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut ready = self.command("pg_isready")?;
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status()?.success() {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("PostgreSQL takes no connections:\n{log}");
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Ends it as if the machine had lost its power. What it had stored stays.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGQUIT: its processes end at once, and nothing is put in order.
            let _ended = Command::new("kill").arg("-QUIT").arg(child.id().to_string()).status();
            let _reaped = child.wait();
        }
    }

    /// Where it is, with the password in it.
    pub fn url(&self) -> String {
        self.url_with(PASSWORD)
    }

    /// The same with another password.
    pub fn url_with(&self, password: &str) -> String {
        format!("postgres://{USER}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program of the newest version that is installed. Debian keeps them out of the search path.
    fn command(&self, program: &str) -> anyhow::Result<Command> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").context("Debian's package postgresql is missing")?;
        let mut programs: Vec<PathBuf> = versions
            .filter_map(Result::ok)
            .map(|version| version.path().join("bin").join(program))
            .filter(|path| path.is_file())
            .collect();
        programs.sort();
        let path = programs.pop().context("Debian's package postgresql is missing")?;
        let mut command = if is_root() {
            let mut other = Command::new("setpriv");
            let user = ["--reuid", SYSTEM_USER, "--regid", SYSTEM_USER, "--clear-groups", "--"];
            other.args(user).arg(path);
            other
        } else {
            Command::new(path)
        };
        command.current_dir(&self.folder);
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
        let _nothing_there = std::fs::remove_dir_all(&self.folder);
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    anyhow::ensure!(status.success(), "{command:?} says {status}");
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|me| me.uid() == 0)
}
