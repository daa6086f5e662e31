//! The kernels that run.

use super::connection::KernelConnection;
use super::cull;
use super::kernel::{Kernel, NotRestarted};
use super::life::Life;
use super::process::Spawner;
use super::specs::{BUILT_IN, Specs};
use crate::lab::error::{ApiError, ApiResult};
use crate::lab::events::Events;
use crate::lab::paths::Folders;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long all kernels together may take to end. One that takes longer is killed.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a kernel is started with.
#[derive(Debug, Clone, Default)]
pub struct StartKernel {
    /// The id that it gets; a new one where there is none. A kernel that has it already is the one that is meant.
    pub id: Option<String>,
    /// The name of the kernelspec.
    pub name: Option<String>,
    /// The folder it works in.
    pub cwd: PathBuf,
    /// Variables of its environment besides the server's.
    pub env: Vec<(String, String)>,
}

/// All kernels of a server; clones are the same.
#[derive(Clone)]
pub struct Kernels {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    specs: Specs,
    runtime: PathBuf,
    events: Events,
    spawner: Spawner,
    known: Mutex<Known>,
    /// Told whenever a start has come to its end, one way or the other.
    settled: Notify,
}

#[derive(Default)]
struct Known {
    /// In the order of their start.
    kernels: Vec<Arc<Kernel>>,
    /// Ids that are given to kernels about to be.
    promised: Vec<String>,
    /// The server ends: no kernel starts any more.
    closed: bool,
    /// When the last of the kernels that are gone did something.
    last: Option<Timestamp>,
}

impl Kernels {
    /// No kernel yet. Those that did nothing for `cull` and that nobody is connected to will be stopped.
    ///
    /// To be called inside the event loop.
    pub fn new(folders: Folders, events: Events, cull: Option<Duration>) -> Self {
        let inner = Arc::new(Inner {
            specs: Specs::new(&folders.jupyter),
            runtime: folders.runtime,
            events,
            spawner: Spawner::new(),
            known: Mutex::default(),
            settled: Notify::new(),
        });
        tokio::spawn(cull::watch(Arc::downgrade(&inner), cull));
        Self { inner }
    }

    pub(super) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Which kernels there are on this machine.
    pub fn specs(&self) -> &Specs {
        &self.inner.specs
    }

    /// Starts a kernel, or finds the one that has the asked id. It runs, and may not listen yet.
    ///
    /// # Errors
    /// When there is no such kernelspec (501), or its program does not start.
    pub async fn start(&self, start: StartKernel) -> ApiResult<Arc<Kernel>> {
        let kernels = self.clone();
        // A front end that goes away meanwhile must not leave half a kernel.
        let task = tokio::spawn(async move { kernels.start_whole(start).await });
        task.await.unwrap_or_else(|e| Err(ApiError::internal(format!("The kernel could not be started: {e}"))))
    }

    async fn start_whole(&self, start: StartKernel) -> ApiResult<Arc<Kernel>> {
        let id = match start.id {
            Some(id) => legal(id)?,
            None => uuid::Uuid::new_v4().to_string(),
        };
        if let Ok(last) = self.get(&id)
            && last.is_retired()
        {
            // Both have the same connection file: one after the other.
            last.shutdown().await;
        }
        let Some(_promise) = self.promise(&id)? else { return self.get(&id) };
        let name = start.name.filter(|name| !name.is_empty()).unwrap_or_else(|| BUILT_IN.to_owned());
        let done = self.launch(&id, &name, start.cwd, start.env).await;
        match &done {
            Ok(kernel) => self.tell("start", kernel.id(), kernel.name(), Ok("started")),
            Err(e) => self.tell("start", &id, &name, Err(&e.message)),
        }
        done
    }

