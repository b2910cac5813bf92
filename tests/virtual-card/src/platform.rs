//! What the applet runs on: storage, randomness and the Trussed service with the backends that PIV needs.

use std::{
    path::Path,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use piv_authenticator::{Authenticator, Options};
use rand_chacha::ChaCha8Rng;
use rand_core::{OsRng, SeedableRng as _};
use trussed::{
    ClientImplementation,
    backend::BackendId,
    pipe::{ServiceEndpoint, TrussedChannel},
    platform,
    service::Service,
    types::CoreContext,
    virt::{StorageConfig, Store, StoreConfig, UserInterface},
};
use trussed_auth_backend::{AuthBackend, FilesystemLayout};
use trussed_core::types::Location;
use trussed_derive::{ExtensionDispatch, ExtensionId};
use trussed_rsa_alloc::SoftwareRsa;
use trussed_staging::StagingBackend;

/// The applet with the client that reaches its backends.
pub(crate) type Piv<'a> = Authenticator<ClientImplementation<'a, Syscall, Backends>>;

/// What outlives a loss of power.
pub(crate) struct Storage(StoreConfig<'static>);

impl Storage {
    /// Storage in the files of a folder, made if they are missing; without a folder, in memory.
    pub(crate) fn open(folder: Option<&Path>) -> Self {
        let mut config = StoreConfig::ram();
        if let Some(folder) = folder {
            config.internal = StorageConfig::filesystem(folder.join("internal.bin"));
            config.external = StorageConfig::filesystem(folder.join("external.bin"));
        }
        Self(config)
    }

    /// Runs an applet that has just got power. Only here is everything volatile new: the applet's own deselection
    /// keeps the PIN verified, so a reset has to come back to this function.
    pub(crate) fn with_applet<R>(&mut self, run: impl FnOnce(&mut Piv<'_>) -> R) -> R {
        self.0.volatile = StorageConfig::ram();
        let result = self.0.with_store(|store| with_service(store, run));
        self.0.internal.format = false;
        self.0.external.format = false;
        result
    }
}

fn with_service<R>(store: Store<'_>, run: impl FnOnce(&mut Piv<'_>) -> R) -> R {
    let platform = Platform {
        // The generator of `trussed::virt` starts from a constant: all cards would have the same keys.
        rng: ChaCha8Rng::from_rng(OsRng).expect("the system gives random bytes"),
        store,
        user_interface: UserInterface::new(),
    };
    let mut service = Service::with_dispatch(platform, Backends::default());
    let channel = TrussedChannel::new();
    let (requester, responder) = channel.split().expect("a new channel");
    let context = CoreContext::new("piv".try_into().expect("a short path"));
    let mut endpoints = [ServiceEndpoint::new(responder, context, BACKENDS)];
    let (request, requested) = mpsc::channel();
    let (done, wait) = mpsc::channel();

    thread::scope(|scope| {
        scope.spawn(move || {
            while requested.recv().is_ok() {
                service.process(&mut endpoints);
                if done.send(()).is_err() {
                    break;
                }
            }
        });
        let client = ClientImplementation::new(requester, Syscall { request, wait }, None);
        // Dropping the applet drops the only sender, which ends the thread.
        run(&mut Authenticator::new(client, Options::new()))
    })
}

/// Hands a request to the service and waits for its answer. The client polls without pause, so returning earlier
/// would keep a processor busy during a key generation.
pub(crate) struct Syscall {
    request: Sender<()>,
    wait: Receiver<()>,
}

impl platform::Syscall for Syscall {
    fn syscall(&mut self) {
        self.request.send(()).expect("the service runs");
        self.wait.recv().expect("the service answers");
    }
}

struct Platform<'a> {
    rng: ChaCha8Rng,
    store: Store<'a>,
    user_interface: UserInterface,
}

impl<'a> platform::Platform for Platform<'a> {
    type R = ChaCha8Rng;
    type S = Store<'a>;
    type UI = UserInterface;

    fn user_interface(&mut self) -> &mut Self::UI {
        &mut self.user_interface
    }

    fn rng(&mut self) -> &mut Self::R {
        &mut self.rng
    }

    fn store(&self) -> Self::S {
        self.store
    }
}

const BACKENDS: &[BackendId<Backend>] = &[
    BackendId::Custom(Backend::Staging),
    BackendId::Custom(Backend::Auth),
    BackendId::Custom(Backend::Rsa),
    BackendId::Core,
];

pub(crate) enum Backend {
    Staging,
    Auth,
    Rsa,
}

#[derive(ExtensionId)]
pub(crate) enum Extension {
    Auth = 0,
    Chunked = 1,
    Hpke = 2,
    WrapKeyToFile = 3,
}

#[derive(ExtensionDispatch)]
#[dispatch(backend_id = "Backend", extension_id = "Extension")]
#[extensions(
    Auth = "trussed_auth::AuthExtension",
    Chunked = "trussed_chunked::ChunkedExtension",
    Hpke = "trussed_hpke::HpkeExtension",
    WrapKeyToFile = "trussed_wrap_key_to_file::WrapKeyToFileExtension"
)]
pub(crate) struct Backends {
    #[extensions("Chunked", "Hpke", "WrapKeyToFile")]
    staging: StagingBackend,
    #[extensions("Auth")]
    auth: AuthBackend,
    rsa: SoftwareRsa,
}

impl Default for Backends {
    fn default() -> Self {
        Self {
            staging: StagingBackend::new(),
            auth: AuthBackend::new(Location::Internal, FilesystemLayout::V0),
            rsa: SoftwareRsa,
        }
    }
}
