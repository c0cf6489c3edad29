// SPDX-License-Identifier: GPL-2.0

//! Generic netlink commands: requests, replies, dumps and multicast.
//!
//! The kernel crate has multicast of its own messages only.

mod message;

pub(crate) use message::{
    Message,
    Policy,
    Request, //
};

use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    module::this_module,
    net::netlink::MulticastGroup,
    prelude::*,
    types::Opaque, //
};

extern "C" {
    fn dmaframe_genlmsg_reply(skb: *mut bindings::sk_buff, info: *mut bindings::genl_info)
        -> c_int;
    fn dmaframe_dump_portid(cb: *mut bindings::netlink_callback) -> u32;
}

/// The operations of a family.
pub(crate) trait Commands: Sized + 'static {
    /// A request for one object. The reply carries `REPLY` as its command.
    fn get(request: &Request<'_>, reply: &mut Message) -> Result;
    /// Writes object number `index` of a dump of `command`, which is [`Commands::GET`] or
    /// [`Commands::DUMP`]; false after the last.
    fn dump(command: u8, index: usize, message: &mut Message) -> Result<bool>;
    /// A request for a change.
    fn set(request: &Request<'_>) -> Result;

    /// The command of [`Commands::get`] and of its replies.
    const GET: u8;
    /// The command of [`Commands::set`], for CAP_NET_ADMIN only.
    const SET: u8;
    /// A command that only dumps: other objects than those of [`Commands::GET`]. The largest one.
    const DUMP: u8;
    /// The attributes that requests for one object may have.
    const GET_POLICY: &'static [Policy];
    /// The attributes that requests for a change may have.
    const SET_POLICY: &'static [Policy];
    /// The family.
    fn family() -> &'static Family<Self>;
}

/// A generic netlink family with a get (one or all), a set, another dump and one group.
#[repr(transparent)]
pub(crate) struct Family<C: Commands> {
    inner: Opaque<bindings::genl_family>,
    _commands: PhantomData<C>,
}

// SAFETY: Netlink locks the family.
unsafe impl<C: Commands> Sync for Family<C> {}

/// The operations of a family, as the core wants them: sorted.
#[repr(transparent)]
pub(crate) struct Operations([bindings::genl_split_ops; 4]);

// SAFETY: Never written.
unsafe impl Sync for Operations {}

/// A handler of requests, as the core calls it.
type Doit = unsafe extern "C" fn(*mut bindings::sk_buff, *mut bindings::genl_info) -> c_int;

/// A handler of dumps, as the core calls it.
type Dumpit =
    unsafe extern "C" fn(*mut bindings::sk_buff, *mut bindings::netlink_callback) -> c_int;

impl Operations {
    /// The operations of `C`.
    pub(crate) const fn new<C: Commands>() -> Self {
        const { assert!(C::GET < C::SET && C::SET < C::DUMP) };
        Self([
            Self::request(C::GET, 0, C::GET_POLICY, get_one::<C>),
            Self::dump(C::GET, get_all::<C>),
            Self::request(
                C::SET,
                bindings::GENL_ADMIN_PERM,
                C::SET_POLICY,
                set_one::<C>,
            ),
            Self::dump(C::DUMP, dump_others::<C>),
        ])
    }

    const fn dump(command: u8, dumpit: Dumpit) -> bindings::genl_split_ops {
        let mut dump: bindings::genl_split_ops = pin_init::zeroed();
        dump.__bindgen_anon_1.__bindgen_anon_2 =
            bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_2 {
                start: None,
                dumpit: Some(dumpit),
                done: None,
            };
        dump.cmd = command;
        dump.flags = bindings::GENL_CMD_CAP_DUMP as u8;
        dump
    }

    /// `doit` looks at no attribute beyond `policy`.
    const fn request(
        command: u8,
        flags: u32,
        policy: &'static [Policy],
        doit: Doit,
    ) -> bindings::genl_split_ops {
        let mut request: bindings::genl_split_ops = pin_init::zeroed();
        request.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_1 {
                pre_doit: None,
                doit: Some(doit),
                post_doit: None,
            };
        request.policy = policy.as_ptr().cast();
        request.maxattr = policy.len() as u32 - 1;
        request.cmd = command;
        request.flags = (bindings::GENL_CMD_CAP_DO | flags) as u8;
        request
    }
}

impl<C: Commands> Family<C> {
    /// A family of that name and version, for a static.
    pub(crate) const fn new(
        name: &'static CStr,
        version: u8,
        operations: &'static Operations,
        groups: &'static [MulticastGroup; 1],
    ) -> Self {
        let mut family: bindings::genl_family = pin_init::zeroed();
        let name = name.to_bytes_with_nul();
        assert!(name.len() <= family.name.len());
        let mut i = 0;
        while i < name.len() {
            family.name[i] = name[i];
            i += 1;
        }
        family.version = version as u32;
        family.module = this_module::<crate::LocalModule>().as_ptr();
        family.split_ops = operations.0.as_ptr();
        family.n_split_ops = operations.0.len() as u8;
        family.resv_start_op = 1;
        family.mcgrps = groups.as_ptr().cast();
        family.n_mcgrps = 1;
        Self {
            inner: Opaque::new(family),
            _commands: PhantomData,
        }
    }

    /// Makes the family known until the registration is dropped.
    pub(crate) fn register(&'static self) -> Result<Registration<C>> {
        // SAFETY: A complete family that is never moved or freed.
        to_result(unsafe { bindings::genl_register_family(self.inner.get()) })?;
        Ok(Registration(self))
    }

    /// Sends a message of command `command` to the family's group, if anybody listens.
    pub(crate) fn multicast(
        &'static self,
        command: u8,
        fill: impl FnOnce(&mut Message) -> Result,
    ) -> Result {
        // SAFETY: The family is registered for as long as the module has devices.
        let listeners = unsafe {
            bindings::genl_has_listeners(self.inner.get(), &raw mut bindings::init_net, 0)
        };
        if listeners == 0 {
            return Ok(());
        }
        let skb = self.message(0, 0, 0, command, None, fill)?;
        // SAFETY: The message is complete; this takes it over.
        let sent = unsafe {
            bindings::genlmsg_multicast(self.inner.get(), skb, 0, 0, bindings::GFP_KERNEL)
        };
        match to_result(sent) {
            // The last listener left meanwhile.
            Err(error) if error == ESRCH => Ok(()),
            sent => sent,
        }
    }

    /// Makes a message, in `into` or in a buffer of its own. An error leaves `into` as it was.
    fn message(
        &self,
        portid: u32,
        sequence: u32,
        flags: c_int,
        command: u8,
        into: Option<*mut bindings::sk_buff>,
        fill: impl FnOnce(&mut Message) -> Result,
    ) -> Result<*mut bindings::sk_buff> {
        let skb = match into {
            Some(skb) => skb,
            // SAFETY: Any size may be asked for.
            None => unsafe {
                bindings::genlmsg_new(bindings::GENLMSG_DEFAULT_SIZE, bindings::GFP_KERNEL)
            },
        };
        if skb.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: `skb` is valid, and the family registered.
        let header = unsafe {
            bindings::genlmsg_put(skb, portid, sequence, self.inner.get(), flags, command)
        };
        let result = if header.is_null() {
            Err(EMSGSIZE)
        } else {
            let result = fill(&mut Message { skb });
            if result.is_ok() {
                // SAFETY: `header` is the header of the message in `skb`.
                unsafe { bindings::genlmsg_end(skb, header) };
            } else {
                // SAFETY: As above.
                unsafe { bindings::genlmsg_cancel(skb, header) };
            }
            result
        };
        if result.is_err() && into.is_none() {
            // SAFETY: We own the buffer that we made.
            unsafe { bindings::nlmsg_free(skb) };
        }
        result.map(|()| skb)
    }
}

/// A registered family.
pub(crate) struct Registration<C: Commands>(&'static Family<C>);

impl<C: Commands> Drop for Registration<C> {
    fn drop(&mut self) {
        // SAFETY: It is registered.
        unsafe { bindings::genl_unregister_family(self.0.inner.get()) };
    }
}

/// # Safety
///
/// Called by generic netlink, for a message of family `C`.
unsafe extern "C" fn get_one<C: Commands>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    let request = Request {
        info,
        policy: C::GET_POLICY,
        _info: PhantomData,
    };
    // SAFETY: `info` is valid for this call.
    let (portid, sequence) = unsafe { ((*info).snd_portid, (*info).snd_seq) };
    let fill = |reply: &mut Message| C::get(&request, reply);
    match C::family().message(portid, sequence, 0, C::GET, None, fill) {
        // SAFETY: The message is complete; this takes it over.
        Ok(skb) => unsafe { dmaframe_genlmsg_reply(skb, info) },
        Err(error) => error.to_errno(),
    }
}

/// # Safety
///
/// Called by generic netlink, for a message of family `C`.
unsafe extern "C" fn get_all<C: Commands>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: By the contract.
    unsafe { dump::<C>(C::GET, skb, cb) }
}

