//! The task of one kernel: owns its process, connects to it, starts it again when it dies, ends it.

use super::connection::{KernelConnection, Ports};
use super::framing::Channel;
use super::kernel::{Kernel, Order, Phase};
use super::link::Link;
use super::process::{Ended, Launch, Process, Signal, Spawner};
use super::specs::InterruptMode;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// How long a kernel may take to end after it was asked to.
const POLITE: Duration = Duration::from_secs(5);
/// How long after SIGTERM.
const TERMINATING: Duration = Duration::from_secs(2);
/// How long after SIGKILL. Only a process inside a broken driver takes longer.
const DYING: Duration = Duration::from_secs(2);
/// How long the sockets of an ended process are read on: what it sent last is still on its way.
const LAST_MESSAGES: Duration = Duration::from_millis(200);
/// How often a kernel that does not listen yet is tried again, where the sockets do not do it themselves.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a kernel is started with other ports because somebody took them meanwhile.
const OTHER_PORTS: u32 = 3;
/// How often in a row a kernel that died is started again.
const RESTARTS: u32 = 5;
/// A kernel that lived so long has started.
const STABLE: Duration = Duration::from_secs(10);

/// The variable that tells a kernel with which process it ends.
const PARENT: &str = "JPY_PARENT_PID";

/// The task of one kernel. Dropping it kills the process.
pub(super) struct Life {
    kernel: Arc<Kernel>,
    spawner: Spawner,
    connection: KernelConnection,
    orders: UnboundedReceiver<Order>,
    process: Option<Arc<Process>>,
    link: Option<Arc<Link>>,
    started: Instant,
    /// How often other ports were chosen since the kernel last listened.
    other_ports: u32,
    /// How often in a row it died.
    deaths: u32,
}

enum Step {
    Order(Option<Order>),
    Ended(Ended),
    Linked(Arc<Link>),
}

impl Life {
    /// Starts the kernel's first process.
    ///
    /// # Errors
    /// What went wrong, for the person.
    pub async fn begin(
        kernel: Arc<Kernel>,
        spawner: Spawner,
        connection: KernelConnection,
        orders: UnboundedReceiver<Order>,
    ) -> Result<Self, String> {
        let started = Instant::now();
        let (process, link) = (None, None);
        let mut life = Self { kernel, spawner, connection, orders, process, link, started, other_ports: 0, deaths: 0 };
        life.start_process().await?;
        Ok(life)
    }

