// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest: the board emulated by QEMU, and the commands that run in it.

pub(crate) mod addition;
pub(crate) mod build;
pub(crate) mod command;
pub(crate) mod console;
pub(crate) mod device_tree;
pub(crate) mod engine;
pub(crate) mod initramfs;
mod job;
mod local_packages;
mod outcome;
pub(crate) mod output;
pub(crate) mod program;
mod qemu;
mod root;
pub(crate) mod stream;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use self::console::{complaints, tail};
pub(crate) use self::job::Job;
use self::output::skip_mark;
pub(crate) use self::qemu::{INSTRUCTION_NS, counted_clock};
use crate::builder::Builder;
use crate::builder::crates::Crates;
use crate::host::cache::Cache;
use crate::host::lock::Lock;
use crate::host::progress::say;
use crate::host::scratch::Scratch;
use crate::host::terminal::Terminal;
use crate::kernel::module::{self, Variant};
use crate::kernel::{Flavour, Kernel};

/// Exit status if the guest fails, as opposed to the command in it.
pub(crate) const GUEST_FAILED: u8 = 125;
/// Exit status if the time limit is exceeded; the same as that of timeout(1).
pub(crate) const TIMED_OUT: u8 = 124;
const COMMAND_SECONDS: u64 = 300;
const CONSOLE_SECONDS: u64 = 24 * 60 * 60;

/// Everything that is needed to start a guest.
#[derive(Debug)]
pub(crate) struct Guest {
    cache: Cache,
    builder: Builder,
    checkout: PathBuf,
    kernel: Kernel,
    module: PathBuf,
    device_tree: PathBuf,
    /// Name and file of each command.
    commands: Vec<(&'static str, PathBuf)>,
    crates: Crates,
}

impl Guest {
    /// Builds everything that a guest with all commands needs.
    pub(crate) fn ready(checkout: &Path, flavour: Flavour) -> Result<Self> {
        Self::with(checkout, flavour, program::COMMANDS)
    }

    /// Builds everything that a guest with the given commands needs.
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
        // The kernel and the module start with Rust crates that depend on each other, so each keeps
        // only one processor busy. The commands are built at the same time.
        let (rest, commands) = std::thread::scope(|scope| {
            let commands = scope.spawn(|| {
                let _lock = lock("guest.lock")?;
                program::commands(&cache, &builder, checkout, &crates, commands)
            });
            let kernel = Kernel::ready(&cache, &builder, checkout, own_source, flavour);
            let rest = kernel.and_then(|kernel| {
                let _lock = lock("driver.lock")?;
                let module =
                    module::build(&cache, &builder, checkout, &kernel, &crates, Variant::Product)?;
                let device_tree = device_tree::merge(&builder, checkout, &kernel)?;
                Ok((kernel, module, device_tree))
            });
            (rest, commands.join())
        });
        let (kernel, module, device_tree) = rest?;
        let commands =
            commands.map_err(|_| anyhow!("the thread that builds the commands panicked"))??;
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

    /// The module of the driver.
    pub(crate) fn module(&self) -> &Path {
        &self.module
    }

    /// The path of a command on the host.
    pub(crate) fn command(&self, name: &str) -> Result<&Path> {
        let command = self.commands.iter().find(|(command, _)| *command == name);
        command.map(|(_, file)| file.as_path()).with_context(|| format!("the guest has no {name}"))
    }

    /// The device tree of the guest with more overlays merged. `output` is a directory for the
    /// result.
    pub(crate) fn device_tree_of(&self, overlays: &[PathBuf], output: &Path) -> Result<PathBuf> {
        if overlays.is_empty() {
            return Ok(self.device_tree.clone());
        }
        let log = self.checkout.join("target/log/overlay.log");
        device_tree::add(&self.builder, &self.kernel, &self.device_tree, overlays, output, &log)
    }

    /// Builds a test program. Returns its path on the host, and its path in the guest.
    pub(crate) fn test_program(&self, name: &str) -> Result<(PathBuf, String)> {
        let (builder, checkout, crates) = (&self.builder, &self.checkout, &self.crates);
        let file = program::program(&self.cache, builder, checkout, crates, name)?;
        Ok((file, format!("/usr/bin/{name}")))
    }

    /// Runs a job and returns the exit status of its command. `output` reads what the command
    /// prints, unchanged.
    pub(crate) fn run(
        &self,
        job: &Job,
        output: impl FnOnce(&mut dyn BufRead) -> Result<()>,
    ) -> Result<u8> {
        let interactive = job.command.is_empty();
        let work = Scratch::new(&self.cache)?;
        let console = self.checkout.join("target/log/console.log");
        fs::create_dir_all(self.checkout.join("target/log")).context("making target/log")?;
        // QEMU may fail before it creates the file, and an old log must not remain.
        File::create(&console).with_context(|| format!("creating {}", console.display()))?;
        let card = work.path().join("card");
        outcome::make_card(&card)?;
        let initrd = work.path().join("initrd");
        self.write_initrd(job, &initrd)?;
        let device_tree = self.device_tree_of(&job.overlays, &work.path().join("dts"))?;

        let seconds =
            job.timeout.unwrap_or(if interactive { CONSOLE_SECONDS } else { COMMAND_SECONDS });
        let report = work.path().join("report");
        let files = qemu::Files {
            device_tree: &device_tree,
            initrd: &initrd,
            card: &card,
            console: &console,
            report: &report,
        };
        let mut qemu = self.qemu(job, seconds, &files)?;
        if interactive {
            say("console of the guest: type exit to leave it, or press Ctrl-A x to kill the guest");
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
                "the guest's kernel reported problems:\n{}\nthe complete console log: {}",
                complaints.join("\n"),
                console.display()
            );
        }
        engine::check(&report, job.report.as_deref())?;
        // timeout(1) exits with 137 after it sent SIGKILL.
        if matches!(status.code(), Some(124 | 137)) {
            say(format_args!(
                "the guest did not finish within {seconds} s: increase the limit with --timeout\n{}",
                tail(&log, &console)
            ));
            return Ok(TIMED_OUT);
        }
        let outcome = outcome::read_card(&card, &job.get)?;
        match outcome {
            Some(status) => Ok(status),
            None if interactive => Ok(0),
            None => bail!(
                "the guest stopped without reporting a status ({status})\n{}",
                tail(&log, &console)
            ),
        }
    }
}