/// # Safety
///
/// Called by generic netlink, for a message of family `C`.
unsafe extern "C" fn dump_others<C: Commands>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: By the contract.
    unsafe { dump::<C>(C::DUMP, skb, cb) }
}

/// # Safety
///
/// Both are those of a dump of family `C` that generic netlink asks for.
unsafe fn dump<C: Commands>(
    command: u8,
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: `cb` is valid for this call, and its context ours: zero at the beginning.
    let (portid, sequence, next) = unsafe {
        let context = &raw mut (*cb).__bindgen_anon_1;
        (
            dmaframe_dump_portid(cb),
            (*(*cb).nlh).nlmsg_seq,
            context.cast::<usize>(),
        )
    };
    let mut written = 0;
    loop {
        // SAFETY: The context is larger than a `usize`, and aligned for one.
        let index = unsafe { *next };
        let mut more = false;
        let result = C::family().message(
            portid,
            sequence,
            bindings::NLM_F_MULTI as c_int,
            command,
            Some(skb),
            |message| {
                more = C::dump(command, index, message)?;
                // An empty message is cancelled.
                if more {
                    Ok(())
                } else {
                    Err(ENOENT)
                }
            },
        );
        match result {
            Ok(_) => {
                // SAFETY: As above.
                unsafe { *next = index + 1 };
                written += 1;
            }
            Err(error) if error == ENOENT && !more => break,
            // The buffer is full: the rest goes into the next one.
            Err(error) if error == EMSGSIZE && written > 0 => break,
            Err(error) => return error.to_errno(),
        }
    }
    // SAFETY: `skb` is valid. Its length tells the core whether there may be more.
    unsafe { (*skb).len as c_int }
}

/// # Safety
///
/// Called by generic netlink, for a message of family `C`.
unsafe extern "C" fn set_one<C: Commands>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    let request = Request {
        info,
        policy: C::SET_POLICY,
        _info: PhantomData,
    };
    match C::set(&request) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
