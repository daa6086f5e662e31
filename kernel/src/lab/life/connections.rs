//! Connections: accepted, answered, and ended in order.
//!
//! [`axum::serve`] would do it, but waits for ever for the head of a request: whoever reaches the port, without any token,
//! could take up all connections that the system allows.

use super::leave::Leave;
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the head of a request may take to come; an idle connection lives as long.
const HEAD: Duration = Duration::from_secs(30);
/// How long nobody is accepted after the system could not, as when all its descriptors are taken.
const REST: Duration = Duration::from_millis(100);

/// Answers until the server is asked to end; then what is under way is brought to its end.
pub async fn serve(listener: TcpListener, router: Router, leave: Leave) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = leave.asked() => break,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) => {
                let router = router.clone().layer(Extension(ConnectInfo(from)));
                open.spawn(answer(stream, router, leave.clone()));
            }
            Err(_) => sleep(REST).await,
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn answer(stream: TcpStream, router: Router, leave: Leave) {
    // Streamed text is many small writes: none waits for the one before it.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        _ = connection.as_mut() => return,
        () = leave.asked() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
