//! `input` and `password` in a terminal, or with lines from a pipe.

use super::Printer;
use crate::session::{Asking, NoAnswer, Question};
use minerva_engine::Interrupt;
use std::sync::Arc;

/// Asks on the terminal that `printer` writes to.
pub fn asking(printer: &Printer) -> Asking {
    let printer = printer.clone();
    Arc::new(move |question, interrupt| {
        printer.prompt(&question.prompt);
        let answer = read(question, interrupt);
        // Whoever typed a line saw it end, unless it was secret.
        printer.answered(is_terminal() && !question.secret && answer.is_ok());
        answer
    })
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

#[cfg(unix)]
fn read(question: &Question, interrupt: &Interrupt) -> Result<String, NoAnswer> {
    let _silent = question.secret.then(silence::Silence::begin).flatten();
    line(interrupt)
}

/// The next line of standard input without its end; what comes after it is left for whoever reads next.
///
/// # Errors
/// [`NoAnswer::End`] at the end of the input, [`NoAnswer::Interrupted`] when the interrupt is raised while it waits.
#[cfg(unix)]
pub fn line(interrupt: &Interrupt) -> Result<String, NoAnswer> {
    let mut line = Vec::new();
    loop {
        // A blocked read does not see the interrupt; so it is asked first whether there is something to read.
        while !ready() {
            if interrupt.is_raised() {
                return Err(NoAnswer::Interrupted);
            }
        }
        let mut byte = 0_u8;
        // SAFETY: reads one byte into a byte that lives until the call returns. Nothing of the line after it is taken:
        // it may be for somebody else.
        match unsafe { libc::read(libc::STDIN_FILENO, (&raw mut byte).cast(), 1) } {
            1 if byte == b'\n' => break,
            1 => line.push(byte),
            0 if line.is_empty() => return Err(NoAnswer::End),
            0 => break,
            _ => match std::io::Error::last_os_error().kind() {
                std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock => {}
                _ => return Err(NoAnswer::End),
            },
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Whether standard input has something, or has ended; waits for it a while.
#[cfg(unix)]
fn ready() -> bool {
    const MILLISECONDS: libc::c_int = 50;
    let mut wanted = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, in a structure that lives until the call returns.
    unsafe { libc::poll(&raw mut wanted, 1, MILLISECONDS) > 0 }
}

#[cfg(unix)]
mod silence {
    /// While it lives, the terminal does not show what is typed.
    pub struct Silence(libc::termios);

    impl Silence {
        /// `None` where standard input is no terminal.
        pub fn begin() -> Option<Self> {
            let mut mode = std::mem::MaybeUninit::uninit();
            // SAFETY: on success the whole structure is written.
            let before: libc::termios = unsafe {
                if libc::tcgetattr(libc::STDIN_FILENO, mode.as_mut_ptr()) != 0 {
                    return None;
                }
                mode.assume_init()
            };
            let mut quiet = before;
            quiet.c_lflag &= !libc::ECHO;
            // SAFETY: a mode that the terminal gave, with one flag less.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const quiet) };
            Some(Self(before))
        }
    }

    impl Drop for Silence {
        fn drop(&mut self) {
            // SAFETY: the mode that the terminal had.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const self.0) };
        }
    }
}

#[cfg(not(unix))]
fn read(question: &Question, interrupt: &Interrupt) -> Result<String, NoAnswer> {
    if question.secret && is_terminal() {
        return Err(NoAnswer::Nobody("this terminal cannot hide what is typed".into()));
    }
    line(interrupt)
}

/// The next line of standard input without its end.
///
/// # Errors
/// [`NoAnswer::End`] at the end of the input.
#[cfg(not(unix))]
pub fn line(_: &Interrupt) -> Result<String, NoAnswer> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(1..) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        _ => Err(NoAnswer::End),
    }
}
