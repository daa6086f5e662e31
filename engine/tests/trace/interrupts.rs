//! Long work that is looked into stops when asked to.

use super::*;
use minerva_engine::trace::{PatchOptions, Target};
use minerva_engine::{Error, Event, Interrupt};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How much was done, of how much, at each event.
type Told = Arc<Mutex<Vec<(u64, u64)>>>;

/// A control that is interrupted at the n-th event of progress, and what it was told.
fn stops_at(n: usize) -> (Control, Told) {
    let (interrupt, seen, count) = (Interrupt::default(), Arc::new(Mutex::new(Vec::new())), AtomicUsize::new(0));
    let (flag, list) = (interrupt.clone(), seen.clone());
    let control = Control::new(interrupt, move |event| {
        if let Event::Progress { done, total, .. } = event {
            list.lock().unwrap().push((done, total));
            if count.fetch_add(1, Ordering::SeqCst) + 1 == n {
                flag.raise();
            }
        }
    });
    (control, seen)
}

#[test]
fn patching_and_gradients_tell_how_far_they_are_and_stop() {
    let model = sample();
    let (clean, corrupt) = (model.tokens("To be or not").unwrap(), model.tokens("To do or not").unwrap());
    let target = Target { position: -1, token: 20, minus: None };
    type Work<'a> = Box<dyn Fn(&Control) -> Result<()> + 'a>;
    let works: [Work<'_>; 2] = [
        Box::new(|c| trace::patch(&model, &clean, &corrupt, "resid_pre", PatchOptions::default(), c).map(drop)),
        Box::new(|c| trace::gradients(&model, &clean, &["*"], target, c).map(drop)),
    ];
    for work in works {
        let (control, seen) = stops_at(usize::MAX);
        work(&control).unwrap();
        let all = seen.lock().unwrap().clone();
        let total = all[0].1;
        assert!(all.windows(2).all(|w| w[0].0 <= w[1].0) && all.iter().all(|(_, t)| *t == total), "{all:?}");
        assert_eq!(all.last(), Some(&(total, total)));
        assert!(all.len() > 3);
        let (control, seen) = stops_at(3);
        assert!(matches!(work(&control), Err(Error::Interrupted)));
        assert!(seen.lock().unwrap().len() <= 4);
    }
}
