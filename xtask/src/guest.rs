// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest: the board in QEMU, one command in it, and what came of it.

pub(crate) mod addition;
pub(crate) mod device_tree;
pub(crate) mod initramfs;
pub(crate) mod program;
pub(crate) mod run;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

use crate::builder::Builder;
use crate::host::cache::{Cache, Lock};

use self::addition::Addition;
use self::initramfs::Archive;
use self::program::Crates;
use crate::host::progress::say;
use crate::kernel::module::{self, Lint};
use crate::kernel::{Flavour, Kernel};

/// The status of a run whose guest, not whose command, went wrong.
pub(crate) const GUEST_FAILED: u8 = 125;
/// The status of a run that was ended by its time limit, as timeout(1) has it.
pub(crate) const TIMED_OUT: u8 = 124;
/// What an instruction takes in a guest whose time is that of its instructions: some of a board's.
pub(crate) const INSTRUCTION_NS: u32 = 2;
const COMMAND_SECONDS: u64 = 300;
const CONSOLE_SECONDS: u64 = 24 * 60 * 60;
/// Ends what the port says by itself: what follows is the command's.
pub(crate) const MARK: &[u8] = b"\x02dmaframe\n";
/// Every card's size is a power of two; the file is sparse.
const CARD_BYTES: u64 = 1 << 30;
const CONSOLE_LINES: usize = 20;

const INIT: &[u8] = include_bytes!("../guest/init");
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n";
const GROUP: &[u8] = b"root:x:0:\nuser:x:1000:\ndmaframe:x:990:user\n";
/// Who may open which device node; the rest is root's.
const NODES: &[u8] =
    b"dmaframe[0-9]+ root:dmaframe 0660\n(null|zero|full|random|urandom|tty|ptmx) root:root 0666\n";

/// What the kernel says on its console when something is wrong with it.
const COMPLAINTS: &[&str] = &[
    "BUG:",
    "Internal error:",
    "KASAN",
    "Kernel panic",
    "ODEBUG: Out of memory",
    "Oops",
    "Unable to handle kernel",
    "WARNING:",
    "kmemleak:",
    "rcu: INFO:",
    "suspicious RCU usage",
    "INFO: task ",
    "rust_kernel: panicked at",
];
/// What looks like a complaint and is none.
const HARMLESS: &[&str] = &[
    "KernelAddressSanitizer initialized",
    "kmemleak: Kernel memory leak detector initialized",
    "kmemleak: Automatic memory scanning thread",
    // An allocation of its own that was made to fail.
    "kmemleak: Cannot allocate a scan area",
];

/// Everything that a guest is started from.
#[derive(Debug)]
pub(crate) struct Guest {
    cache: Cache,
    builder: Builder,
    checkout: PathBuf,
    kernel: Kernel,
    module: PathBuf,
    device_tree: PathBuf,
    /// By name.
    commands: Vec<(&'static str, PathBuf)>,
    crates: Crates,
}

/// One run of a guest.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// Program and arguments; empty for an interactive console.
    pub(crate) command: Vec<String>,
    /// Files of the host and their paths in the guest.
    pub(crate) put: Vec<(PathBuf, String)>,
    /// Paths in the guest and files of the host to write them to.
    pub(crate) get: Vec<(String, PathBuf)>,
    /// Seconds until the guest is ended by force.
    pub(crate) timeout: Option<u64>,
    /// Programs of Debian's in the guest.
    pub(crate) with: Vec<Addition>,
    /// Whether the guest's time is that of its instructions, [`INSTRUCTION_NS`] each, however long
    /// the host takes over them.
    pub(crate) counted: bool,
    /// Whether the kernel's complaints are expected: it runs on, and they fail nothing.
    pub(crate) may_complain: bool,
}

impl Guest {
    /// Makes, or finds in the cache, all that a guest needs.
    pub(crate) fn ready(checkout: &Path, flavour: Flavour) -> Result<Self> {
        Self::with(checkout, flavour, program::COMMANDS)
    }

