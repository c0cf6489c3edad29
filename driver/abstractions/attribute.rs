// SPDX-License-Identifier: GPL-2.0

//! sysfs attributes of a [`CharDevice`], one value a file.

use super::{
    attribute_group::Entry,
    char_device::{
        CharDevice,
        CharDeviceRegistration, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    str::CString, //
};

/// A device with attributes, known by their place in its table.
pub(crate) trait Attributes: CharDevice {
    /// The value, without a line end.
    fn show(&self, attribute: usize) -> Result<CString>;
    /// Takes a new value, without its line end.
    fn store(&self, attribute: usize, text: &str) -> Result;
}

/// One attribute of devices of type `T`.
#[repr(transparent)]
pub(crate) struct Attribute<T> {
    attribute: bindings::device_attribute,
    _device: PhantomData<fn(&T)>,
}

// SAFETY: Never written after it was made.
unsafe impl<T> Sync for Attribute<T> {}

impl<T: Attributes> Attribute<T> {
    /// Attribute number `N` of `T`'s table.
    pub(crate) const fn new<const N: usize>(name: &'static CStr, writable: bool) -> Self {
        let mut attribute: bindings::device_attribute = pin_init::zeroed();
        attribute.attr.name = kernel::str::as_char_ptr_in_const_context(name);
        attribute.attr.mode = if writable { 0o644 } else { 0o444 };
        attribute.__bindgen_anon_1.show = Some(show::<T, N>);
        if writable {
            attribute.__bindgen_anon_2.store = Some(store::<T, N>);
        }
        Self {
            attribute,
            _device: PhantomData,
        }
    }

    /// Its entry for a table.
    pub(crate) const fn entry(&'static self) -> Entry<T> {
        // SAFETY: `new` has set the callbacks to those of `T`.
        unsafe { Entry::new(&self.attribute.attr) }
    }
}

/// # Safety
///
/// `dev` is the device of a live [`CharDeviceRegistration`] of `T`.
unsafe fn device<'a, T: CharDevice>(dev: *mut bindings::device) -> &'a T {
    // SAFETY: The misc class sets the driver data to the miscdevice; by the contract it lives.
    unsafe { CharDeviceRegistration::<T>::device(bindings::dev_get_drvdata(dev).cast()) }
}

/// # Safety
///
/// Called by sysfs for a device of a live [`CharDeviceRegistration`] of `T`.
unsafe extern "C" fn show<T: Attributes, const N: usize>(
    dev: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    buffer: *mut c_char,
) -> isize {
    // SAFETY: The attribute was made for `T`, and is gone before the registration is.
    let device = unsafe { device::<T>(dev) };
    match device.show(N) {
        // SAFETY: `buffer` is a page, as sysfs_emit() asks for; both strings end with NUL.
        Ok(text) => unsafe {
            bindings::sysfs_emit(buffer, c"%s\n".as_char_ptr(), text.as_char_ptr()) as isize
        },
        Err(error) => error.to_errno() as isize,
    }
}

/// # Safety
///
/// Called by sysfs for a device of a live [`CharDeviceRegistration`] of `T`.
unsafe extern "C" fn store<T: Attributes, const N: usize>(
    dev: *mut bindings::device,
    _attribute: *mut bindings::device_attribute,
    buffer: *const c_char,
    bytes: usize,
) -> isize {
    // SAFETY: As in `show`.
    let device = unsafe { device::<T>(dev) };
    // SAFETY: sysfs hands over `bytes` bytes, less than a page.
    let text = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), bytes) };
    let result = core::str::from_utf8(text)
        .map_err(|_| EINVAL)
        .and_then(|text| device.store(N, text.trim_end_matches('\n')));
    match result {
        Ok(()) => bytes as isize,
        Err(error) => error.to_errno() as isize,
    }
}
