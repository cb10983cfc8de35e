//! `shared!`: the declaration. The parsing is in the macros crate; what it expands to stands here.

/// Declares statics that every process running this program or library shares.
///
/// Each `shared!` is a *block*: its variables lie together, in pages of their own, and are shared as a whole. A
/// variable is used like any static. Without a name, the processes of the same build, user and
/// [scope](crate#environment) share it; with one, every program of the user and scope that declares the block.
///
/// The values live while somebody is attached; the next process starts from the initial values.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// cotenant::shared! {
///     /// Requests served by every process that runs this program.
///     pub static REQUESTS: AtomicU64 = AtomicU64::new(0);
/// }
///
/// REQUESTS.fetch_add(1, Relaxed);
/// assert!(REQUESTS.load(Relaxed) >= 1);
/// ```
///
/// # The block's words
///
/// A variable cannot be more visible than its type: `pub(crate) static X: Mutex<P>` with a `P` that is private to the
/// module is an error here, where a plain static gives a lint.
///
/// `#![shared(...)]` as the first thing in the block:
///
/// | word | values (default first) | meaning |
/// |---|---|---|
/// | `name` | none, `"acme.web"` | shared with every program that declares the block; types must be `#[repr(C)]` |
/// | `mode` | `0o600` | who may open it: `0o660` the group too, `0o644` others may read the file; needs a name |
/// | `group` | the process's own, `"www-data"` | the group that `mode` speaks of; needs a name |
/// | `keep` | `while_attached`, `until_removed` | how long values live |
/// | `attach` | `at_load`, `by_call` | before `main`, or by [`attach`](crate::attach()); private until then |
/// | `on_failure` | `exit`, `private` | when sharing is impossible: end with status 78, or go on with private values |
/// | `on_mismatch` | `refuse`, `separate` | when a running program has another layout: fail, or share with its like |
/// | `when_privileged` | `private`, `share` | in a set-uid program: its starter could stop it inside a lock |
///
/// # Errors
///
/// At load: see [the environment](crate#environment) and `on_failure`. While compiling: types that are not
/// [`ProcessSync`](crate::ProcessSync).
#[macro_export]
macro_rules! shared {
    ($($block:tt)*) => {
        $crate::__private::shared_impl! { [$crate] $($block)* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __block {
    (
        {
            name: $name:tt, mode: $mode:literal, group: $group:tt, keep: $keep:ident, attach: $attach:ident,
            on_failure: $on_failure:ident, on_mismatch: $on_mismatch:ident, when_privileged: $when_privileged:ident
        }
        $({ [$($attribute:tt)*] [$($vis:tt)*] $variable:ident [$($type:tt)*] [$($init:tt)*] $doc:literal })*
    ) => {
        $(
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            $($vis)* struct $variable {}
            $($attribute)*
            $($vis)* static $variable: $crate::SharedStatic<$variable> = $crate::SharedStatic::__new();
        )*
        const _: () = {
            #[allow(non_snake_case)]
            #[repr(C)]
            struct __Block { $($variable: $($type)*,)* }
            // SAFETY: `assert_variable` below wants `ProcessSync` of each field.
            unsafe impl $crate::__private::Block for __Block {}

            const __VARIABLES: &[$crate::schema::Part] = &[$($crate::schema::Part {
                name: $crate::__variable_name!($name $variable),
                at: ::core::mem::offset_of!(__Block, $variable) as u64,
                doc: $doc,
                schema: ::core::option::Option::Some(<$($type)* as $crate::ProcessSync>::SCHEMA),
            },)*];
            const __COUNT: usize = __VARIABLES.len();
            $(const _: () = $crate::__private::assert_variable::<$($type)*>($crate::__is_named!($name));)*
            // Else it would lie where the next block does.
            const _: () = ::core::assert!(
                ::core::mem::size_of::<__Block>() > 0,
                "the variables of this block have no bytes: there is nothing to share"
            );

            $crate::__place! { block $name $attach {
                static __BLOCK: $crate::__block_cell!($name $attach __Block) =
                    $crate::__block_cell!(new $name $attach __Block { $($variable: $($init)*,)* });
            }}
            $crate::__place! { pristine $name $attach {
                static __PRISTINE: $crate::__pristine_cell!($name $attach __Block) =
                    $crate::__pristine_cell!(new $name $attach __Block { $($variable: $($init)*,)* });
            }}
            static __SCHEMAS: [u8; $crate::__private::schemas_bytes(__VARIABLES)] =
                $crate::__private::encode_schemas(__VARIABLES);
            static __OBJECTS: [$crate::__private::ObjectEntry; __COUNT] = $crate::__private::objects(__VARIABLES);
            static __STATUS: $crate::__private::Status = $crate::__private::Status::new();

            $crate::__place! { descriptor {
                static __DESCRIPTOR: $crate::__private::Descriptor = $crate::__private::Descriptor {
                    magic: $crate::__private::DESCRIPTOR_MAGIC,
                    descriptor_bytes: ::core::mem::size_of::<$crate::__private::Descriptor>() as u32,
                    object_count: __COUNT as u32,
                    words: $crate::__private::Words {
                        keep_until_removed: $crate::__word!($keep),
                        attach_by_call: $crate::__word!($attach),
                        private_on_failure: $crate::__word!(on_failure $on_failure),
                        separate_on_mismatch: $crate::__word!($on_mismatch),
                        share_when_privileged: $crate::__word!($when_privileged),
                        reserved: [0; 3],
                        mode: $mode,
                    },
                    name: $crate::__private::StaticText::new($crate::__text!($name)),
                    group: $crate::__private::StaticText::new($crate::__text!($group)),
                    module: $crate::__private::StaticText::new(::core::module_path!()),
                    block: __BLOCK.address(),
                    pristine: __PRISTINE.address(),
                    used_bytes: ::core::mem::size_of::<__Block>(),
                    padded_bytes: ::core::mem::size_of_val(&__BLOCK),
                    fingerprint: $crate::__private::block_fingerprint(__VARIABLES),
                    objects: $crate::__private::StaticSlice::new(&__OBJECTS),
                    schemas: $crate::__private::StaticSlice::new(&__SCHEMAS),
                    target: __BLOCK.target(),
                    status: &__STATUS,
                };
            }}
            $crate::__place! { register {
                static __REGISTER: extern "C" fn() = {
                    extern "C" fn register() {
                        $crate::__place! { symbols $attach __BLOCK __Block { $($variable)* } }
                        // SAFETY: the descriptor describes the block above, and is made here alone.
                        unsafe { $crate::__private::register(&__DESCRIPTOR) };
                    }
                    register
                };
            }}
            $crate::__place! { attach {
                static __ATTACH: extern "C" fn() = $crate::__private::attach_at_load;
            }}
            $crate::__place! { detach {
                static __DETACH: extern "C" fn() = {
                    extern "C" fn detach() {
                        $crate::__private::detach_at_unload(&__DESCRIPTOR);
                    }
                    detach
                };
            }}

            $(
                impl $crate::__private::Declared for $variable {
                    type Value = $($type)*;

                    #[inline(always)]
                    fn get() -> &'static $($type)* {
                        &__BLOCK.get().$variable
                    }
                }
            )*
        };
    };
}

/// An unnamed block's variables carry their module: one segment holds the blocks of many.
#[doc(hidden)]
#[macro_export]
macro_rules! __variable_name {
    (none $variable:ident) => {
        ::core::concat!(::core::module_path!(), "::", ::core::stringify!($variable))
    };
    ($name:tt $variable:ident) => {
        ::core::stringify!($variable)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __is_named {
    (none) => {
        false
    };
    ($name:tt) => {
        true
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __text {
    (none) => {
        ""
    };
    ($text:tt) => {
        $text
    };
}

/// `true` for the word that is not the default.
#[doc(hidden)]
#[macro_export]
macro_rules! __word {
    (until_removed) => {
        true
    };
    (by_call) => {
        true
    };
    (separate) => {
        true
    };
    (share) => {
        true
    };
    (on_failure private) => {
        true
    };
    (on_failure exit) => {
        false
    };
    ($default:ident) => {
        false
    };
}