    /// The same with these commands alone.
    pub(crate) fn with(
        checkout: &Path,
        flavour: Flavour,
        commands: &[&'static str],
    ) -> Result<Self> {
        let cache = Cache::open()?;
        let own_source = match std::env::var_os("KERNEL_SRC").filter(|path| !path.is_empty()) {
            Some(path) => {
                let path = PathBuf::from(path);
                Some(
                    path.canonicalize()
                        .with_context(|| format!("KERNEL_SRC={}", path.display()))?,
                )
            }
            None => None,
        };
        let own_source = own_source.as_deref();
        let builder = Builder::ready(&cache, checkout, own_source)?;
        let crates = Crates::ready(&cache, checkout)?;
        fs::create_dir_all(checkout.join("target")).context("making target")?;
        let lock = |name| Lock::exclusive(&checkout.join("target").join(name));
        // The kernel's build begins with a chain of Rust crates that keeps one processor busy, and
        // the module is one.
        let (rest, commands) = std::thread::scope(|scope| {
            let commands = scope.spawn(|| {
                let _lock = lock("guest.lock")?;
                program::commands(&cache, &builder, checkout, &crates, commands)
            });
            let kernel = Kernel::ready(&cache, &builder, checkout, own_source, flavour);
            let rest = kernel.and_then(|kernel| {
                let _lock = lock("driver.lock")?;
                let module = module::build(&builder, checkout, &kernel, &crates, Lint::Off)?;
                let device_tree = device_tree::merge(&builder, checkout, &kernel)?;
                Ok((kernel, module, device_tree))
            });
            (rest, commands.join())
        });
        let (kernel, module, device_tree) = rest?;
        let commands = commands.map_err(|_| anyhow!("building the commands panicked"))??;
        let checkout = checkout.to_owned();
        Ok(Self { cache, builder, checkout, kernel, module, device_tree, commands, crates })
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn builder(&self) -> &Builder {
        &self.builder
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) fn crates(&self) -> &Crates {
        &self.crates
    }

    pub(crate) fn checkout(&self) -> &Path {
        &self.checkout
    }

    /// The driver's module.
    pub(crate) fn module(&self) -> &Path {
        &self.module
    }

    /// The file of a command.
    pub(crate) fn command(&self, name: &str) -> Result<&Path> {
        let command = self.commands.iter().find(|(command, _)| *command == name);
        command.map(|(_, file)| file.as_path()).with_context(|| format!("the guest has no {name}"))
    }

    /// The board's device tree as the guest has it.
    pub(crate) fn device_tree(&self) -> &Path {
        &self.device_tree
    }

    /// Builds a program of the tests: the file, and its path in a guest.
    pub(crate) fn test_program(&self, name: &str) -> Result<(PathBuf, String)> {
        let (builder, checkout, crates) = (&self.builder, &self.checkout, &self.crates);
        let file = program::program(&self.cache, builder, checkout, crates, name)?;
        Ok((file, format!("/usr/bin/{name}")))
    }

    /// Runs a job; what its command prints is for `output` to read, byte for byte. The result is
    /// the command's exit status.
    pub(crate) fn run(
        &self,
        job: &Job,
        output: impl FnOnce(&mut dyn BufRead) -> Result<()>,
    ) -> Result<u8> {
        let interactive = job.command.is_empty();
        let work = Scratch::new(&self.cache)?;
        let console = self.checkout.join("target/log/console.log");
        fs::create_dir_all(self.checkout.join("target/log")).context("making target/log")?;
        // QEMU appends to nothing: an old log must not speak for this run.
        File::create(&console).with_context(|| format!("creating {}", console.display()))?;
        let card = work.path.join("card");
        File::create(&card)
            .and_then(|file| file.set_len(CARD_BYTES))
            .context("making the guest's card")?;
        let initrd = work.path.join("initrd");
        self.write_initrd(job, &initrd)?;

        let seconds =
            job.timeout.unwrap_or(if interactive { CONSOLE_SECONDS } else { COMMAND_SECONDS });
        let mut qemu = self.qemu(job, seconds, &initrd, &card, &console)?;
        if interactive {
            say("the guest's console; leave it with exit, or end the guest with Ctrl-A x");
        }
        let terminal = Terminal::saved();
        let status = if interactive {
            qemu.status().context("starting QEMU")?
        } else {
            let mut child = qemu
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .context("starting QEMU")?;
            let outcome = child.stdout.take().map_or(Ok(()), |stdout| {
                let mut stdout = BufReader::new(stdout);
                skip_mark(&mut stdout)?;
                output(&mut stdout)
            });
            let status = child.wait().context("waiting for QEMU")?;
            outcome?;
            status
        };
        drop(terminal);

        let log = fs::read(&console).with_context(|| format!("reading {}", console.display()))?;
        let log = String::from_utf8_lossy(&log);
        let complaints = complaints(&log);
        if !complaints.is_empty() && !job.may_complain {
            bail!(
                "the guest's kernel complained:\n{}\nits whole console: {}",
                complaints.join("\n"),
                console.display()
            );
        }
        // timeout(1) answers 137 when it had to kill what would not end.
        if matches!(status.code(), Some(124 | 137)) {
            say(format_args!(
                "the guest did not end within {seconds} s: --timeout allows more\n{}",
                tail(&log, &console)
            ));
            return Ok(TIMED_OUT);
        }
        let outcome = read_card(&card, &job.get)?;
        match outcome {
            Some(status) => Ok(status),
            None if interactive => Ok(0),
            None => bail!("the guest ended without a status ({status})\n{}", tail(&log, &console)),
        }
    }

    fn write_initrd(&self, job: &Job, path: &Path) -> Result<()> {
        let mut archive = Archive::create(path)?;
        for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib")] {
            archive.directory(target, 0o755)?;
            archive.symlink(link, target)?;
        }
        for directory in ["proc", "sys", "dev", "run", "etc", "root", "home/user", "job"] {
            archive.directory(directory, 0o755)?;
        }
        archive.directory("tmp", 0o1777)?;
        archive.file("init", 0o755, INIT)?;
        archive.file("etc/passwd", 0o644, PASSWD)?;
        archive.file("etc/group", 0o644, GROUP)?;
        archive.file("etc/mdev.conf", 0o644, NODES)?;
        archive.copy(&self.builder.installed("/usr/bin/busybox"), "usr/bin/busybox")?;
        archive.copy(&self.module, "usr/lib/modules/dmaframe.ko")?;
        for (name, file) in &self.commands {
            archive.copy(file, &format!("usr/bin/{name}"))?;
        }
        if job.with.contains(&Addition::Python) {
            let specification = "driver/Documentation/netlink/specs/dmaframe.yaml";
            archive.copy(&self.checkout.join(specification), "usr/lib/ynl/specs/dmaframe.yaml")?;
        }
        if !job.command.is_empty() {
            archive.file("job/mark", 0o644, MARK)?;
            archive.file("job/command", 0o755, script(&job.command).as_bytes())?;
        }
        let get: String = job.get.iter().map(|(path, _)| format!("{path}\n")).collect();
        archive.file("job/get", 0o644, get.as_bytes())?;
        for (from, to) in &job.put {
            archive.copy(from, to)?;
        }
        let mut file = archive.finish()?;
        for addition in &job.with {
            let path = addition.archive(&self.cache, &self.builder, &self.kernel)?;
            let mut added =
                File::open(&path).with_context(|| format!("opening {}", path.display()))?;
            std::io::copy(&mut added, &mut file)
                .with_context(|| format!("adding {} to the guest", path.display()))?;
        }
        file.flush().context("writing the guest's files")
    }

    fn qemu(
        &self,
        job: &Job,
        seconds: u64,
        initrd: &Path,
        card: &Path,
        console: &Path,
    ) -> Result<Command> {
        let inside = |path: &Path| self.builder.inside(path).map(|path| path.display().to_string());
        // QEMU ignores SIGTERM while its DMA model runs a chain that does not end. In the
        // foreground, for the console's sake: elsewhere the terminal would stop it.
        let mut qemu = self.builder.command("timeout");
        qemu.args(["--foreground", "-k", "5", &seconds.to_string(), "qemu-system-aarch64"]);
        qemu.args(["-M", "raspi3b", "-display", "none", "-no-reboot"]);
        if job.counted {
            // An idle guest's time passes at once.
            qemu.args(["-icount", &format!("shift={},sleep=off", INSTRUCTION_NS.ilog2())]);
        }
        qemu.args(["-kernel", &inside(&self.kernel.image())?]);
        qemu.args(["-dtb", &inside(&self.device_tree)?]);
        qemu.args(["-initrd", &inside(initrd)?]);
        let more = match self.kernel.flavour() {
            // KASAN would report nothing but the first fault.
            _ if job.may_complain => " kasan_multi_shot",
            // A host that is busy with other things is no stall of the guest's.
            Flavour::Debug => " panic_on_warn=1 rcupdate.rcu_cpu_stall_timeout=300",
            Flavour::Default | Flavour::Bench => "",
        };
        qemu.args(["-append", &format!("console=ttyAMA0,115200 panic=-1 rdinit=/init{more}")]);
        qemu.arg("-drive").arg(format!("file={},if=sd,format=raw,cache=unsafe", inside(card)?));
        qemu.arg("-serial").arg(format!("file:{}", inside(console)?));
        if job.command.is_empty() {
            qemu.args(["-chardev", "stdio,id=mini,mux=on,signal=off", "-mon", "chardev=mini"]);
        } else {
            qemu.args(["-chardev", "stdio,id=mini,signal=off", "-monitor", "none"]);
        }
        qemu.args(["-serial", "chardev:mini"]);
        Ok(qemu)
    }
}

/// Passes a command's output on to standard output as it comes.
pub(crate) fn print(output: &mut dyn BufRead) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    loop {
        let bytes = output.fill_buf().context("reading the guest's output")?;
        if bytes.is_empty() {
            return Ok(());
        }
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .context("writing to standard output")?;
        let length = bytes.len();
        output.consume(length);
    }
}