    /// Lives until the kernel is shut down, or dead for good.
    pub async fn run(mut self) {
        loop {
            let goes_on = match self.next().await {
                Step::Linked(link) => self.listens(link),
                Step::Ended(ended) => self.died(ended).await,
                Step::Order(Some(Order::Restart(answer))) => {
                    let done = self.restart().await;
                    let goes_on = done.is_ok();
                    let _ = answer.send(done);
                    goes_on
                }
                Step::Order(Some(Order::Shutdown(answer))) => {
                    self.stop(false).await;
                    self.end("The kernel was shut down");
                    let _ = answer.send(());
                    false
                }
                Step::Order(None) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Ends a kernel that nobody knows yet.
    pub async fn quit(mut self) {
        self.stop(false).await;
    }

    async fn next(&mut self) -> Step {
        let process = self.process.clone();
        let ended = async move {
            match process {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        let unlinked = self.link.is_none();
        tokio::select! {
            // What came before a process ended is done before its end.
            biased;
            order = self.orders.recv() => Step::Order(order),
            link = connect(self.connection.clone(), self.kernel.clone()), if unlinked => Step::Linked(link),
            ended = ended => Step::Ended(ended),
        }
    }

    /// The kernel listens on all sockets, and is heard.
    fn listens(&mut self, link: Arc<Link>) -> bool {
        self.other_ports = 0;
        if matches!(&*self.kernel.activity.state(), "starting" | "restarting" | "autorestarting") {
            // Nobody could ask it for anything yet.
            self.kernel.activity.set("idle");
            self.kernel.mailboxes.say_status("idle");
        }
        self.kernel.enter(Phase::Ready(link.clone()));
        self.link = Some(link);
        true
    }

    /// The process ended and nobody had asked for it. False when that was the last of it.
    async fn died(&mut self, ended: Ended) -> bool {
        let listened = self.link.is_some();
        self.process = None;
        self.unlink().await;
        if !listened && self.other_ports < OTHER_PORTS && self.lost_its_ports(&ended).await {
            self.other_ports += 1;
            return self.try_again().await;
        }
        self.pass_on(&ended.words);
        if self.started.elapsed() > STABLE {
            self.deaths = 0;
        }
        self.deaths += 1;
        // One that ended by itself before it ever listened will do so the next time.
        if self.deaths > RESTARTS || (!listened && !ended.killed && self.deaths == 1) {
            self.end(&last_words(&ended));
            return false;
        }
        self.kernel.activity.set("autorestarting");
        // Front ends know one word for both kinds of restart, and take this for one that they did not ask for.
        self.kernel.mailboxes.say_status("restarting");
        // The first time at once; one that dies over and over is no reason to keep the machine busy.
        tokio::time::sleep(Duration::from_millis(300) * (self.deaths - 1)).await;
        self.try_again().await
    }

    async fn try_again(&mut self) -> bool {
        match self.start_process().await {
            Ok(()) => true,
            Err(problem) => {
                self.end(&problem);
                false
            }
        }
    }

    /// Whether it ended because somebody listens where it was told to. Then it gets other ports.
    async fn lost_its_ports(&mut self, ended: &Ended) -> bool {
        let told = ended.words.to_ascii_lowercase().contains("address already in use");
        let connection = self.connection.clone();
        let chosen = tokio::task::spawn_blocking(move || (told || connection.taken()).then(Ports::choose)).await;
        match chosen {
            Ok(Some(ports)) => {
                self.connection.ports = ports;
                true
            }
            _ => false,
        }
    }

    async fn restart(&mut self) -> Result<(), String> {
        self.kernel.activity.set("restarting");
        self.kernel.enter(Phase::Starting);
        self.stop(true).await;
        self.kernel.mailboxes.end_runs();
        (self.deaths, self.other_ports) = (0, 0);
        let done = self.start_process().await;
        if let Err(problem) = &done {
            self.end(problem);
        }
        done
    }

    /// Ends the process: asks it, then tells it, then kills it. What it says meanwhile is heard.
    async fn stop(&mut self, restart: bool) {
        let Some(process) = self.process.take() else { return };
        if let Some(link) = &self.link {
            if self.kernel.spec.interrupt_mode == InterruptMode::Signal {
                // One that is busy hears a request only afterwards.
                process.signal(Signal::Interrupt);
            }
            let asked = async {
                let _ = link.request(Channel::Control, "shutdown_request", json!({ "restart": restart }), POLITE).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = process.ended() => {}
                () = asked => {}
                () = tokio::time::sleep(POLITE) => {}
            }
        }
        if !restart && !process.has_ended() {
            process.signal(Signal::Terminate);
            process.ends_within(TERMINATING).await;
        }
        if !process.has_ended() {
            process.signal(Signal::Kill);
            process.ends_within(DYING).await;
        }
        self.unlink().await;
    }

    /// Lets go of the sockets to a process that has ended.
    async fn unlink(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.kernel.enter(Phase::Starting);
        tokio::time::sleep(LAST_MESSAGES).await;
        // Who still waits to send something to it waits in vain.
        link.close();
    }

    /// What a process wrote last goes to the front ends: they have no other way to learn why it died.
    fn pass_on(&self, words: &str) {
        if !words.is_empty() {
            self.kernel.mailboxes.say_stderr(&format!("{words}\n"));
        }
    }

    /// The kernel is dead, and stays so.
    fn end(&self, reason: &str) {
        self.connection.remove();
        self.kernel.enter(Phase::Dead { reason: reason.to_owned(), since: Instant::now() });
        self.kernel.activity.set("dead");
        self.kernel.mailboxes.say_status("dead");
        self.kernel.mailboxes.close();
    }

    async fn start_process(&mut self) -> Result<(), String> {
        let env = self.environment();
        let connection = self.connection.clone();
        let session = env.iter().find(|(name, _)| name == "JPY_SESSION_NAME").map(|(_, path)| path.clone());
        let file = connection.file.display().to_string();
        tokio::task::spawn_blocking(move || connection.write(session.as_deref()))
            .await
            .map_err(|e| e.to_string())?
            .map_err(|e| format!("The connection file {file} cannot be written: {e}"))?;
        let spec = &self.kernel.spec;
        let command = spec.command(&self.connection)?;
        let program = command.first().map(|first| first.to_string_lossy().into_owned()).unwrap_or_default();
        let mut without = Vec::new();
        if cfg!(windows) {
            // Of the server's own parent.
            without.push(PARENT.to_owned());
        }
        if spec.language().to_ascii_lowercase().starts_with("python") {
            // It would make another program of the interpreter.
            without.push("PYTHONEXECUTABLE".to_owned());
        }
        let launch = Launch { command, env, without, cwd: self.kernel.cwd.clone(), obeys: spec.is_built_in() };
        self.started = Instant::now();
        let process = self.spawner.start(launch).await.map_err(|e| self.not_started(&program, &e))?;
        let process = Arc::new(process);
        self.kernel.set_process(&process);
        self.process = Some(process);
        Ok(())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut env = self.kernel.env();
        if cfg!(unix) {
            // Kernels on Windows take it for the number of a handle, and end when there is none.
            env.push((PARENT.to_owned(), std::process::id().to_string()));
        }
        let known = |name: &str| {
            let own = env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            own.or_else(|| std::env::var(name).ok())
        };
        let added = self.kernel.spec.environment(&known);
        env.extend(added);
        env
    }

    fn not_started(&self, program: &str, error: &io::Error) -> String {
        let name = &self.kernel.spec.name;
        let cwd = &self.kernel.cwd;
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !cwd.is_dir() => {
                format!("The kernel {name:?} cannot be started: its folder {} is not there", cwd.display())
            }
            io::ErrorKind::NotFound => format!(
                "The kernel {name:?} cannot be started: its program {program:?} is not there\n\
                help: install it, or correct \"argv\" in the kernelspec"
            ),
            _ => format!("The kernel {name:?} cannot be started: {program:?}: {error}"),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
        }
        // The file of one that is dead is gone already: by that name there may be one of a new kernel.
        if !self.kernel.is_dead() {
            self.end("The server ends");
        }
    }
}

/// Connects to a process as soon as it listens.
async fn connect(connection: KernelConnection, kernel: Arc<Kernel>) -> Arc<Link> {
    loop {
        match Link::connect(&connection, kernel.mailboxes.clone(), kernel.activity.clone()).await {
            Ok(link) => return Arc::new(link),
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Why a kernel is dead, in a few lines.
fn last_words(ended: &Ended) -> String {
    let lines: Vec<&str> = ended.words.lines().collect();
    let last = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n");
    match last.is_empty() {
        true => format!("The kernel died ({})", ended.how),
        false => format!("The kernel died ({}):\n{last}", ended.how),
    }
}