    async fn launch(&self, id: &str, name: &str, cwd: PathBuf, env: Vec<(String, String)>) -> ApiResult<Arc<Kernel>> {
        let (kernels, wanted, file_id) = (self.inner.clone(), name.to_owned(), id.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let spec = kernels.specs.get(&wanted)?;
            let connection = KernelConnection::new(&kernels.runtime, &file_id, &spec.name);
            Some((spec, connection))
        });
        let found = found.await.map_err(|e| ApiError::internal(e.to_string()))?;
        let (spec, connection) = found.ok_or_else(|| {
            let message = format!("The kernel {name:?} is not on this machine: choose another, or install it");
            ApiError::new(StatusCode::NOT_IMPLEMENTED, message)
        })?;
        let (kernel, orders) = Kernel::new(id.to_owned(), spec, cwd, env);
        let life = Life::begin(kernel.clone(), self.inner.spawner.clone(), connection, orders);
        let life = life.await.map_err(ApiError::internal)?;
        {
            let mut known = self.lock();
            if !known.closed {
                known.kernels.push(kernel.clone());
                kernel.belongs_to(tokio::spawn(life.run()).abort_handle());
                return Ok(kernel);
            }
        }
        // Nobody else knows of this one.
        life.quit().await;
        Err(ending())
    }

    /// Keeps an id for a kernel about to be; nothing where one that is alive has it.
    fn promise(&self, id: &str) -> ApiResult<Option<Promise<'_>>> {
        let mut known = self.lock();
        if known.closed {
            return Err(ending());
        }
        if known.promised.iter().any(|promised| promised == id) {
            return Err(ApiError::conflict(format!("Kernel already exists: {id}")));
        }
        if known.kernels.iter().any(|kernel| kernel.id() == id && !kernel.is_dead()) {
            return Ok(None);
        }
        // A dead one makes room.
        known.kernels.retain(|kernel| kernel.id() != id);
        known.promised.push(id.to_owned());
        Ok(Some(Promise { kernels: self, id: id.to_owned() }))
    }

    /// The kernel with this id; a dead one, too, for a while.
    ///
    /// # Errors
    /// 404 where there is none.
    pub fn get(&self, id: &str) -> ApiResult<Arc<Kernel>> {
        let found = self.lock().kernels.iter().find(|kernel| kernel.id() == id).cloned();
        found.ok_or_else(|| ApiError::not_found(format!("Kernel does not exist: {id}")))
    }

    /// The kernels that are alive, in the order of their start.
    pub fn list(&self) -> Vec<Arc<Kernel>> {
        self.lock().kernels.iter().filter(|kernel| !kernel.is_dead()).cloned().collect()
    }

    /// Those that are dead as well.
    pub(super) fn all(&self) -> Vec<Arc<Kernel>> {
        self.lock().kernels.clone()
    }

    /// Interrupts what a kernel runs.
    ///
    /// # Errors
    /// When there is no such kernel, or it does not listen.
    pub async fn interrupt(&self, id: &str) -> ApiResult<()> {
        let kernel = self.get(id)?;
        let done = kernel.interrupt().await;
        self.tell("interrupt", id, kernel.name(), done.as_ref().map(|()| "interrupted").map_err(|e| &**e));
        done.map_err(ApiError::internal)
    }

    /// Gives a kernel a new process.
    ///
    /// # Errors
    /// When there is no such kernel, another restart goes on (503), or the new process does not start.
    pub async fn restart(&self, id: &str) -> ApiResult<()> {
        let kernel = self.get(id)?;
        let done = kernel.restart().await.map_err(|e| match e {
            NotRestarted::Busy => {
                let message = format!("Kernel {id} is being restarted already: wait for that");
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
            }
            NotRestarted::Failed(why) => ApiError::internal(why),
        });
        self.tell("restart", id, kernel.name(), done.as_ref().map(|()| "restarted").map_err(|e| &*e.message));
        done
    }

    /// Ends a kernel and forgets it.
    ///
    /// # Errors
    /// When there is no such kernel.
    pub async fn shutdown(&self, id: &str) -> ApiResult<()> {
        let kernel = self.get(id)?;
        kernel.shutdown().await;
        self.forget(&kernel);
        self.tell("shutdown", id, kernel.name(), Ok("shutdown"));
        Ok(())
    }

    /// Ends all kernels, at the same time, and kills those that take too long. Afterwards none starts any more.
    pub async fn shutdown_all(&self) {
        self.lock().closed = true;
        let mut tasks = tokio::task::JoinSet::new();
        for kernel in self.all() {
            tasks.spawn(async move { kernel.shutdown().await });
        }
        let all = async {
            while tasks.join_next().await.is_some() {}
            // One that was about to start finds that it may not.
            while !self.lock().promised.is_empty() {
                self.inner.settled.notified().await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, all).await;
        for kernel in self.all() {
            kernel.abandon();
            self.forget(&kernel);
        }
    }

    pub(super) fn forget(&self, kernel: &Arc<Kernel>) {
        let mut known = self.lock();
        let last = kernel.activity().last();
        known.last = Some(known.last.map_or(last, |before| before.max(last)));
        known.kernels.retain(|known| !Arc::ptr_eq(known, kernel));
    }

    /// When a kernel last did something, those that are gone included.
    pub fn last_activity(&self) -> Option<Timestamp> {
        let known = self.lock();
        known.kernels.iter().map(|kernel| kernel.activity().last()).chain(known.last).max()
    }

    /// Tells whoever listens what was done with a kernel.
    fn tell(&self, action: &str, id: &str, name: &str, done: Result<&str, &str>) {
        let (status, message) = match done {
            Ok(done) => ("success", format!("Kernel {id} was {done}.")),
            Err(why) => ("error", why.to_owned()),
        };
        let data = json!({
            "kernel_name": name,
            "action": action,
            "status": status,
            "msg": message,
            "kernel_id": id,
        });
        self.inner.events.emit("kernel_actions/v1", data);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        for kernel in known.kernels.drain(..) {
            kernel.abandon();
        }
    }
}

/// An id that is kept for a kernel about to be.
struct Promise<'a> {
    kernels: &'a Kernels,
    id: String,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.kernels.lock().promised.retain(|promised| *promised != self.id);
        self.kernels.inner.settled.notify_one();
    }
}

fn ending() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "The server ends: no kernel is started any more")
}

/// An id that a front end chose. It becomes part of a file's name and of addresses.
fn legal(id: String) -> ApiResult<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !id.is_empty() && id.len() <= 100 && id.chars().all(fits) {
        return Ok(id);
    }
    Err(ApiError::bad_request(format!(
        "kernel id {id:?}: expected up to 100 letters, digits, '-' and '_', such as a UUID"
    )))
}

#[cfg(test)]
mod tests;
