// SPDX-License-Identifier: GPL-2.0

//! The attributes of requests and of messages.

use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    fmt,
    prelude::*, //
};

extern "C" {
    fn dmaframe_nla_get_u32(nla: *const bindings::nlattr) -> u32;
    fn dmaframe_nla_string(nla: *const bindings::nlattr) -> *const c_char;
    fn dmaframe_nla_put_uint(skb: *mut bindings::sk_buff, ty: c_int, value: u64) -> c_int;
    fn dmaframe_extack(info: *mut bindings::genl_info, text: *const c_char, bytes: c_int);
}

/// Most bytes of an extended acknowledgement's message: NETLINK_MAX_FMTMSG_LEN less its NUL.
const EXPLANATION_BYTES: usize = 79;

/// The type of an attribute of a request.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Policy(pub(super) bindings::nla_policy);

// SAFETY: Plain data with null pointers.
unsafe impl Sync for Policy {}

impl Policy {
    const fn of(ty: u32, bytes: u16) -> Self {
        let mut policy: bindings::nla_policy = pin_init::zeroed();
        policy.type_ = ty as u8;
        policy.len = bytes;
        Self(policy)
    }

    /// Refused in requests.
    pub(crate) const REJECT: Self = Self::of(bindings::NLA_REJECT, 0);
    /// 32 bits.
    pub(crate) const U32: Self = Self::of(bindings::NLA_U32, 0);

    /// A string of at most `bytes` bytes and its NUL.
    pub(crate) const fn string(bytes: u16) -> Self {
        Self::of(bindings::NLA_NUL_STRING, bytes)
    }
}

/// A request whose attributes passed their policy.
pub(crate) struct Request<'a> {
    pub(super) info: *mut bindings::genl_info,
    pub(super) policy: &'static [Policy],
    pub(super) _info: PhantomData<&'a bindings::genl_info>,
}

impl Request<'_> {
    fn attribute(&self, attribute: u16, ty: u32) -> Option<*const bindings::nlattr> {
        let policy = self.policy.get(usize::from(attribute))?;
        if u32::from(policy.0.type_) != ty {
            return None;
        }
        // SAFETY: The core allocates one pointer for each attribute of the policy.
        let nla = unsafe { *(*self.info).attrs.add(usize::from(attribute)) };
        (!nla.is_null()).then_some(nla.cast_const())
    }

    /// A 32-bit attribute, if given.
    pub(crate) fn u32(&self, attribute: u16) -> Option<u32> {
        let nla = self.attribute(attribute, bindings::NLA_U32)?;
        // SAFETY: The core has checked it against the policy, which says `U32`.
        Some(unsafe { dmaframe_nla_get_u32(nla) })
    }

    /// A string attribute, if given.
    pub(crate) fn string(&self, attribute: u16) -> Option<&CStr> {
        let nla = self.attribute(attribute, bindings::NLA_NUL_STRING)?;
        // SAFETY: The core has checked for the NUL; the request outlives `self`.
        Some(unsafe { CStr::from_char_ptr(dmaframe_nla_string(nla)) })
    }

    /// Tells the sender what is wrong, in at most [`EXPLANATION_BYTES`].
    pub(crate) fn explain(&self, text: fmt::Arguments<'_>) {
        if let Ok(text) = kernel::str::CString::try_from_fmt(text) {
            // Cut here: the kernel logs a line for each longer one.
            let bytes = text.to_bytes().len().min(EXPLANATION_BYTES) as c_int;
            // SAFETY: `info` is valid, and the text is copied.
            unsafe { dmaframe_extack(self.info, text.as_char_ptr(), bytes) };
        }
    }
}

/// A message under construction, in a buffer that somebody else owns.
pub(crate) struct Message {
    pub(super) skb: *mut bindings::sk_buff,
}

impl Message {
    /// Adds 32 bits.
    pub(crate) fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put(attribute, &value.to_ne_bytes())
    }

    /// Adds a `uint`: 32 or 64 bits.
    pub(crate) fn put_uint(&mut self, attribute: u16, value: u64) -> Result {
        // SAFETY: `skb` is valid while a message is made.
        to_result(unsafe { dmaframe_nla_put_uint(self.skb, c_int::from(attribute), value) })
    }

    /// Adds a string.
    pub(crate) fn put_string(&mut self, attribute: u16, value: &CStr) -> Result {
        self.put(attribute, value.to_bytes_with_nul())
    }

    fn put(&mut self, attribute: u16, bytes: &[u8]) -> Result {
        let length = c_int::try_from(bytes.len())?;
        // SAFETY: `skb` is valid while a message is made, and `bytes` are as many as told.
        to_result(unsafe {
            bindings::nla_put(
                self.skb,
                c_int::from(attribute),
                length,
                bytes.as_ptr().cast(),
            )
        })
    }
}
