//! The one binary: the command line over an app with what is linked in.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back. Secrets pass through buffers of libraries, which do not wipe
/// them: what was bound into a request would otherwise stay readable for as long as nobody happens
/// to get the same piece of memory (S7).
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    automate::App::new().run()
}
