// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opens a device with the library and prints its path.

fn main() -> Result<(), dmaframe::Error> {
    let device = dmaframe::Device::open("/dev/dmaframe0")?;
    println!("Rust opened {}", device.path().display());
    Ok(())
}
