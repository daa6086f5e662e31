//! One kernel as the rest of the server sees it.

use super::activity::Activity;
use super::framing::Channel;
use super::link::Link;
use super::mailbox::Mailboxes;
use super::process::{Process, Signal};
use super::specs::{InterruptMode, Spec};
use crate::jupyter::wire::date;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// How long a kernel may take to answer an interrupt.
const INTERRUPT: Duration = Duration::from_secs(5);

/// What the task of a kernel is asked for.
pub(super) enum Order {
    /// Another process in the place of this one. The answer comes when it runs.
    Restart(oneshot::Sender<Result<(), String>>),
    /// The end. The answer comes when there is no process any more.
    Shutdown(oneshot::Sender<()>),
}

/// Where a kernel is in its life.
#[derive(Clone)]
pub(super) enum Phase {
    /// There is a process, or will be at once, and nobody is connected to it.
    Starting,
    /// It listens.
    Ready(Arc<Link>),
    /// There is none, and there will be none: why.
    Dead { reason: String, since: Instant },
}

/// A kernel: the same one for its front ends however often its process is restarted.
pub struct Kernel {
    pub(super) id: String,
    pub(super) spec: Spec,
    pub(super) cwd: PathBuf,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) activity: Arc<Activity>,
    /// Variables of its environment that its document gives it.
    env: Mutex<Vec<(String, String)>>,
    phase: watch::Sender<Phase>,
    process: Mutex<Weak<Process>>,
    orders: mpsc::UnboundedSender<Order>,
    restarting: tokio::sync::Mutex<()>,
    retired: AtomicBool,
    task: Mutex<Option<AbortHandle>>,
}

/// Why a kernel is not restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRestarted {
    /// Another restart goes on.
    Busy,
    /// It was tried.
    Failed(String),
}

impl Kernel {
    pub(super) fn new(
        id: String,
        spec: Spec,
        cwd: PathBuf,
        env: Vec<(String, String)>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, taken) = mpsc::unbounded_channel();
        let kernel = Self {
            id,
            spec,
            cwd,
            mailboxes: Arc::new(Mailboxes::new()),
            activity: Arc::new(Activity::new()),
            env: Mutex::new(env),
            phase: watch::channel(Phase::Starting).0,
            process: Mutex::default(),
            orders,
            restarting: tokio::sync::Mutex::default(),
            retired: AtomicBool::new(false),
            task: Mutex::default(),
        };
        (Arc::new(kernel), taken)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of its kernelspec.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The folder it works in.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// What its front ends have not seen yet.
    pub fn mailboxes(&self) -> &Arc<Mailboxes> {
        &self.mailboxes
    }

    /// What it does.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// The number of its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid())
    }

    /// The sockets to its process, while it listens.
    pub fn link(&self) -> Option<Arc<Link>> {
        match &*self.phase.borrow() {
            Phase::Ready(link) => Some(link.clone()),
            _ => None,
        }
    }

    /// The sockets to its process, once it listens: waits while it starts or restarts.
    ///
    /// # Errors
    /// Why the kernel is dead.
    pub async fn ready(&self) -> Result<Arc<Link>, String> {
        let mut phase = self.phase.subscribe();
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::Starting)).await;
        match settled.as_deref() {
            Ok(Phase::Ready(link)) => Ok(link.clone()),
            Ok(Phase::Dead { reason, .. }) => Err(reason.clone()),
            Ok(Phase::Starting) | Err(_) => Err("The kernel is gone".to_owned()),
        }
    }

    /// Why there is no process and will be none.
    pub fn reason(&self) -> Option<String> {
        match &*self.phase.borrow() {
            Phase::Dead { reason, .. } => Some(reason.clone()),
            _ => None,
        }
    }

    /// Since when it is dead.
    pub(super) fn dead_since(&self) -> Option<Instant> {
        match &*self.phase.borrow() {
            Phase::Dead { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.dead_since().is_some()
    }

    /// The model of the REST interface.
    pub fn model(&self) -> Value {
        let mut model = json!({
            "id": self.id,
            "name": self.spec.name,
            // Six digits of a second: Jupyter's own parser takes no more.
            "last_activity": date(self.activity.last()),
            "execution_state": self.activity.state(),
            "connections": self.mailboxes.connections(),
        });
        if let (Some(reason), Some(model)) = (self.reason(), model.as_object_mut()) {
            model.insert("reason".to_owned(), reason.into());
        }
        model
    }

    /// Interrupts what it runs.
    ///
    /// # Errors
    /// When it cannot be told, or does not answer.
    pub async fn interrupt(&self) -> Result<(), String> {
        if self.spec.interrupt_mode == InterruptMode::Signal {
            let process = self.process().ok_or("The kernel has no process to interrupt: it is starting, or dead")?;
            return match process.signal(Signal::Interrupt) {
                true => Ok(()),
                false => Err("This kernel is interrupted by a signal, which this system cannot send\n\
                    help: restart the kernel"
                    .to_owned()),
            };
        }
        let late = |_| format!("The kernel has not listened within {} seconds", INTERRUPT.as_secs());
        let link = tokio::time::timeout(INTERRUPT, self.ready()).await.map_err(late)??;
        let answer = link.request(Channel::Control, "interrupt_request", json!({}), INTERRUPT).await;
        answer
            .map(drop)
            .map_err(|e| format!("The kernel has not answered the interrupt: {e}\nhelp: restart the kernel"))
    }

    /// Starts another process in the place of this one.
    ///
    /// # Errors
    /// When another restart goes on, or there is no process afterwards.
    pub async fn restart(&self) -> Result<(), NotRestarted> {
        let _only = self.restarting.try_lock().map_err(|_| NotRestarted::Busy)?;
        let (answer, answered) = oneshot::channel();
        let gone = || NotRestarted::Failed(self.reason().unwrap_or_else(|| "The kernel is gone".to_owned()));
        self.orders.send(Order::Restart(answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(NotRestarted::Failed)
    }

    /// Says that it is about to be ended: no document gets it any more.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    /// Whether it is being ended. That may take a while, and it runs as long.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Ends it. Afterwards there is no process.
    pub async fn shutdown(&self) {
        self.retire();
        let (answer, answered) = oneshot::channel();
        // Where nobody takes the order there is no process already.
        if self.orders.send(Order::Shutdown(answer)).is_ok() {
            let _ = answered.await;
        }
    }

    /// Sets a variable of the environment that the next process will have.
    pub fn set_env(&self, name: &str, value: &str) {
        let mut env = self.env.lock().unwrap_or_else(PoisonError::into_inner);
        env.retain(|(known, _)| known != name);
        env.push((name.to_owned(), value.to_owned()));
    }

    /// Variables of its environment that its document gives it.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        self.env.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    pub(super) fn set_process(&self, process: &Arc<Process>) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(process);
    }

    fn process(&self) -> Option<Arc<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    pub(super) fn belongs_to(&self, task: AbortHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Ends its task, and with it its process, without a word.
    pub(super) fn abandon(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}