/// Reads up to and with the mark, or to the end where there is none.
pub(crate) fn skip_mark(output: &mut impl BufRead) -> Result<()> {
    let mut line = Vec::new();
    while !line.ends_with(MARK) {
        if output.read_until(b'\n', &mut line).context("reading the guest's output")? == 0 {
            break;
        }
    }
    Ok(())
}

/// A directory that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn new(cache: &Cache) -> Result<Self> {
        let path = cache.path().join(format!("guest-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left would only take room.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The terminal's settings, put back when dropped: a QEMU that is killed leaves it raw.
struct Terminal(Option<Termios>);

impl Terminal {
    fn saved() -> Self {
        let stdin = std::io::stdin();
        Self(stdin.is_terminal().then(|| tcgetattr(&stdin).ok()).flatten())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}

/// A shell script that runs the command, its arguments word for word.
fn script(command: &[String]) -> String {
    let words: Vec<String> =
        command.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    format!("#!/bin/sh\nexec {}\n", words.join(" "))
}

pub(crate) fn complaints(console: &str) -> Vec<&str> {
    let has = |line: &&str, words: &[&str]| words.iter().any(|word| line.contains(word));
    console.lines().filter(|line| has(line, COMPLAINTS) && !has(line, HARMLESS)).collect()
}

pub(crate) fn tail(console: &str, path: &Path) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let last = &lines[lines.len().saturating_sub(CONSOLE_LINES)..];
    format!(
        "the last of its kernel's console:\n{}\nthe whole console: {}",
        last.join("\n"),
        path.display()
    )
}

/// Reads the guest's status, if it left one, and the files that were asked for.
fn read_card(card: &Path, get: &[(String, PathBuf)]) -> Result<Option<u8>> {
    let file = File::open(card).with_context(|| format!("opening {}", card.display()))?;
    let mut archive = tar::Archive::new(file);
    let mut status = None;
    let mut got = vec![false; get.len()];
    for entry in archive.entries().context("reading the guest's card")? {
        // A guest that ended early leaves no archive, or half of one.
        let Ok(mut entry) = entry else { break };
        let path = entry.path().context("reading the guest's card")?.to_string_lossy().into_owned();
        if path == "status" {
            let mut text = String::new();
            entry.read_to_string(&mut text).context("reading the guest's status")?;
            status = text.trim().parse().ok();
        } else if let Some(number) = path.strip_prefix("get/").and_then(|n| n.parse::<usize>().ok())
        {
            if let Some((_, to)) = get.get(number) {
                entry.unpack(to).with_context(|| format!("writing {}", to.display()))?;
                got[number] = true;
            }
        }
    }
    if status.is_some() {
        if let Some(missing) = got.iter().position(|got| !got) {
            bail!("the guest has no file {}", get[missing].0);
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_guest_as_they_are() {
        let script = script(&["echo".into(), "a b".into(), "it's".into(), "$HOME".into()]);
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, b"a b it's $HOME\n");
    }

    #[test]
    fn complaints_are_told_from_talk() {
        let console = "[1] Booting Linux\n[2] kasan: KernelAddressSanitizer initialized (generic)\n\
            [3] WARNING: CPU: 0 PID: 1 at mm/page.c\n[4] BUG: KASAN: slab-out-of-bounds in x\n";
        assert_eq!(complaints(console).len(), 2);
    }

    #[test]
    fn what_a_port_says_by_itself_is_not_the_commands() {
        let mut output: &[u8] = b"XX\nX\x02dmaframe\nyes\x02\n";
        skip_mark(&mut output).unwrap();
        assert_eq!(output, b"yes\x02\n");
        let mut output: &[u8] = b"XX";
        skip_mark(&mut output).unwrap();
        assert!(output.is_empty());
    }

    fn card(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card");
        let mut archive = tar::Builder::new(File::create(&path).unwrap());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().set_len(1 << 20).unwrap();
        (directory, path)
    }

    #[test]
    fn a_card_gives_status_and_files() {
        let (directory, path) = card(&[("status", "7\n"), ("get/0", "contents")]);
        let to = directory.path().join("got");
        assert_eq!(read_card(&path, &[("/tmp/x".into(), to.clone())]).unwrap(), Some(7));
        assert_eq!(fs::read_to_string(to).unwrap(), "contents");
    }

    #[test]
    fn a_missing_file_is_named() {
        let (directory, path) = card(&[("status", "0\n")]);
        let error =
            read_card(&path, &[("/tmp/x".into(), directory.path().join("got"))]).unwrap_err();
        assert_eq!(error.to_string(), "the guest has no file /tmp/x");
    }

    #[test]
    fn an_empty_card_gives_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card");
        File::create(&path).unwrap().set_len(1 << 20).unwrap();
        assert_eq!(read_card(&path, &[]).unwrap(), None);
    }
}
