// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binds, unbinds, loads and unloads the driver.

use crate::DEVICES;
use crate::process::Run;
use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

const DRIVER: &str = "/sys/bus/platform/drivers/dmaframe";
const MODULE: &str = "/lib/modules/dmaframe.ko";

/// The name of the platform device with the lowest address: that of `dts/dmaframe.dtso`.
///
/// # Panics
///
/// If the device tree describes none.
pub fn platform_device() -> String {
    fs::read_dir("/sys/bus/platform/devices")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".dmaframe"))
        .min()
        .expect("the device tree has no dmaframe node")
}

/// Whether the driver is bound to the device.
pub fn is_bound() -> bool {
    Path::new(DRIVER).join(platform_device()).exists()
}

/// Unbinds the driver from the device.
///
/// # Errors
///
/// The error of writing to the driver's `unbind` file.
pub fn unbind() -> io::Result<()> {
    fs::write(Path::new(DRIVER).join("unbind"), platform_device())
}

/// Binds the driver to the device, and gives the nodes the owners that they have after boot.
///
/// # Errors
///
/// The error of writing to the driver's `bind` file.
pub fn bind() -> io::Result<()> {
    bind_alone()?;
    own_nodes();
    Ok(())
}

/// Binds the driver to the device. The nodes keep the owners that the kernel gives them.
///
/// # Errors
///
/// The error of writing to the driver's `bind` file.
pub fn bind_alone() -> io::Result<()> {
    fs::write(Path::new(DRIVER).join("bind"), platform_device())
}

/// Binds the driver to another platform device.
///
/// # Errors
///
/// The error of the driver's probe.
pub fn bind_other(device: &str) -> io::Result<()> {
    fs::write(Path::new(DRIVER).join("bind"), device)
}

/// The driver's `bind` file, open for writing, and the name to write to it.
///
/// # Panics
///
/// If it cannot be opened.
pub fn binding() -> (File, String) {
    let bind = OpenOptions::new().write(true).open(Path::new(DRIVER).join("bind"));
    (bind.unwrap(), platform_device())
}

/// Unloads the module, without waiting for its users.
///
/// # Errors
///
/// `EWOULDBLOCK` while the module is in use.
pub fn unload() -> nix::Result<()> {
    delete_module(c"dmaframe", DeleteModuleFlags::O_NONBLOCK)
}

/// Loads the module, which binds to the device at once.
///
/// # Errors
///
/// Those of finit_module(2).
pub fn load() -> nix::Result<()> {
    let module = File::open(MODULE).map_err(|_| Errno::ENOENT)?;
    finit_module(&module, c"", ModuleInitFlags::empty())?;
    own_nodes();
    Ok(())
}

/// Sets the owners of the nodes as init does at boot: no daemon in the guest does it.
fn own_nodes() {
    let done = Run::of("mdev", &["-s"]).finish();
    assert!(done.status.success(), "mdev -s failed: {done:?}");
}

/// Loads the module and binds the driver, if necessary.
pub(crate) fn restore() -> Result<(), String> {
    if !Path::new(DRIVER).exists() {
        load().map_err(|errno| format!("the module was not loaded: {errno}"))?;
    }
    if !is_bound() {
        bind().map_err(|error| format!("the driver was not bound: {error}"))?;
    }
    own_nodes();
    match DEVICES.iter().find(|device| !Path::new(device).exists()) {
        Some(absent) => Err(format!("{absent} is absent")),
        None => Ok(()),
    }
}
